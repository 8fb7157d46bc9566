import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPOSITORY = join(dirname(fileURLToPath(import.meta.url)), '../..');

export interface Page {
  /** Its path in the repository. */
  readonly file: string;
  readonly text: string;
}

/** A fenced block of code. */
export interface CodeBlock {
  readonly language: string;
  readonly code: string;
  /** The line of the page that the first line of `code` stands in, from 1. */
  readonly line: number;
  /** What an HTML comment before the block, `<!-- given: … -->`, adds to it without showing it; empty without one. */
  readonly given: string;
}

export function readPage(file: string): Page {
  return { file, text: readFileSync(join(REPOSITORY, file), 'utf8') };
}

/** The README and the pages of docs/. */
export function documentation(): Page[] {
  const docs = readdirSync(join(REPOSITORY, 'docs')).filter((name) => name.endsWith('.md'));
  return ['README.md', ...docs.sort().map((name) => `docs/${name}`)].map(readPage);
}

export function codeBlocks({ text }: Page): CodeBlock[] {
  const blocks = /(?:^<!-- given:(?<given>.*?)-->\n+)?^```(?<language>\w+)\n(?<code>.*?)^```$/gms;
  return [...text.matchAll(blocks)].map(({ 0: all, index, groups }) => {
    const { given = '', language = '', code = '' } = groups!;
    const before = text.slice(0, index + all.lastIndexOf(code + '```'));
    return { language, code, line: before.split('\n').length, given: given.trim() };
  });
}
