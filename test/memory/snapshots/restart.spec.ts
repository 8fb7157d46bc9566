import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type EventStore, NO_STREAM, openEventStore, WrongExpectedRevisionError } from 'nestjs-stream-store';
import { memoryEngineOn } from '../../../lib/memory/memory-engine.js';
import { dataOf, numbered, rejectionOf } from '../../support/events.js';
import { ManualClock } from '../../support/waiting/manual-clock.js';
import { RecordingLogger } from '../../support/recorders.js';
import { scaled } from '../../support/scale.js';
import { MINUTE } from '../../support/store-with.js';
import { anyName, anyText } from '../../support/texts.js';
import { SimulatedDisk } from './simulated-disk.js';
import { DIRECTORY, openOn, SimulatedProcesses, type StoreOnDisk, visible } from './stores-on-disk.js';
import { internalsOf } from '../../../lib/store/store-internals.js';

// A page of a stream holds 1 024 positions, a chunk of the log 4 096 events: the places around their ends are the edges.
const EDGES = [1, 1_023, 1_024, 1_025, 2_048, 4_095, 4_096, 4_097, 8_192, 8_193, 9_000];

/** Closes a store and opens it again, with what it left on the disk. */
async function restarted(store: EventStore, disk: SimulatedDisk, options: StoreOnDisk = {}): Promise<EventStore> {
  await store.close();
  return openOn(disk, options);
}

