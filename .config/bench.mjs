// npm run bench [-- <what to measure>]: bench/ keeps its own pinned packages, installed when first needed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

process.chdir(join(import.meta.dirname, '..'));

run(process.execPath, ['.config/build.mjs', '--if-stale']);
if (!existsSync('bench/node_modules')) npm(['ci']);
npm(['run', 'bench', '--', ...process.argv.slice(2)]);

function npm(args) {
  // On Windows npm is a script, which only a shell can start.
  run('npm', ['--prefix', 'bench', ...args], { shell: process.platform === 'win32' });
}

function run(command, args, options) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (status !== 0) process.exit(status ?? 1);
}
