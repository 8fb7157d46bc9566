import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type EventToAppend, memoryEngine, type RecordedEvent, type StorageEngine } from 'nestjs-stream-store';
import { dataOf, numbered } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { RecordingLogger } from '../support/recorders.js';
import { scaled } from '../support/scale.js';
import { anyName, anyText } from '../support/texts.js';

// A page of a stream holds 1 024 positions, a chunk of the log 4 096 events: the places around their ends are the edges.
const EDGES = [1, 2, 1_023, 1_024, 1_025, 2_047, 2_048, 2_049, 4_095, 4_096, 4_097, 8_191, 8_192, 8_193, 9_000];

function openEngine(clock = new ManualClock()): StorageEngine {
  const engine = memoryEngine();
  void engine.open({
    storeName: 'memory-store',
    clock,
    logger: new RecordingLogger(),
    maxEventsPerStream: Infinity,
    maxStreams: Infinity,
  });
  return engine;
}

function toAppend(count: number): EventToAppend[] {
  return Array.from({ length: count }, (_, index) => ({
    id: undefined,
    type: 't',
    data: String(index),
    metadata: '',
    timestamp: undefined,
  }));
}

const appendTo = (engine: StorageEngine, streamId: string, events: EventToAppend[]) =>
  engine.append({ streamId, events, expectedRevision: 'any', recordedSince: -Infinity });

const everything = {
  after: 0,
  limit: Infinity,
  maxBytes: Infinity,
  direction: 'forward',
  filter: undefined,
  recordedSince: -Infinity,
} as const;

describe('a long stream', () => {
  it('is read the same around every edge, one event at a time or many, forward or backward', async () => {
    const store = await openTestStore();
    for (let first = 1; first <= 9_001; first += 1_000) await store.append('s', numbered(first, first + 999));

    for (const edge of EDGES) {
      for (const limit of [1, 3, 1_024, 4_097]) {
        const forward = await store.readStream('s', edge, { limit });
        const backward = await store.readStream('s', edge, { limit, direction: 'backward' });
        const { events } = await store.readAll({ from: edge, limit });
        const expected = numbered(edge + 1, Math.min(edge + limit, 10_000)).map(({ data }) => data);
        expect(dataOf(forward)).toEqual(expected);
        expect(dataOf(events)).toEqual(expected);
        expect(dataOf(backward)).toEqual(
          numbered(Math.max(edge - limit, 1), edge - 1)
            .map(({ data }) => data)
            .reverse(),
        );
      }
    }
  });

  it('is read the same when its events lie between those of many other streams', async () => {
    const store = await openTestStore();
    for (let n = 1; n <= 9_000; n++)
      await store.append(n % 3 === 0 ? 'third' : `other-${n % 100}`, { type: 't', data: n });

    const events = await store.readStream('third');

    expect(events.map(({ position }) => position)).toEqual(Array.from({ length: 3_000 }, (_, index) => index + 1));
    expect(dataOf(events)).toEqual(Array.from({ length: 3_000 }, (_, index) => 3 * (index + 1)));
  });

  it('takes one batch over many chunks', async () => {
    const store = await openTestStore();

    const result = await store.append('s', numbered(1, 10_000));

    expect(result).toMatchObject({ revision: 10_000, firstPosition: 1, globalPosition: 10_000 });
    expect(dataOf(await store.readStream('s'))).toEqual(numbered(1, 10_000).map(({ data }) => data));
  });

  it('is trimmed up to any edge and read on from there', async () => {
    for (const edge of EDGES) {
      const clock = new ManualClock();
      const store = await openTestStore({ clock, retentionDuration: '1m' });
      await store.append('s', numbered(1, edge));
      clock.jump(60_001);
      await store.append('s', numbered(edge + 1, edge + 10));
      await store.readStream('s');
      await store.sweep();

      expect(dataOf(await store.readStream('s'))).toEqual(numbered(edge + 1, edge + 10).map(({ data }) => data));
      expect(await store.getStreamInfo('s')).toMatchObject({ eventCount: 10, firstPosition: edge + 1 });
      await store.close();
    }
  });

  it('of which only a few events have the wanted type is searched to its end', async () => {
    const store = await openTestStore({ maxEventsPerStream: 0 });
    for (let n = 0; n < 8; n++) {
      await store.append('s', numbered(n * 10_000 + 1, n * 10_000 + 9_999));
      await store.append('s', { type: 'rare', data: n });
    }

    const all = Array.from({ length: 8 }, (_, index) => index);
    const filter = { types: ['rare'] };
    expect(dataOf(await store.readStream('s', 0, filter))).toEqual(all);
    expect(dataOf(await store.readStream('s', 0, { ...filter, direction: 'backward' }))).toEqual([...all].reverse());
    expect(dataOf((await store.readAll({ filter })).events)).toEqual(all);
    expect(dataOf((await store.readAll({ filter, direction: 'backward', limit: 3 })).events)).toEqual([7, 6, 5]);
    expect(dataOf(await store.readTimeRange(undefined, undefined, { filter }))).toEqual(all);
    expect(dataOf((await store.read('s', 50_001, 2, filter)).events)).toEqual([5, 6]);
  });
});

