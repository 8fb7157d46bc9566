import { describe, expect, it } from '@jest/globals';
import { createEvent, type EventStore, type MetricsCollector } from 'nestjs-stream-store';
import { numbered, rejectionOf } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { RecordingCollector, RecordingLogger } from '../support/recorders.js';

async function measuredStore(options = {}): Promise<{ store: EventStore; collector: RecordingCollector }> {
  const collector = new RecordingCollector();
  const store = await openTestStore({ name: 'orders-store', metricsCollector: collector, ...options });
  return { store, collector };
}

describe('a metrics collector is told', () => {
  it('of each append: the store, the outcome, the events and how long it took', async () => {
    const { store, collector } = await measuredStore();
    await store.append('a', numbered(1, 3));
    await store.append('a', { type: 't' });

    expect(collector.appends).toEqual([
      { store: 'orders-store', outcome: 'ok', events: 3, durationMs: expect.any(Number) },
      { store: 'orders-store', outcome: 'ok', events: 1, durationMs: expect.any(Number) },
    ]);
    expect(collector.appends.every(({ durationMs }) => durationMs >= 0 && durationMs < 60_000)).toBe(true);
  });

  it.each<[string, (store: EventStore) => Promise<unknown>]>([
    ['WRONG_EXPECTED_REVISION', (store) => store.append('a', { type: 't' }, { expectedRevision: 5 })],
    ['STREAM_LIMIT_REACHED', (store) => store.append('a', numbered(1, 11))],
    ['VALIDATION_FAILED', (store) => store.append('a', { type: '' })],
    ['OPERATION_ABORTED', (store) => store.append('a', { type: 't' }, { signal: AbortSignal.abort() })],
    ['STORE_CLOSED', async (store) => (await store.close(), store.append('a', { type: 't' }))],
  ])('of an append that failed with %s', async (outcome, append) => {
    const { store, collector } = await measuredStore({ maxEventsPerStream: 10 });

    await rejectionOf(append(store));

    expect(collector.appends.map((measurement) => measurement.outcome)).toEqual([outcome]);
  });

  it('of an append on which the engine failed', async () => {
    const engine = lateEngine();
    const { store, collector } = await measuredStore({ engine });
    engine.failNext('append', new Error('disk full'));
    await rejectionOf(store.append('a', { type: 't' }));

    expect(collector.appends).toMatchObject([{ outcome: 'UNKNOWN', events: 1 }]);
  });

  it('of a retried append, which is ok', async () => {
    const { store, collector } = await measuredStore();
    const event = createEvent('t');
    await store.append('a', event, { expectedRevision: 0 });
    await store.append('a', event, { expectedRevision: 0 });

    expect(collector.appends.map(({ outcome }) => outcome)).toEqual(['ok', 'ok']);
  });

  it('of each read: which it was, the outcome and the events', async () => {
    const { store, collector } = await measuredStore();
    await store.append('a', numbered(1, 5));
    await store.read('a', 1);
    await store.readStream('a', 2);
    await store.readAll({ limit: 2 });
    await store.readTimeRange();

    const expected = { store: 'orders-store', outcome: 'ok', durationMs: expect.any(Number) };
    expect(collector.reads).toEqual([
      { ...expected, operation: 'read', events: 4 },
      { ...expected, operation: 'readStream', events: 3 },
      { ...expected, operation: 'readAll', events: 2 },
      { ...expected, operation: 'readTimeRange', events: 5 },
    ]);
  });

  it.each<[string, (store: EventStore) => Promise<unknown>]>([
    ['STREAM_NOT_FOUND', (store) => store.read('nobody')],
    ['VALIDATION_FAILED', (store) => store.read('a', -1)],
    ['OPERATION_ABORTED', (store) => store.read('a', 0, 1, { signal: AbortSignal.abort() })],
    ['STORE_CLOSED', async (store) => (await store.close(), store.read('a'))],
  ])('of a read that failed with %s', async (outcome, read) => {
    const { store, collector } = await measuredStore();

    await rejectionOf(read(store));

    expect(collector.reads).toMatchObject([{ operation: 'read', outcome, events: 0 }]);
  });

  it('of a read that was aborted while the engine was at work', async () => {
    const { store, collector } = await measuredStore({ engine: lateEngine() });
    await store.append('a', numbered(1, 3));
    const leaving = new AbortController();
    const reading = rejectionOf(store.read('a', 0, 10, { signal: leaving.signal }));
    leaving.abort();
    await reading;

    expect(collector.reads).toMatchObject([{ operation: 'read', outcome: 'OPERATION_ABORTED', events: 0 }]);
  });

  it('once of a read that took several answers of the engine', async () => {
    const { store, collector } = await measuredStore({ engine: lateEngine() });
    await store.append('a', numbered(1, 70));
    await store.readAll({ limit: 0, filter: { types: ['counted'] } });

    expect(collector.reads).toMatchObject([{ operation: 'readAll', events: 70 }]);
  });
});

describe('a metrics collector that throws', () => {
  const throwing: MetricsCollector = {
    onAppend: () => {
      throw new Error('metrics are down');
    },
    onRead: () => {
      throw new Error('metrics are down');
    },
    onExpire: () => {
      throw new Error('metrics are down');
    },
  };

  it('harms no call, and is reported', async () => {
    const logger = new RecordingLogger();
    const clock = new ManualClock();
    const store = await openTestStore({ metricsCollector: throwing, logger, clock, retentionDuration: '1m' });
    const result = await store.append('a', numbered(1, 2));
    const read = await store.read('a');
    const refusal = await rejectionOf(store.append('a', numbered(1, 1), { expectedRevision: 9 }));
    clock.jump(60_001);
    const removed = await store.sweep();

    expect(result).toMatchObject({ revision: 2 });
    expect(read.events).toHaveLength(2);
    expect(refusal).toMatchObject({ code: 'WRONG_EXPECTED_REVISION' });
    expect(removed).toBe(2);
    expect(logger.errors.join()).toContain('onAppend');
    expect(logger.errors.join()).toContain('onRead');
    expect(logger.errors.join()).toContain('onExpire');
  });
});

describe('a metrics collector', () => {
  it('may be an instance of a class, whose methods keep their "this"', async () => {
    class Counter implements MetricsCollector {
      events = 0;
      onAppend({ events }: { events: number }): void {
        this.events += events;
      }
    }
    const counter = new Counter();
    const store = await openTestStore({ metricsCollector: counter });
    await store.append('a', numbered(1, 3));

    expect(counter.events).toBe(3);
  });

  it('may be a function with methods, and may have none of them', async () => {
    const store = await openTestStore({
      metricsCollector: Object.assign(() => undefined, { onRead: () => undefined }),
    });

    expect(await store.append('a', { type: 't' })).toMatchObject({ revision: 1 });
  });

  it('is told beside others, and does not keep them from being told', async () => {
    const first = new RecordingCollector();
    const second = new RecordingCollector();
    const logger = new RecordingLogger();
    const store = await openTestStore({ metricsCollector: first, logger });
    store.addMetricsCollector({
      onAppend: () => {
        throw new Error('metrics are down');
      },
    });
    store.addMetricsCollector(second);
    await store.append('a', { type: 't' });

    expect(first.appends).toEqual(second.appends);
    expect(second.appends).toHaveLength(1);
    expect(logger.errors).toHaveLength(1);
  });
});
