// npm run bench [-- <what to measure>]: bench/ keeps its own pinned packages, installed when first needed.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

process.chdir(join(import.meta.dirname, '..'));

run(process.execPath, ['scripts/build.mjs', '--if-stale']);
const args = process.argv.slice(2);
if (!isInstalled()) npm(['ci']);
if (measures('sqlite') && !existsSync('bench/node_modules/better-sqlite3/build')) {
  // Drivers that are written in C: their scripts fetch what was compiled for this machine or, for some minutes, compile it.
  npm(['rebuild', 'better-sqlite3', 'sqlite3', '--ignore-scripts=false']);
}
npm(['run', 'bench', '--', ...args]);

/** Whether a suite is among those that were asked for: without a name, all are. */
function measures(suite) {
  return args.includes(suite) || !args.some((arg) => /^[a-z]/.test(arg));
}

/** npm writes this file last; an older one was written for another lockfile. */
function isInstalled() {
  const installed = 'bench/node_modules/.package-lock.json';
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync('bench/package-lock.json').mtimeMs;
}

function npm(args) {
  // On Windows npm is a script, which only a shell can start.
  run('npm', ['--prefix', 'bench', ...args], { shell: process.platform === 'win32' });
}

function run(command, args, options) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (status !== 0) process.exit(status ?? 1);
}
