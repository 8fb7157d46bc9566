import { existsSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { PAGE_DIRECTORY } from './page/directory.cjs';

/** A file of the page, as it is sent. */
export interface PageFile {
  readonly type: string;
  readonly content: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** All there is: no other name leads to a file. */
const NAMES = [
  ...['index.html', 'page.css', 'icon.svg', 'main.js'],
  ...['api.js', 'dom.js', 'json-view.js', 'polling.js', 'route.js'],
  ...['dead-letters.js', 'event-chart.js', 'event-list.js', 'event-view.js'],
  ...['handler-table.js', 'store-figures.js', 'stream-list.js'],
];

/** uPlot 1.6 by Leon Sorokin, which draws the chart; its licence lies beside it. */
const NAMES_OF_UPLOT = ['uPlot.iife.min.js', 'uPlot.min.css'];

/** Reads the files of the page, by name. */
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  const uplot = join(PAGE_DIRECTORY, 'uplot');
  if (!existsSync(uplot)) throw new Error(`${uplot} is missing: build the package, which puts it there.`);
  return new Map([
    ...NAMES.map((name) => [name, fileAt(PAGE_DIRECTORY, name)] as const),
    ...NAMES_OF_UPLOT.map((name) => [name, fileAt(uplot, name)] as const),
  ]);
}

function fileAt(directory: string, name: string): PageFile {
  return { type: TYPES[extname(name)], content: readFileSync(join(directory, name)) };
}
