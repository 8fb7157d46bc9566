import { beforeAll, describe, expect, it } from '@jest/globals';
import { codeBlocks, documentation } from './markdown.js';
import { checkSnippets } from './snippets.js';

describe('the snippets of the README and of docs/', () => {
  const pages = documentation();
  const wrongPage = {
    file: 'wrong.md',
    text: [
      'A fragment that uses what a comment declares:',
      '',
      '<!-- given: declare const store: EventStore; -->',
      '',
      '```ts',
      "const { revision } = await store.append('orders', { type: 'order.placed' });",
      'revision satisfies string;',
      '```',
    ].join('\n'),
  };
  let problems: string[];

  beforeAll(() => {
    problems = checkSnippets([...pages, wrongPage]);
  }, 120_000);

  it('compile', () => {
    expect(problems.filter((problem) => !problem.startsWith(wrongPage.file))).toEqual([]);
  });

  it('would be reported by page and line if they did not', () => {
    expect(problems.filter((problem) => problem.startsWith(wrongPage.file))).toEqual([
      expect.stringMatching(/^wrong\.md:7: Type 'number' does not satisfy the expected type 'string'/),
    ]);
  });

  it('are all found', () => {
    for (const page of pages) {
      expect([page.file, codeBlocks(page).length]).toEqual([page.file, page.text.match(/^```\w+$/gm)?.length ?? 0]);
    }
  });
});
