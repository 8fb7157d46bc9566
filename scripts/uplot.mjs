// node scripts/uplot.mjs <folder>: puts what the page of lib/http needs of uPlot into a folder.
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGE = join(import.meta.dirname, '../node_modules/uplot');

export function copyUplot(folder) {
  mkdirSync(folder, { recursive: true });
  for (const file of ['LICENSE', 'dist/uPlot.iife.min.js', 'dist/uPlot.min.css']) {
    cpSync(join(PACKAGE, file), join(folder, file.replace('dist/', '')));
  }
}

if (process.argv[2] && import.meta.filename === process.argv[1]) copyUplot(process.argv[2]);
