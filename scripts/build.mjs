// Builds the package twice from the same sources: ES modules into dist/esm, CommonJS into dist/cjs.
// With --if-stale it does nothing while dist is newer than everything it is made of.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyUplot } from './uplot.mjs';

process.chdir(join(import.meta.dirname, '..'));

const LAST_FILE_WRITTEN = 'dist/cjs/package.json';

if (!(process.argv.includes('--if-stale') && isFresh())) {
  rmSync('dist', { recursive: true, force: true });
  compile('tsconfig.build.json');
  compile('tsconfig.cjs.json');
  for (const half of ['dist/esm', 'dist/cjs']) {
    copyPage(join(half, 'http/page'));
    copyCommonJs(half);
  }
  // Each half says what it is, whatever the package.json above it says.
  writeFileSync('dist/esm/package.json', '{ "type": "module" }\n');
  writeFileSync(LAST_FILE_WRITTEN, '{ "type": "commonjs" }\n');
}

/** The page of lib/http is plain files; the library that draws its chart comes with its licence. */
function copyPage(target) {
  cpSync('lib/http/page', target, { recursive: true });
  copyUplot(join(target, 'uplot'));
}

/** What looks for a peer is CommonJS in both halves, as it is. */
function copyCommonJs(half) {
  for (const name of readdirSync('lib', { recursive: true })) {
    if (name.endsWith('.cjs')) cpSync(join('lib', name), join(half, name));
  }
}

function compile(project) {
  const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}

function isFresh() {
  if (!existsSync(LAST_FILE_WRITTEN)) return false;
  // Folders count too: their time changes when a file in them is deleted or renamed.
  const inputs = ['lib', ...readdirSync('lib', { recursive: true }).map((name) => join('lib', name))];
  inputs.push('tsconfig.json', 'tsconfig.build.json', 'tsconfig.cjs.json', 'package.json');
  const builtAt = statSync(LAST_FILE_WRITTEN).mtimeMs;
  return inputs.every((path) => statSync(path).mtimeMs < builtAt);
}
