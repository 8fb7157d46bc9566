// npm run soak [-- --events 10000000]: appends that many events while retention removes the old ones, and checks that the
// memory stays flat. Exits with 1 when it does not.
import { parseArgs } from 'node:util';
import { openEventStore } from '../dist/esm/index.js';

const { values } = parseArgs({ options: { events: { type: 'string', default: '10000000' } } });
const EVENTS = Number(values.events);
const ROWS = 20;
const RETENTION_MS = 2_000;
const STREAMS = 1_000;
/** What memory may differ by, from the middle of the run to its end: retention removes ten times in a period. */
const MOST_GROWTH = 1.25;

if (!(EVENTS >= ROWS)) {
  console.error(`Usage: npm run soak [-- --events ${EVENTS || 10_000_000}]`);
  process.exit(2);
}

let expired = 0;
const failures = [];
const store = await openEventStore({
  maxEventsPerStream: 0,
  retentionDuration: RETENTION_MS,
  metricsCollector: {
    onExpire: ({ events }) => void (expired += events),
    onBackgroundFailure: ({ operation }) => void failures.push(operation),
  },
});

console.log(`${EVENTS.toLocaleString('en')} events, each kept for ${RETENTION_MS} ms\n`);
console.log('   appended        kept  memoryUsageBytes  process grew by  ns/append');
const before = processMemory();
const rows = [];
let appended = 0;
for (let row = 1; row <= ROWS; row++) {
  const upTo = Math.round((EVENTS * row) / ROWS);
  const count = upTo - appended;
  const begin = performance.now();
  for (; appended < upTo; appended++) {
    await store.append(`stream-${appended % STREAMS}`, { type: 'happened', data: 'a short payload' });
    // Timers, such as that of retention, get their turn only when the event loop does.
    if (appended % 1_024 === 0) await new Promise(setImmediate);
  }
  const cost = ((performance.now() - begin) * 1e6) / count;
  const { totalEvents, memoryUsageBytes } = await store.stats();
  const grown = processMemory() - before;
  rows.push({ kept: totalEvents, bytesPerKept: grown / totalEvents, grown, cost });
  const cells = [appended, totalEvents, memoryUsageBytes, grown, Math.round(cost)].map((cell) =>
    cell.toLocaleString('en'),
  );
  console.log(cells.map((cell, column) => cell.padStart([11, 12, 18, 17, 11][column])).join(''));
}
const { totalEvents } = await store.stats();
await store.sweep();
await store.close();

// The machine may append faster at one time than at another, so more or less is kept: what counts is what each event takes.
const middle = rows.slice(ROWS / 2, ROWS / 2 + 3);
const last = rows.slice(-3);
const growth = mean(last, 'bytesPerKept') / mean(middle, 'bytesPerKept');
console.log(`\nRetention removed ${expired.toLocaleString('en')} events.`);
console.log(`Memory for each event kept, end against middle: ${growth.toFixed(2)}x, at most ${MOST_GROWTH}x.`);
const problems = [
  growth > MOST_GROWTH && 'the memory is not flat',
  totalEvents >= EVENTS / 2 && `retention came too late for so few events: it takes more than ${RETENTION_MS} ms`,
  failures.length > 0 && `background work failed: ${failures.join(', ')}`,
].filter(Boolean);
console.log(problems.length === 0 ? 'Flat.' : `FAILED: ${problems.join('; ')}.`);
process.exit(problems.length === 0 ? 0 : 1);

function processMemory() {
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function mean(some, name) {
  return some.reduce((sum, row) => sum + row[name], 0) / some.length;
}
