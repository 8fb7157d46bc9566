// npm run bench [-- suite …] [--rounds 5] [--quick]: measures, and writes docs/performance.md. README.md says how.
import { fork } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from './measure.mjs';
import { formatCost, tableOf, writePage } from './page.mjs';

const known = readdirSync(join(import.meta.dirname, 'suites')).map((file) => basename(file, '.mjs'));
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 1 : 5));
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0 || !(rounds >= 1)) {
  console.error(`Usage: npm run bench [-- suite …] [--rounds 5] [--quick]\nSuites: ${known.join(', ')}`);
  process.exit(2);
}

for (const name of positionals.length > 0 ? positionals : known) {
  const suite = await import(`./suites/${name}.mjs`);
  const measured = await measure(name, suite);
  console.log(`\n${tableOf(suite.rows, measured)}\n`);
  if (options.quick) console.log('A quick run: its sizes are too small for its ratios to mean anything.\n');
  else writePage(name, suite, measured, rounds);
}

/** The medians of all measurements of a suite, by name. */
async function measure(suiteName, { cases, rows }) {
  const unitOf = (measurement) => rows.find(({ ours, theirs }) => ours === measurement || theirs === measurement)?.unit;
  const samples = new Map();
  for (let round = 1; round <= rounds; round++) {
    for (const caseName of Object.keys(cases)) {
      const results = await runCase(suiteName, caseName);
      for (const [measurement, cost] of Object.entries(results)) {
        samples.set(measurement, [...(samples.get(measurement) ?? []), cost]);
      }
      const line = Object.entries(results).map(
        ([measurement, cost]) => `${measurement}: ${formatCost(cost, unitOf(measurement))}`,
      );
      console.log(`${suiteName} ${round}/${rounds}  ${line.join('; ')}`);
    }
  }
  return new Map([...samples].map(([measurement, costs]) => [measurement, median(costs)]));
}

function runCase(suiteName, caseName) {
  const args = [suiteName, caseName, ...(options.quick ? ['--quick'] : [])];
  // A case that weighs the heap has to collect its garbage first.
  const child = fork(join(import.meta.dirname, 'case.mjs'), args, { execArgv: ['--expose-gc'] });
  return new Promise((resolve, reject) => {
    let results;
    child.on('message', (message) => (results = message));
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (results && code === 0) resolve(results);
      else reject(new Error(`Case "${caseName}" of suite ${suiteName} ended with ${signal ?? `exit code ${code}`}.`));
    });
  });
}