describe('texts', () => {
  it.each([0, 1, 63, 64, 65, 255, 256, 257, 16_383, 16_384, 16_385, 1_000_000])(
    'of %d characters come back as they were',
    async (length) => {
      const store = await openTestStore();
      const texts = ['x', 'é', '家', '🚀', '\u0000', '"'].map((character) => character.repeat(length));
      for (const data of texts) {
        const id = [...data].slice(0, 512).join('').replace(/\0/g, 'n') || 'empty';
        await store.append('s', { type: 't', data, id, metadata: { data } });
      }

      const events = await store.readStream('s');

      expect(events.map(({ data }) => data === texts.shift())).toEqual(Array(6).fill(true));
      expect(events.every(({ data, metadata }) => metadata.data === data)).toBe(true);
    },
  );

  it('of any length and alphabet come back, side by side', async () => {
    const text = anyText({ maxLength: 300 });
    const name = anyName(100);
    const event = fc.record({ type: name, id: fc.option(name, { nil: undefined }), data: text, note: text });

    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 50 }), async (events) => {
        const store = await openTestStore();
        await store.append(
          's',
          events.map(({ note, ...rest }) => ({ ...rest, metadata: { note } })),
        );
        const read = await store.readStream('s');
        expect(read).toHaveLength(events.length);
        read.forEach((kept, index) => {
          const { type, id, data, note } = events[index];
          expect([kept.type, kept.data, kept.metadata.note]).toEqual([type, data, note]);
          if (id !== undefined) expect(kept.id).toBe(id);
        });
        await store.close();
      }),
      { numRuns: scaled(60) },
    );
  });
});

describe('the events kept ready for readers', () => {
  type Step = readonly [kind: number, stream: number, at: number, count: number];
  const step: fc.Arbitrary<Step> = fc.tuple(fc.nat(5), fc.nat(2), fc.nat(3_000), fc.integer({ min: 1, max: 700 }));

  /** Takes the steps and tells everything that a reader saw. */
  async function run(steps: readonly Step[], recordCacheBytes: number): Promise<string> {
    const clock = new ManualClock();
    const engine = memoryEngine({ recordCacheBytes });
    const store = await openTestStore({ clock, engine, retentionDuration: '1h' });
    const seen: unknown[] = [];
    const note = (events: readonly RecordedEvent[]): void =>
      void seen.push(events.map(({ streamId, position, data }) => `${streamId}${position}:${JSON.stringify(data)}`));
    for (const s of ['s0', 's1', 's2']) await store.append(s, { type: 't', data: 0 });
    for (const [kind, stream, at, count] of steps) {
      const streamId = `s${stream}`;
      if (kind === 0) await store.append(streamId, numbered(at, at + count));
      if (kind === 1) note(await store.readStream(streamId, at, { limit: count }));
      if (kind === 2) note(await store.readStream(streamId, at, { limit: count, direction: 'backward' }));
      if (kind === 3) note((await store.readAll({ from: at, limit: count })).events);
      if (kind === 4) clock.jump(count * 3_000);
      if (kind === 5) seen.push(await store.sweep());
    }
    await store.close();
    return JSON.stringify(seen);
  }

  it('change no answer, however many there is room for', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const answers = [];
        for (const bytes of [0, 1, 50_000, 64 * 1_024 * 1_024]) answers.push(await run(steps, bytes));
        expect(new Set(answers).size).toBe(1);
      }),
      { numRuns: scaled(100) },
    );
  });
});

