import { afterEach, describe, expect, it } from '@jest/globals';
import { type EventStore, memoryEngine, type StorageEngine } from 'nestjs-stream-store';
import { hintingEngine } from '../support/engines/around-engine.js';
import { collect } from '../support/waiting/collect.js';
import { numbered } from '../support/events.js';
import { countingEngine, openIdle } from '../support/waiting/idle-subscriptions.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { Random } from '../support/worlds/random.js';
import { RecordingLogger } from '../support/recorders.js';
import { scaled } from '../support/scale.js';
import { SharedMemory } from '../support/engines/shared-memory-engine.js';

afterEach(settled);

/** A store that hears nothing of what the other one appends to the same log. */
async function openDeaf(around: (engine: StorageEngine) => StorageEngine = (engine) => engine) {
  const clock = new ManualClock();
  const memory = new SharedMemory(clock);
  const { engine, calls } = countingEngine(around(memory.engine()), true);
  const logger = new RecordingLogger();
  const forks: string[] = [];
  const metricsCollector = { onLogFork: ({ subscription }: { subscription: string }) => void forks.push(subscription) };
  const store = await openTestStore({ engine, clock, logger, metricsCollector });
  const other: EventStore = await openTestStore({ engine: memory.engine(), clock });
  for (let index = 0; index < 7; index++) await store.append(`order-${index}`, numbered(1, 3));
  return { clock, memory, store, other, calls, logger, forks };
}

describe('200 subscriptions of all kinds that rest', () => {
  it('ask one question a second, together', async () => {
    const { clock, store, calls } = await openDeaf();
    await openIdle(store, 200);
    await clock.advance(2_000);
    const before = calls();

    await clock.advance(10_000);

    expect(calls() - before).toBe(10);
  });

  it('ask no more than one question each when they have just come to rest', async () => {
    const { clock, store, calls } = await openDeaf();
    await openIdle(store, 200);
    const before = calls();

    await clock.advance(1_000);

    // Where the log ends, which event is there, and where the streams end.
    expect(calls() - before).toBe(3);
  });

  it('are not woken by what others append to other streams', async () => {
    const { clock, store, other, calls } = await openDeaf();
    await openIdle(store, 200);
    await clock.advance(2_000);
    const [pages, all] = [calls('readStream'), calls()];

    for (let second = 0; second < 10; second++) {
      await other.append('busy', numbered(1, 5));
      await clock.advance(1_000);
    }

    expect(calls('readStream') - pages).toBe(0);
    // Each second: three questions about the end, and a page for each kind of target that the new events may be for.
    expect(calls() - all).toBeLessThanOrEqual(10 * (3 + 7));
  });

  it('each get what another process appends, within a second', async () => {
    const { clock, store, other } = await openDeaf();
    const idle = await openIdle(store, 200);
    const before = idle.map(({ reader }) => reader.items.length);
    await clock.advance(2_700);
    for (let index = 0; index < 7; index++) await other.append(`order-${index}`, numbered(4, 4));
    for (let index = 0; index < 200; index++) await other.append(`unborn-${index}`, numbered(1, 1));

    await clock.advance(1_000);
    await settled();

    idle.forEach(({ target, reader }, index) => {
      const wanted = typeof target === 'string' || 'stream' in target ? 1 : 'streams' in target ? 1 : 207;
      expect([target, reader.items.length - before[index]]).toEqual([target, wanted]);
    });
  });

  it('are each told of a log that went back', async () => {
    const { clock, memory, store, forks } = await openDeaf();
    const copy = memory.backUp();
    for (let index = 0; index < 7; index++) await store.append(`order-${index}`, numbered(4, 4));
    const idle = await openIdle(store, 198);
    await clock.advance(2_000);
    await memory.putBack(copy);

    await clock.advance(1_000);
    await settled();

    for (const { target, subscription } of idle) {
      const isUnborn = typeof target === 'string' && target.startsWith('unborn');
      expect([target, subscription.fork === undefined]).toEqual([target, isUnborn]);
    }
    expect(forks).toHaveLength((198 / 6) * 5);
  });

  it('are each told when the log has grown to the same length meanwhile', async () => {
    const { clock, memory, store, other } = await openDeaf();
    const copy = memory.backUp();
    for (let index = 0; index < 7; index++) await store.append(`order-${index}`, numbered(4, 4));
    const idle = await openIdle(store, 198);
    await clock.advance(2_000);
    await memory.putBack(copy);
    for (let index = 0; index < 7; index++) await other.append(`order-${index}`, numbered(5, 5));

    await clock.advance(1_000);
    await settled();

    for (const { target, subscription } of idle) {
      const isUnborn = typeof target === 'string' && target.startsWith('unborn');
      expect([target, subscription.fork === undefined]).toEqual([target, isUnborn]);
    }
  });

  it('are told before the first look has been, too', async () => {
    const { clock, memory, store, other } = await openDeaf();
    const copy = memory.backUp();
    await store.append('order-1', numbered(4, 4));
    const [stream, all] = [store.subscribe('order-1'), store.subscribe({ all: true })];
    [stream, all].forEach((subscription) => collect(subscription));
    await Promise.all([stream.caughtUp(), all.caughtUp()]);
    await memory.putBack(copy);
    await other.append('order-1', numbered(5, 5));

    await clock.advance(1_000);
    await settled();

    expect([stream.fork, all.fork]).toMatchObject([
      { position: 4, goesOnAfter: 3 },
      { position: 22, goesOnAfter: 21 },
    ]);
  });

  it('each say that the storage fails, and go on', async () => {
    let isDown = false;
    const { clock, store, other } = await openDeaf((inner) => ({
      ...inner,
      readAll: (request) => {
        if (isDown) throw new Error('down');
        return inner.readAll(request);
      },
      readStream: (request) => {
        if (isDown) throw new Error('down');
        return inner.readStream(request);
      },
    }));
    const idle = await openIdle(store, 20);
    await clock.advance(2_000);
    isDown = true;
    await clock.advance(1_000);
    expect(idle.map(({ subscription }) => subscription.outage !== undefined)).toEqual(Array(20).fill(true));

    isDown = false;
    await other.append('order-0', numbered(4, 4));
    await clock.advance(5_000);
    await settled();

    expect(idle.every(({ subscription }) => subscription.outage === undefined)).toBe(true);
    expect(idle[2].reader.items).toHaveLength(22);
  });

  it('leave nothing behind when they end', async () => {
    const { clock, store, calls } = await openDeaf();
    const idle = await openIdle(store, 20);
    await clock.advance(2_000);
    for (const { subscription } of idle) await subscription.close();
    const before = calls();

    await clock.advance(10_000);

    expect(calls() - before).toBe(0);
  });
});

