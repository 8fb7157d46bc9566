import assert from 'node:assert/strict';
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { order } from '../payload.mjs';
import { openOurs } from '../stores.mjs';

export const title = 'Snapshots';

export const about = `\
A million events with objects of some 200 bytes of JSON over 1 000 streams. Ours is written beside and renamed, with checksums,
flushed to the disk, while appends go on; loading opens a store from it. JSON lines are one line for each event, written and
flushed in one go, and parsed again. The stall is the longest turn of the event loop while the snapshot is written.`;

const EVENTS = 1_000_000;
const STREAMS = 1_000;
const LINES_AT_A_TIME = 100_000;

export const rows = [
  {
    number: 12,
    work: 'write a snapshot',
    ours: 'ours, write',
    against: 'JSON lines in one go',
    theirs: 'lines, write',
    goal: { atLeast: 4 },
  },
  {
    number: 12,
    work: 'load it',
    ours: 'ours, load',
    against: 'JSON lines',
    theirs: 'lines, load',
    goal: { atLeast: 7 },
  },
  { number: 12, work: 'longest stall while it is written', ours: 'ours, stall', goal: { atMost: 25e6 } },
];

export const cases = {
  ours: inFolder(async (folder, { scaled }) => {
    const { memoryEngine } = await import('../../dist/esm/index.js');
    const options = () => ({
      maxEventsPerStream: 0,
      snapshotInterval: 0,
      engine: memoryEngine({ snapshotDirectory: join(folder, 'snapshots') }),
    });
    const { store } = await openOurs(options());
    for (let index = 0; index < scaled(EVENTS); index++) {
      await store.append(`stream-${index % STREAMS}`, { type: 'ordered', data: order(index) });
    }
    gc();
    const longestTurn = watchTurns();
    const begin = performance.now();
    const { events } = await store.snapshot();
    const write = performance.now() - begin;
    const stall = longestTurn();
    assert.equal(events, scaled(EVENTS));
    await store.close();

    const beginLoad = performance.now();
    const { store: loaded } = await openOurs(options());
    const load = performance.now() - beginLoad;
    assert.equal((await loaded.stats()).totalEvents, scaled(EVENTS));
    await loaded.close();
    return { 'ours, write': write * 1e6, 'ours, load': load * 1e6, 'ours, stall': stall * 1e6 };
  }),
  lines: inFolder(async (folder, { scaled }) => {
    const records = Array.from({ length: scaled(EVENTS) }, (_, index) => ({
      id: crypto.randomUUID(),
      type: 'ordered',
      data: order(index),
      metadata: {},
      timestamp: Date.now(),
      streamId: `stream-${index % STREAMS}`,
      position: Math.floor(index / STREAMS) + 1,
      globalPosition: index + 1,
      recordedAt: Date.now(),
    }));
    gc();
    const begin = performance.now();
    const file = openSync(join(folder, 'events.jsonl'), 'w');
    for (let first = 0; first < records.length; first += LINES_AT_A_TIME) {
      const lines = records.slice(first, first + LINES_AT_A_TIME).map((record) => JSON.stringify(record));
      writeSync(file, lines.join('\n') + '\n');
    }
    fsyncSync(file);
    closeSync(file);
    const write = performance.now() - begin;

    const beginLoad = performance.now();
    const loaded = [];
    for (const line of readFileSync(join(folder, 'events.jsonl'), 'utf8').split('\n')) {
      if (line !== '') loaded.push(JSON.parse(line));
    }
    const load = performance.now() - beginLoad;
    assert.equal(loaded.length, records.length);
    return { 'lines, write': write * 1e6, 'lines, load': load * 1e6 };
  }),
};

function inFolder(measure) {
  return async (run) => {
    const folder = mkdtempSync(join(tmpdir(), 'stream-store-bench-'));
    try {
      return await measure(folder, run);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

/** @returns ends the watch, with the longest turn of the event loop in milliseconds */
function watchTurns() {
  let longest = 0;
  let last = performance.now();
  let isRunning = true;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (isRunning) setImmediate(turn);
  };
  turn();
  return () => {
    isRunning = false;
    return longest;
  };
}