describe('a store that is closed and opened again', () => {
  it.each(['none', 'gzip'] as const)('is as it was, event by event (compression: %s)', async (compression) => {
    const disk = new SimulatedDisk();
    const options = { engine: { compression } };
    const store = await openOn(disk, options);
    await store.append('orders', { type: 'placed', data: { lines: [1, 'é', null, '🚀'] }, metadata: { by: 'me' } });
    await store.append(
      '__proto__',
      { type: 'constructor', id: '../x', timestamp: '1999-12-31' },
      { expectedRevision: 0 },
    );
    await store.append('orders', [{ type: 'paid', timestamp: '2999-01-01' }, { type: 'placed' }]);
    await internalsOf(store).saveCheckpoint('billing', {
      position: 2,
      ahead: [3],
      attempts: [],
      parked: [],
      isRunning: true,
    });
    const before = await visible(store, ['billing', 'other']);

    const again = await restarted(store, disk, options);

    expect(await visible(again, ['billing', 'other'])).toBe(before);
    await again.close();
  });

  it('is as it was, whatever was done to it', async () => {
    const event = fc.record(
      {
        type: anyName(20),
        data: anyText({ maxLength: 80 }),
        id: anyName(20),
        metadata: fc.dictionary(anyText(), anyText()),
      },
      { requiredKeys: ['type'] },
    );
    const timestamp = fc.option(fc.integer({ min: -1e12, max: 4e12 }), { nil: undefined });
    const batch = fc.array(fc.tuple(event, timestamp), { maxLength: 30 });
    const streamId = fc.oneof(fc.constantFrom('a', 'b', '__proto__'), anyName());
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.tuple(fc.constant('append' as const), streamId, batch) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('wait' as const), fc.integer({ min: 1, max: 8 })) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('sweep' as const)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('checkpoint' as const), fc.nat(1_000)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('snapshot' as const)) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('restart' as const)) },
    );

    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const clock = new ManualClock();
        const options = { clock, retentionDuration: 10 * MINUTE };
        const disk = new SimulatedDisk();
        const names = new Set<string>();
        let store = await openOn(disk, options);
        const all = async (): Promise<unknown> => {
          const infos = await Promise.all([...names].map((name) => store.getStreamInfo(name)));
          return { visible: await visible(store, ['c']), infos };
        };
        for (const [kind, first, events] of [...steps, ['restart'] as const] as [string, never, [object, number][]][]) {
          if (kind === 'append') {
            await store.append(first, events.map(([event, timestamp]) => ({ ...event, timestamp })) as never);
            if (events.length > 0) names.add(first);
          }
          if (kind === 'wait') clock.jump(first * MINUTE);
          if (kind === 'sweep') await store.sweep();
          if (kind === 'checkpoint') await internalsOf(store).saveCheckpoint('c', { position: first } as never);
          if (kind === 'snapshot') await store.snapshot();
          if (kind === 'restart') {
            const before = await all();
            store = await restarted(store, disk, options);
            expect(await all()).toEqual(before);
          }
        }
        await store.close();
      }),
      { numRuns: scaled(50) },
    );
  });

  it('is as it was around every edge of its columns and pages, and goes on from there', async () => {
    for (const edge of EDGES) {
      const clock = new ManualClock();
      const options = { clock, retentionDuration: MINUTE };
      const disk = new SimulatedDisk();
      const store = await openOn(disk, options);
      await store.append('s', numbered(1, edge));
      await store.append('other', numbered(1, 10));
      clock.jump(MINUTE + 1);
      await store.append('s', numbered(edge + 1, edge + 1_030));
      await store.sweep();
      const before = await visible(store);

      const again = await restarted(store, disk, options);
      const after = await visible(again);
      await again.append('s', numbered(edge + 1_031, edge + 5_000));

      expect(after).toBe(before);
      expect(dataOf(await again.readStream('s'))).toEqual(numbered(edge + 1, edge + 5_000).map(({ data }) => data));
      expect(await again.getStreamInfo('s')).toMatchObject({ eventCount: 4_999 + 1, firstPosition: edge + 1 });
      expect((await again.append('other', { type: 't' })).revision).toBe(11);
      clock.jump(MINUTE + 1);
      expect(await again.sweep()).toBe(5_001);
      await again.close();
    }
  });

  it.each([0, 3, 1_024, 4_096])('goes on counting where retention removed all of %d events', async (count) => {
    const clock = new ManualClock();
    const options = { clock, retentionDuration: MINUTE };
    const disk = new SimulatedDisk();
    const store = await openOn(disk, options);
    await store.append('s', numbered(1, count));
    clock.jump(MINUTE + 1);
    await store.sweep();

    const again = await restarted(store, disk, options);
    const refused =
      count === 0 ? undefined : await rejectionOf(again.append('s', { type: 't' }, { expectedRevision: NO_STREAM }));
    const { revision, globalPosition } = await again.append('s', { type: 't' });

    if (refused) expect(refused).toBeInstanceOf(WrongExpectedRevisionError);
    expect([revision, globalPosition]).toEqual([count + 1, count + 1]);
    await again.close();
  });

  it('recognises a retry of an append from before', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    const batch = [
      { type: 't', id: 'one' },
      { type: 't', id: 'two' },
    ];
    const first = await store.append('s', batch, { expectedRevision: NO_STREAM });
    await store.append('s', { type: 't' });

    const again = await restarted(store, disk);

    expect(await again.append('s', batch, { expectedRevision: NO_STREAM })).toEqual(first);
    expect((await again.stats()).totalEvents).toBe(3);
    await again.close();
  });

  it('gives new events ids that no event from before has', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.append('s', numbered(1, 500));
    const again = await restarted(store, disk);
    await again.append('s', numbered(501, 1_000));

    const ids = (await again.readStream('s')).map(({ id }) => id);

    expect(new Set(ids).size).toBe(1_000);
    await again.close();
  });

  it('lets no time of recording fall when the clock went back meanwhile', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk, { clock: new ManualClock('2024-06-01T00:00:00Z'), retentionDuration: '1m' });
    await store.append('s', { type: 't' });

    const again = await restarted(store, disk, { clock: new ManualClock('2024-01-01T00:00:00Z') });
    await again.append('s', { type: 't' });

    const [first, second] = await again.readStream('s');
    expect(second.recordedAt.getTime()).toBeGreaterThanOrEqual(first.recordedAt.getTime());
    await again.close();
  });

  it('holds its streams to the limits it is opened with', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.append('a', numbered(1, 3));
    await store.append('b', numbered(1, 3));

    const again = await restarted(store, disk, { maxStreams: 2, maxEventsPerStream: 4 });

    await expect(again.append('c', { type: 't' })).rejects.toMatchObject({ code: 'STREAM_LIMIT_REACHED' });
    await expect(again.append('a', numbered(1, 2))).rejects.toMatchObject({ code: 'STREAM_LIMIT_REACHED' });
    await again.close();
  });

  it('hands a subscription what was appended before and after, without a seam', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.append('s', numbered(1, 3));
    const again = await restarted(store, disk);
    const subscription = again.subscribe({ all: true });
    await again.append('s', numbered(4, 5));

    const seen: unknown[] = [];
    for await (const { data } of subscription) if (seen.push(data) === 5) break;

    expect(seen).toEqual([1, 2, 3, 4, 5]);
    await again.close();
  });
});

describe('an engine that is given to a second store after the first was closed', () => {
  it('has what lies in its directory', async () => {
    const disk = new SimulatedDisk();
    const engine = memoryEngineOn(disk, new SimulatedProcesses().start(), { snapshotDirectory: DIRECTORY });
    const first = await openEventStore({ engine });
    await first.append('s', numbered(1, 3));
    await first.readStream('s');
    await first.close();
    const another = await openOn(disk);
    await another.append('s', numbered(4, 5));
    await another.close();

    const second = await openEventStore({ engine });

    expect(dataOf(await second.readStream('s'))).toEqual([1, 2, 3, 4, 5]);
    await second.close();
  });
});

describe('a store that is opened for the first time', () => {
  it('is empty, without a word', async () => {
    const logger = new RecordingLogger();

    const store = await openOn(new SimulatedDisk(), { logger });

    expect((await store.stats()).totalEvents).toBe(0);
    expect([...logger.warnings, ...logger.errors]).toEqual([]);
    await store.close();
  });

  it('and closed as it was opened, writes no snapshot', async () => {
    const disk = new SimulatedDisk();
    const store = await openOn(disk);
    await store.close();

    expect(disk.calls.filter(({ name }) => name === 'rename')).toEqual([]);
  });
});
