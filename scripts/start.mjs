// npm start [-- [<sample folder>] [its arguments]]: builds the package if needed, compiles the samples, runs one: the one that
// is named, else the one in whose folder npm was called, else the first.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

process.chdir(join(import.meta.dirname, '..'));

const args = process.argv.slice(2);
const [folder, here] = relative(process.cwd(), process.env.INIT_CWD ?? '').split(sep);
const nearest = folder === 'sample' && here ? here : '01-quick-start';
const sample = args.length > 0 && !args[0].startsWith('--') ? args.shift() : nearest;
if (!existsSync(join('sample', sample, 'src/main.ts'))) {
  console.error(`There is no sample "${sample}". There are: ${readdirSync('sample').join(', ')}`);
  process.exit(1);
}

run('scripts/build.mjs', '--if-stale');
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.sample.json');

// The sample runs in this process, so that a signal reaches it once and its exit code is ours.
const main = join(process.cwd(), 'dist/sample', sample, 'src/main.js');
process.argv = [process.execPath, main, ...args];
await import(pathToFileURL(main).href);

function run(script, ...options) {
  const { status } = spawnSync(process.execPath, [script, ...options], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
