import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { documentation, readPage, REPOSITORY, type Page } from './markdown.js';

describe('the links of the documentation', () => {
  const samples = readdirSync(join(REPOSITORY, 'sample')).map((sample) => readPage(`sample/${sample}/README.md`));
  const pages = [...documentation(), ...samples];

  it('lead to files and headings that are there', () => {
    const broken = pages.flatMap((page) =>
      linksOf(page)
        .filter((link) => !leadsSomewhere(page, link))
        .map((link) => `${page.file}: ${link}`),
    );

    expect(broken).toEqual([]);
  });

  it('reach every page of docs/ from the README', () => {
    const linked = linksOf(readPage('README.md')).map((link) => link.split('#')[0]);

    for (const { file } of documentation()) if (file !== 'README.md') expect(linked).toContain(file);
  });
});

/** Links within the repository. */
function linksOf({ text }: Page): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link).filter((link) => !/^\w+:/.test(link));
}

function leadsSomewhere({ file }: Page, link: string): boolean {
  const [path = '', heading] = link.split('#');
  const target = path === '' ? file : join(dirname(file), path);
  if (!existsSync(join(REPOSITORY, target))) return false;
  return heading === undefined || headingsOf(readPage(target)).includes(heading);
}

/** As GitHub makes anchors of them. */
function headingsOf({ text }: Page): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}
