// Installs the packed tarball into fresh applications and runs them: Nest 11 and 12, ES modules and CommonJS, with Jest.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const REPOSITORY = join(import.meta.dirname, '../..');
const TSC = join(REPOSITORY, 'node_modules/typescript/bin/tsc');
const STEP_TIMEOUT_MS = 180_000;

// Nest 11 is CommonJS, and so are its users' Jest suites. Nest 12 is not, and Jest loads it in ESM mode only.
const TARGETS = [
  {
    ...{ nest: '11.2.10', testing: '11.2.6', express: '11.2.10', fastify: '11.2.8' },
    ...{ emitter: '3.1.0', terminus: '11.1.1', microservices: '11.2.6', jest: 'commonjs', jestFlags: [] },
  },
  {
    ...{ nest: '12.5.1', testing: '12.1.1', express: '12.5.1', fastify: '12.5.0' },
    ...{ emitter: '12.0.1', terminus: '12.1.0', jest: 'module', jestFlags: ['--experimental-vm-modules'] },
  },
];

const { devDependencies } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'));
const SAME_AS_OURS = ['rxjs', 'reflect-metadata', 'jest', '@jest/globals', '@types/node'];

const PEERS_LIKE_OURS = ['prom-client', '@opentelemetry/api'];

const folder = mkdtempSync(join(tmpdir(), 'stream-store-smoke-'));
let passed = 0;
let failed = 0;
try {
  const packing = npm(REPOSITORY, ['pack', '--json', '--pack-destination', folder]);
  if (check('npm pack', packing)) {
    const [{ filename }] = JSON.parse(packing.stdout.slice(packing.stdout.indexOf('[')));
    for (const target of TARGETS) smoke(target, join(folder, filename));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

function smoke({ nest, testing, express, fastify, emitter, terminus, microservices, jest, jestFlags }, tarball) {
  const home = join(folder, `nest-${nest}`);
  writePackage(home, { private: true });
  const packages = [`@nestjs/common@${nest}`, `@nestjs/core@${nest}`, `@nestjs/testing@${testing}`, tarball];
  packages.push(...SAME_AS_OURS.map((name) => `${name}@${devDependencies[name]}`));
  if (!check(`Nest ${nest}: npm install`, npm(home, ['install', ...packages]))) return;

  check(`Nest ${nest}: the command answers`, npm(home, ['exec', '--', 'nestjs-stream-store', '--help']));
  const verify = npm(home, ['exec', '--', 'nestjs-stream-store', 'verify', '--postgres', 'postgres://localhost/none']);
  const isTold = verify.status === 2 && verify.stderr.includes('npm install pg');
  check(`Nest ${nest}: the command says which driver is missing`, { ...verify, status: isTold ? 0 : 1 });

  const runProgram = (program, ...sources) => {
    for (const type of ['module', 'commonjs']) {
      const name = `Nest ${nest}, ${type}`;
      const cwd = join(home, `${program}-${type}`);
      if (!compile(`${name}, ${program}.ts`, cwd, type, [`${program}.ts`, ...sources])) continue;
      const run = node(cwd, [`${program}.js`]);
      for (const [, what] of run.stdout.matchAll(/^ok (.*)$/gm)) check(`${name}: ${what}`, { status: 0 });
      check(`${name}, ${program}.ts: the process ends by itself`, run);
    }
  };
  runProgram('app', 'orders.ts');
  runProgram('peerless');
  runProgram('integration');

  const suite = join(home, 'jest');
  const name = `Nest ${nest}, Jest suite in ${jest}`;
  if (compile(name, suite, jest, ['orders.ts', 'orders.spec.ts'])) {
    writeFileSync(join(suite, 'jest.config.json'), '{ "transform": {}, "testMatch": ["**/*.spec.js"] }');
    check(`${name}: passes`, node(suite, [...jestFlags, '../node_modules/jest/bin/jest.js', '--ci']));
  }

  // The servers come only now: what was run before must not need them. OpenAPI's optional peer never comes.
  const servers = [
    `@nestjs/platform-express@${express}`,
    `@nestjs/platform-fastify@${fastify}`,
    '@types/express@5.0.6',
  ];
  if (!check(`Nest ${nest}: npm install of the servers`, npm(home, ['install', ...servers]))) return;
  runProgram('http');

  // So do the other optional peers.
  const peers = [`@nestjs/event-emitter@${emitter}`, `@nestjs/terminus@${terminus}`];
  peers.push(...PEERS_LIKE_OURS.map((name) => `${name}@${devDependencies[name]}`));
  if (!check(`Nest ${nest}: npm install of the optional peers`, npm(home, ['install', ...peers]))) return;
  runProgram('subpaths');
  runProgram('operations');

  // Nest 12 is what the repository itself runs with.
  if (microservices) {
    const others = npm(home, ['install', `@nestjs/microservices@${microservices}`]);
    if (check(`Nest ${nest}: npm install of what specs need`, others))
      runSpecs(`Nest ${nest}`, join(home, 'node_modules'));
  }
}

/** Runs specs of the repository with the Nest that is installed there: each is a check. */
function runSpecs(name, modules) {
  const jest = [
    join(REPOSITORY, 'node_modules/jest/bin/jest.js'),
    '--config',
    join(import.meta.dirname, 'nest-11.jest.mjs'),
  ];
  const flags = ['--disable-warning=ExperimentalWarning', '--experimental-vm-modules'];
  const env = { ...process.env, NEST_11_MODULES: modules };
  const specs = run(process.execPath, [...flags, ...jest, '--ci', '--silent'], {
    cwd: REPOSITORY,
    env,
    timeout: 3 * STEP_TIMEOUT_MS,
  });
  for (const [, outcome, file] of specs.stderr.matchAll(/^(PASS|FAIL) (\S+)/gm)) {
    check(`${name}: ${file}`, { status: outcome === 'PASS' ? 0 : 1 });
  }
  check(`${name}: the specs of the repository`, specs);
}

function compile(name, cwd, type, sources) {
  writePackage(cwd, { private: true, type });
  for (const file of ['tsconfig.app.json', ...sources])
    cpSync(join(import.meta.dirname, 'fixtures', file), join(cwd, file));
  return check(`${name}: type-checks and compiles`, node(cwd, [TSC, '-p', 'tsconfig.app.json']));
}

function writePackage(cwd, content) {
  mkdirSync(cwd, { recursive: true });
  writeFileSync(join(cwd, 'package.json'), JSON.stringify(content));
}

function npm(cwd, args) {
  // On Windows npm is a script, which only a shell can start.
  return run('npm', ['--no-audit', '--no-fund', ...args], { cwd, shell: process.platform === 'win32' });
}

function node(cwd, args) {
  return run(process.execPath, args, { cwd });
}

function run(command, args, options) {
  return spawnSync(command, args, { encoding: 'utf8', timeout: STEP_TIMEOUT_MS, ...options });
}

function check(name, { status, error, stdout, stderr }) {
  const ok = status === 0;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name}`);
  if (ok) passed += 1;
  else {
    failed += 1;
    console.log([error?.message, stdout, stderr].filter(Boolean).join('\n'));
  }
  return ok;
}
