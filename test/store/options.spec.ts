import { describe, expect, it } from '@jest/globals';
import {
  DEFAULT_EVENT_STORE_OPTIONS,
  DEFAULT_MEMORY_ENGINE_OPTIONS,
  memoryEngine,
  openEventStore,
  systemClock,
  ValidationError,
} from 'nestjs-stream-store';
import { checkOptions } from '../../lib/store/event-store-options.js';
import { numbered, rejectionOf } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';

describe('the default of an option', () => {
  it('can be looked up', () => {
    expect(DEFAULT_EVENT_STORE_OPTIONS).toMatchObject({
      name: 'memory-store',
      maxEventsPerStream: 100_000,
      maxStreams: 10_000,
      retentionDuration: 0,
      snapshotInterval: 3_600_000,
      metricsCollector: {},
      clock: systemClock,
    });
    expect(DEFAULT_MEMORY_ENGINE_OPTIONS).toEqual({
      recordCacheBytes: 64 * 1_024 * 1_024,
      maxDocumentBytes: 256 * 1_024 * 1_024,
      keepSnapshots: 2,
      compression: 'none',
    });
  });

  it('of the limits is that of the engine: none where events are not kept in memory', () => {
    const inMemory = { maxEventsPerStream: 100_000, maxStreams: 10_000 };
    const none = { maxEventsPerStream: Infinity, maxStreams: Infinity };
    const called = (name: string) => Object.assign(memoryEngine(), { name });

    expect(checkOptions({})).toMatchObject(inMemory);
    expect(checkOptions({ engine: memoryEngine() })).toMatchObject(inMemory);
    for (const name of ['sqlite', 'postgres', 'ours']) {
      expect(checkOptions({ engine: called(name) })).toMatchObject(none);
      expect(checkOptions({ engine: called(name), maxStreams: 3 })).toMatchObject({ ...none, maxStreams: 3 });
      expect(checkOptions({ engine: called(name), maxStreams: undefined })).toMatchObject(none);
    }
  });

  it('cannot be changed for the whole process', () => {
    expect(() => Object.assign(DEFAULT_EVENT_STORE_OPTIONS, { maxStreams: 1 })).toThrow(TypeError);
    expect(() => Object.assign(DEFAULT_EVENT_STORE_OPTIONS.metricsCollector, { onAppend: () => 1 })).toThrow(TypeError);
    expect(() => Object.assign(DEFAULT_MEMORY_ENGINE_OPTIONS, { recordCacheBytes: 1 })).toThrow(TypeError);
  });

  it('stands for each option that is left out or undefined, whatever else is given', () => {
    const checked = checkOptions({ maxStreams: 3, name: undefined, retentionDuration: undefined });

    expect(checked).toMatchObject({
      name: 'memory-store',
      maxEventsPerStream: 100_000,
      maxStreams: 3,
      retentionDurationMs: 0,
      snapshotIntervalMs: 3_600_000,
      onExpire: undefined,
      clock: systemClock,
    });
  });

  it('of the engine keeps events in memory', async () => {
    const store = await openTestStore();

    expect(store.name).toBe('memory-store');
    expect(await store.append('a', numbered(1, 1))).toMatchObject({ revision: 1 });
  });

  it('of each store is an engine of its own', async () => {
    const [one, other] = await Promise.all([openTestStore(), openTestStore()]);
    await one.append('a', numbered(1, 1));

    expect(await other.getStreams()).toEqual([]);
  });
});

describe('an option that is set', () => {
  it('names the store', async () => {
    expect((await openTestStore({ name: 'audit' })).name).toBe('audit');
  });

  it('of 0 is no limit, no retention and no snapshot, not a default', () => {
    const checked = checkOptions({ maxEventsPerStream: 0, maxStreams: 0, retentionDuration: 0, snapshotInterval: 0 });

    expect(checked).toMatchObject({
      maxEventsPerStream: Infinity,
      maxStreams: Infinity,
      retentionDurationMs: 0,
      snapshotIntervalMs: 0,
    });
  });

  it.each([
    ['7d', 604_800_000],
    ['24h', 86_400_000],
    ['30m', 1_800_000],
    ['90s', 90_000],
    ['500ms', 500],
    ['1.5h', 5_400_000],
    [250, 250],
  ])('takes the duration %j', (duration, ms) => {
    const checked = checkOptions({ retentionDuration: duration, snapshotInterval: duration });

    expect(checked).toMatchObject({ retentionDurationMs: ms, snapshotIntervalMs: ms });
  });

  it('tells the engine the limits, the name and the clock', async () => {
    let context: unknown;
    const inner = memoryEngine();
    const clock = new ManualClock();
    const engine = lateEngine({
      ...lateEngine(inner),
      open: (given) => {
        context = given;
        return inner.open(given);
      },
    });
    await openTestStore({ engine, clock, name: 'orders', maxStreams: 0, maxEventsPerStream: 7 });

    expect(context).toMatchObject({ storeName: 'orders', clock, maxStreams: Infinity, maxEventsPerStream: 7 });
  });

  it('is not changed by changing the object it came in', async () => {
    const options = { maxStreams: 1, name: 'a' };
    const store = await openTestStore(options);
    options.maxStreams = 100;
    options.name = 'b';
    await store.append('a', numbered(1, 1));

    expect(store.name).toBe('a');
    await expect(store.append('b', numbered(1, 1))).rejects.toMatchObject({ limit: 'maxStreams' });
  });
});

