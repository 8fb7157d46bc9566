// npm run bench [-- <what to measure>]: bench/ keeps its own pinned packages, installed when first needed.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

process.chdir(join(import.meta.dirname, '..'));

run(process.execPath, ['.config/build.mjs', '--if-stale']);
if (!isInstalled()) npm(['ci']);
npm(['run', 'bench', '--', ...process.argv.slice(2)]);

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