describe('an engine that cannot tell where streams end', () => {
  it('is asked by those who read one stream, each second', async () => {
    const { clock, store, other, calls } = await openDeaf((inner) => ({ ...inner, streamEnds: undefined }));
    const idle = await openIdle(store, 12);
    const before = calls('readStream');
    await clock.advance(3_000);
    // The two of each stream share a question where they can.
    expect(calls('readStream') - before).toBeGreaterThanOrEqual(3 * 3);

    await other.append('order-0', numbered(4, 4));
    await clock.advance(1_000);
    await settled();

    expect(idle[0].reader.items).toHaveLength(4);
  });
});

describe('subscriptions to a log that several processes append to, and whose hints are lost', () => {
  it.each(Array.from({ length: scaled(200, 20) }, (_, seed) => seed))(
    'get everything, whatever happens while they are looked after (seed %i)',
    async (seed) => {
      const random = new Random(seed);
      const { clock, store, other } = await openDeaf((inner) => ({
        ...inner,
        readAll: async (request) => {
          await turns(random.below(3));
          const page = await inner.readAll(request);
          await turns(random.below(3));
          return page;
        },
        streamEnds: async (streamIds) => {
          const ends = await inner.streamEnds!(streamIds);
          await turns(random.below(3));
          return ends;
        },
      }));
      const idle = await openIdle(store, 12);
      for (let step = 0; step < 30; step++) {
        const [writer, streamId] = [random.pick([store, other]), `order-${random.below(7)}`];
        if (random.below(2)) void writer.append(streamId, numbered(1, 1 + random.below(3)));
        await clock.advance(random.below(700));
        await turns(random.below(4));
      }
      for (let second = 0; second < 4; second++) {
        await clock.advance(1_000);
        await turns(20);
      }

      for (const { target, reader, subscription } of idle) {
        const fresh = other.subscribe(target);
        const { items } = collect(fresh);
        await fresh.caughtUp();
        expect([target, reader.items]).toEqual([target, items]);
        await fresh.close();
        expect(subscription.fork).toBeUndefined();
      }
    },
  );
});

it('a subscription to an engine that has no leases looks, too, and compares no ids', async () => {
  const clock = new ManualClock();
  const inner = memoryEngine();
  const { engine } = countingEngine(hintingEngine(inner), true);
  const store = await openTestStore({ engine, clock, snapshotInterval: 0 });
  const idle = await openIdle(store, 6);
  await clock.advance(2_000);
  await inner.append({
    streamId: 'order-0',
    events: [{ id: undefined, type: 'counted', data: '1', metadata: '', timestamp: undefined }],
    expectedRevision: 'any',
    recordedSince: -Infinity,
  });

  await clock.advance(1_000);
  await settled();

  expect(idle.map(({ reader }) => reader.items.length)).toEqual([1, 0, 1, 0, 1, 0]);
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