describe('an append that fails on its way, as when memory runs out', () => {
  const failing: EventToAppend = {
    ...toAppend(1)[0],
    get data(): string {
      throw new Error('out of memory');
    },
  };

  it.each([1, 1_030, 5_000])('after %d events leaves nothing behind', async (count) => {
    const engine = openEngine();
    await appendTo(engine, 's', toAppend(3));
    const before = await engine.readAll(everything);

    expect(() => appendTo(engine, 's', [...toAppend(count), failing])).toThrow('out of memory');

    expect(await engine.readAll(everything)).toEqual(before);
    expect(await engine.usage(everything)).toMatchObject({ events: 3, streams: 1 });
    expect(appendTo(engine, 's', toAppend(1))).toMatchObject({ firstPosition: 4, globalPosition: 4 });
    expect(appendTo(engine, 'other', toAppend(5_000))).toMatchObject({ firstPosition: 1, globalPosition: 5_004 });
  });

  it('makes no stream', () => {
    const engine = openEngine();

    expect(() => appendTo(engine, 's', [failing])).toThrow('out of memory');

    const request = { prefix: '', after: '', limit: Infinity, recordedSince: -Infinity };
    expect(engine.listStreams({ ...request, streamId: undefined })).toEqual([]);
    expect(engine.listStreams({ ...request, streamId: 's' })).toEqual([]);
    expect(engine.usage(everything)).toMatchObject({ events: 0, streams: 0 });
  });
});

describe('trim', () => {
  it('removes at most limit, none after upTo, and none recorded at recordedBefore or later', () => {
    const clock = new ManualClock(1_000);
    const engine = openEngine(clock);
    void appendTo(engine, 'a', toAppend(10));
    clock.jump(1_000);
    void appendTo(engine, 'b', toAppend(10));

    const removed = [
      engine.trim({ recordedBefore: 1_000, upTo: Infinity, limit: 100 }),
      engine.trim({ recordedBefore: 1_001, upTo: Infinity, limit: 3 }),
      engine.trim({ recordedBefore: 1_001, upTo: 5, limit: 100 }),
      engine.trim({ recordedBefore: 1_001, upTo: 5, limit: 100 }),
      engine.trim({ recordedBefore: 2_000, upTo: Infinity, limit: 100 }),
      engine.trim({ recordedBefore: Infinity, upTo: Infinity, limit: 100 }),
      engine.trim({ recordedBefore: Infinity, upTo: Infinity, limit: 100 }),
    ];

    expect(removed).toEqual([0, 3, 2, 0, 5, 10, 0]);
    expect(engine.readAll(everything)).toMatchObject({ events: [], head: 20, trimmedTo: 20, isEnd: true });
  });
});

describe('streams that retention has emptied', () => {
  it('cost little memory, before a restart and after it', async () => {
    const clock = new ManualClock();
    const snapshotDirectory = mkdtempSync(join(tmpdir(), 'stream-store-emptied-'));
    const options = { maxStreams: 0, retentionDuration: 1_000, snapshotInterval: 0 };
    try {
      const store = await openTestStore({ ...options, clock, engine: memoryEngine({ snapshotDirectory }) });
      for (let stream = 0; stream < 2_000; stream++) await store.append(`s-${stream}`, numbered(1, 20));
      const full = (await store.stats()).memoryUsageBytes;
      await clock.advance(2_000);
      await store.sweep();
      const emptied = (await store.stats()).memoryUsageBytes;
      await store.close();

      const reopened = await openTestStore({
        ...options,
        clock: new ManualClock(clock.now()),
        engine: memoryEngine({ snapshotDirectory }),
      });
      const restored = (await reopened.stats()).memoryUsageBytes;

      // The last chunk of the log has columns for 4 096 events, however few of them are left.
      expect(emptied).toBeLessThan(full / 3);
      expect(restored).toBeLessThanOrEqual(emptied);
      expect(await reopened.append('s-7', numbered(21, 22))).toMatchObject({ firstPosition: 21 });
      expect(dataOf(await reopened.readStream('s-7'))).toEqual([21, 22]);
      await reopened.close();
    } finally {
      rmSync(snapshotDirectory, { recursive: true, force: true });
    }
  });
});