describe('a bad option', () => {
  it.each<[string, unknown]>([
    ['name', ''],
    ['name', 5],
    ['name', null],
    ['name', 'x'.repeat(513)],
    ['name', 'two\nlines'],
    ['maxEventsPerStream', -1],
    ['maxEventsPerStream', 1.5],
    ['maxEventsPerStream', NaN],
    ['maxEventsPerStream', Infinity],
    ['maxEventsPerStream', '100'],
    ['maxEventsPerStream', null],
    ['maxEventsPerStream', 10n],
    ['maxEventsPerStream', 2 ** 53],
    ['maxStreams', -1],
    ['maxStreams', '10'],
    ['maxStreams', NaN],
    ['maxStreams', {}],
    ['maxStreams', Object.create(null)],
    ['retentionDuration', -1],
    ['retentionDuration', '-7d'],
    ['retentionDuration', NaN],
    ['retentionDuration', Infinity],
    ['retentionDuration', ''],
    ['retentionDuration', 'a week'],
    ['retentionDuration', '7 fortnights'],
    ['retentionDuration', '7d'.repeat(100)],
    ['retentionDuration', null],
    ['retentionDuration', true],
    ['retentionDuration', 10n],
    ['retentionDuration', Symbol('7d')],
    ['retentionDuration', new Date()],
    ['snapshotInterval', -1],
    ['snapshotInterval', 'hourly'],
    ['snapshotInterval', null],
    ['onExpire', 'archive'],
    ['onExpire', {}],
    ['onExpire', null],
    ['metricsCollector', 'prometheus'],
    ['metricsCollector', null],
    ['metricsCollector', 5],
    ['instrumentation', 'otel'],
    ['instrumentation', null],
    ['logger', null],
    ['logger', {}],
    ['logger', { warn: () => undefined }],
    ['logger', 'console'],
    ['clock', null],
    ['clock', {}],
    ['clock', { now: () => 0 }],
    ['clock', Date],
    ['engine', null],
    ['engine', 'postgres'],
    ['engine', {}],
    ['engine', memoryEngine],
    ['retention', 7],
    ['retention', null],
  ])('is a ValidationError that names %s, for %p', async (field, value) => {
    const error = await rejectionOf(openEventStore({ [field]: value }));

    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toMatchObject({ code: 'VALIDATION_FAILED', field });
    expect((error as Error).message).toContain(field);
  });

  it.each(['maxEventPerStream', 'retentions', 'Name', 'constructor', 'toString'])(
    'that nobody knows is named too: %s',
    async (name) => {
      const error = await rejectionOf(openEventStore({ [name]: 5 }));

      expect(error).toBeInstanceOf(ValidationError);
      expect(error).toMatchObject({ field: name });
      expect((error as Error).message).toContain('maxEventsPerStream');
    },
  );

  it.each([[null], ['memory'], [5]])('is also what comes instead of options: %p', async (options) => {
    expect(await rejectionOf(openEventStore(options as never))).toBeInstanceOf(ValidationError);
  });

  it.each<[unknown, string]>([
    [{ recordCacheBytes: -1 }, 'memoryEngine.recordCacheBytes'],
    [{ recordCacheBytes: 1.5 }, 'memoryEngine.recordCacheBytes'],
    [{ recordCacheBytes: '64 MB' }, 'memoryEngine.recordCacheBytes'],
    [{ recordCacheBytes: null }, 'memoryEngine.recordCacheBytes'],
    [{ maxDocumentBytes: -1 }, 'memoryEngine.maxDocumentBytes'],
    [{ cacheBytes: 5 }, 'memoryEngine.cacheBytes'],
    [null, 'memoryEngine'],
  ])('of the memory engine is named: %p', (options, field) => {
    let error: unknown;
    try {
      memoryEngine(options as never);
    } catch (thrown) {
      error = thrown;
    }

    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toMatchObject({ field });
  });
});
