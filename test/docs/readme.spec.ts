import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { codeBlocks, readPage } from './markdown.js';

describe('the README', () => {
  const [example, output] = codeBlocks(readPage('README.md')).filter(({ language }) => language !== 'sh');
  const printed: string[] = [];

  beforeEach(() => void jest.spyOn(console, 'log').mockImplementation((line) => void printed.push(String(line))));
  afterEach(() => void jest.restoreAllMocks());

  it('has an example which does what the README says one sees', async () => {
    // What runs here is a copy in a file.
    expect(readPage('test/docs/readme-example.ts').text).toBe(example.code);

    await import('./readme-example.js');

    expect(printed).toEqual(output.code.trimEnd().split('\n'));
  });

  it('shows with exactly two commands how to run and to test a fresh clone', () => {
    const commands = codeBlocks(readPage('README.md')).filter(({ language }) => language === 'sh');

    expect(commands.map(({ code }) => code.trim()).slice(1)).toEqual(['npm ci && npm start', 'npm ci && npm test']);
  });
});
