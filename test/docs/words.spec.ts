import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { documentation, readPage, REPOSITORY } from './markdown.js';

/** Words that were used once, and what stands for them now. */
const RETIRED: readonly (readonly [word: RegExp, replacement: string])[] = [
  [/\b(?:dealt|deals?|dealing) with\b/i, 'handle'],
  [/\bin an orderly way\b/i, 'gracefully'],
  [/\bmend(?:s|ed|ing)?\b/i, 'fix'],
  [/\bcomes? again\b/i, 'reconnect (a client), be delivered again (an event), retry'],
  [/\bputs? aside\b/i, 'dead-lettered'],
  [/\bas many as may be\b/i, 'the limit'],
  [/\bis no time\b/i, 'Expected a time, got …'],
  [/\bis still at work\b/i, 'did not finish'],
  [/ is at revision \$\{[^}]+\}, not /, 'Expected stream … to be at revision …'],
];

/** Each term of the glossary, in lower case, with the pages that its entry links to. */
const TERMS = [...readPage('docs/glossary.md').text.matchAll(/^- \*\*(.+?)\*\*: (.*(?:\n {2}.*)*)/gm)].map(
  ([, term, entry]) => ({
    term: term.toLowerCase(),
    pages: [...entry.matchAll(/\]\(([\w-]+\.md)/g)].map(([, page]) => `docs/${page}`),
  }),
);

describe('the glossary', () => {
  it('has its terms in the order of the alphabet, each with a page', () => {
    const terms = TERMS.map(({ term }) => term);

    expect(terms).toEqual([...terms].sort());
    expect(terms.length).toBeGreaterThan(15);
    expect(TERMS.filter(({ pages }) => pages.length === 0)).toEqual([]);
  });

  it.each(TERMS)('sends whoever looks for "$term" to a page that uses it', ({ term, pages }) => {
    const uses = pages.filter((file) => readPage(file).text.toLowerCase().replace(/\s+/g, ' ').includes(term));

    expect(uses).not.toEqual([]);
  });
});

it.each(RETIRED)('%s does not return: it is "%s" now', (word) => {
  const used = texts().flatMap(({ file, text }) =>
    text.split('\n').flatMap((line, index) => (word.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );

  expect(used).toEqual([]);
});

function texts(): { readonly file: string; readonly text: string }[] {
  const sources = ['lib', 'sample'].flatMap((folder) =>
    readdirSync(join(REPOSITORY, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(?:ts|js|html|md)$/.test(file) && !/node_modules|uplot/.test(file))
      .map((file) => `${folder}/${file}`),
  );
  return [...documentation(), ...sources.map((file) => ({ file, text: readFileSync(join(REPOSITORY, file), 'utf8') }))];
}
