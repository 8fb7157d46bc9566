import { describe, expect, it } from '@jest/globals';
import {
  createEvent,
  Cursor,
  DEFAULT_EVENT_STORE_OPTIONS,
  EventStoreError,
  memoryEngine,
  OperationAbortedError,
  type RecordedEvent,
  StorageCorruptedError,
  StreamLimitReachedError,
  StreamNotFoundError,
  type Subscription,
  UnsupportedOperationError,
  ValidationError,
  WrongExpectedRevisionError,
} from 'nestjs-stream-store';
import { checkOptions } from '../../lib/store/event-store-options.js';
import { aroundEngine } from '../support/engines/around-engine.js';
import { dataOf, numbered, rejectionOf, take } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { RecordingCollector } from '../support/recorders.js';
import { MINUTE, storeWith } from '../support/store-with.js';

// The defects of the store this one began from, by their numbers, and what is right instead.

/** Reads until the subscription ends; `pause` is called after each event. */
function read(subscription: Subscription, pause: () => Promise<unknown> = async () => undefined) {
  const events: RecordedEvent[] = [];
  const ended = (async () => {
    for await (const event of subscription) {
      events.push(event);
      await pause();
    }
  })();
  return { events, ended };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('subscriptions', () => {
  it('S1, S9: lose nothing, however slow the reader and however long the history', async () => {
    const store = await storeWith(2_000);
    const subscription = store.subscribe('s', 0, { batchSize: 10 });
    const { events, ended } = read(subscription, () => Promise.resolve());
    for (let n = 2_001; n <= 3_000; n++) await store.append('s', numbered(n, n));
    await subscription.caughtUp();
    await subscription.close();
    await ended;

    expect(dataOf(events)).toEqual(upTo(3_000));
  });

  it('S2: stand at the last event that was handed out, so that going on from there leaves no hole', async () => {
    const store = await storeWith(100);
    const [first, second] = [store.subscribe('s'), store.subscribe('s')];
    const seen = dataOf(await take(first, 37));
    const position = first.position;
    const rest = dataOf(await take(store.subscribe('s', position), 63));
    await second.close();

    expect(position).toBe(37);
    expect([...seen, ...rest]).toEqual(upTo(100));
  });

  it('S3, S4: give the events of appends that run at the same time in order, each of them', async () => {
    const store = await openTestStore({ engine: lateEngine() });
    const subscription = store.subscribe('s');
    const { events, ended } = read(subscription);
    await Promise.all(upTo(100).map((n) => store.append('s', numbered(2 * n - 1, 2 * n))));
    await subscription.caughtUp();
    await subscription.close();
    await ended;

    expect(events.map(({ position }) => position)).toEqual(upTo(200));
  });

  it('S5, S7: give each event once when history and new events meet', async () => {
    const store = await storeWith(50, { engine: lateEngine() });
    const subscription = store.subscribe('s', 0, { batchSize: 7 });
    const { events, ended } = read(subscription, () => store.append('s', { type: 'more' }));
    while (events.length < 200) await settled();
    await subscription.close();
    await ended;

    const positions = events.map(({ position }) => position);
    expect(positions).toEqual(upTo(positions.length));
  });

  it('S6: miss nothing that is appended while they are being made', async () => {
    const store = await storeWith(3, { engine: lateEngine() });
    const appending = store.append('s', numbered(4, 6));
    const subscription = store.subscribe('s');
    await store.append('s', numbered(7, 9));
    const { events, ended } = read(subscription);
    await store.append('s', numbered(10, 12));
    await appending;
    await subscription.caughtUp();
    await subscription.close();
    await ended;

    expect(dataOf(events)).toEqual(upTo(12));
  });

  it('S8: finish the history before the first new event', async () => {
    const store = await storeWith(1_000);
    const subscription = store.subscribe('s');
    const { events, ended } = read(subscription);
    await store.append('s', { type: 'new', data: 'new' });
    await subscription.caughtUp();
    await subscription.close();
    await ended;

    expect(dataOf(events)).toEqual([...upTo(1_000), 'new']);
  });

  it('S10: rest while nothing happens, and set no timer', async () => {
    const clock = new ManualClock();
    const engine = lateEngine();
    const store = await storeWith(1, { engine, clock });
    const subscription = store.subscribe('s');
    const { ended } = read(subscription);
    await subscription.caughtUp();
    const asked = engine.asked.length;
    await clock.advance(3_600_000);
    for (let turn = 0; turn < 10; turn++) await settled();

    expect(engine.asked).toHaveLength(asked);
    expect(clock.pendingTimers).toBe(0);
    await subscription.close();
    await ended;
  });

  it('S11: end quietly when they are closed while they read and while others append', async () => {
    const store = await storeWith(10, { engine: lateEngine() });
    const subscription = store.subscribe('s');
    const { ended } = read(subscription);
    const appends = upTo(20).map((n) => store.append('s', numbered(n, n)));
    await settled();
    await subscription.close();
    await Promise.all(appends);
    await ended;

    expect(await store.append('s', { type: 't' })).toMatchObject({ revision: 31 });
    expect((await store.stats()).subscriptionsActive).toBe(0);
  });

  it('S12: are not counted as active once the store closes, and can be closed again', async () => {
    const store = await storeWith(1);
    const subscription = store.subscribe('s');
    const { ended } = read(subscription);
    const before = (await store.stats()).subscriptionsActive;
    await store.close();
    await ended;
    await subscription.close();

    expect(before).toBe(1);
    expect(subscription.state).toBe('stopped');
  });

  it('S13: have come to their end when close resolves', async () => {
    const engine = lateEngine();
    const store = await storeWith(10, { engine });
    const { ended } = read(store.subscribe('s'));
    const replay = take(store.replay()).catch(() => undefined);
    engine.hold();
    await settled();
    const closing = store.close();
    for (let turn = 0; turn < 5; turn++) await settled();
    engine.release();
    await closing;
    await Promise.all([ended, replay]);

    expect(engine.unansweredAtClose).toEqual([]);
  });

  it.each<[string, (subscription: Subscription, leaving: AbortController) => unknown]>([
    ['close()', (subscription) => subscription.close()],
    ['an AbortSignal', (_, leaving) => leaving.abort()],
    ['Symbol.asyncDispose', (subscription) => subscription[Symbol.asyncDispose]()],
    ['leaving the loop', (subscription) => take(subscription, 1)],
  ])('S14: are ended by %s and leave nothing behind', async (_, end) => {
    const store = await storeWith(3);
    const leaving = new AbortController();
    const subscription = store.subscribe('s', 0, { signal: leaving.signal });
    await end(subscription, leaving);

    expect(subscription.state).toBe('stopped');
    expect((await store.stats()).subscriptionsActive).toBe(0);
    expect(await take(subscription)).toEqual([]);
  });

  it('S15: say why they ended: damage is an error, closing is none', async () => {
    const engine = lateEngine();
    const store = await storeWith(3, { engine });
    const closed = store.subscribe('s');
    await closed.close();
    await settled();
    engine.failNext('readStream', new StorageCorruptedError('disk', 'it is on fire'));
    const failing = store.subscribe('s', 1);

    await expect(take(failing)).rejects.toThrow('it is on fire');
    expect(await take(closed)).toEqual([]);
    await expect(closed.caughtUp()).rejects.toBeInstanceOf(EventStoreError);
  });

  it('S16: do not replace each other when they are made at the same moment', async () => {
    const store = await storeWith(1, { clock: new ManualClock() });
    const subscriptions = upTo(100).map(() => store.subscribe('s'));
    const readers = subscriptions.map((subscription) => read(subscription));
    await Promise.all(subscriptions.map((subscription) => subscription.caughtUp()));
    const { subscriptionsActive } = await store.stats();
    await store.append('s', { type: 't', data: 2 });
    await Promise.all(subscriptions.map((subscription) => subscription.caughtUp()));
    await store.close();
    await Promise.all(readers.map(({ ended }) => ended));

    expect(subscriptionsActive).toBe(100);
    for (const { events } of readers) expect(dataOf(events)).toEqual([1, 2]);
  });

  it('S17: give events that know their stream, their positions and their times', async () => {
    const store = await storeWith(1, { clock: new ManualClock('2024-01-01T00:00:00Z') });
    const [event] = await take(store.subscribe('s'), 1);

    expect(event).toMatchObject({ streamId: 's', position: 1, globalPosition: 1 });
    expect(event).toMatchObject({ timestamp: new Date('2024-01-01'), recordedAt: new Date('2024-01-01') });
  });

  it('S18: follow one stream, the streams of a pattern, or all, of some types or all', async () => {
    const store = await openTestStore();
    await store.append('order-1', [
      { type: 'placed', data: 1 },
      { type: 'paid', data: 2 },
    ]);
    await store.append('order-2', { type: 'placed', data: 3 });
    await store.append('customer', { type: 'placed', data: 4 });

    expect(dataOf(await take(store.subscribe('order-1'), 2))).toEqual([1, 2]);
    expect(dataOf(await take(store.subscribe({ stream: 'order-1', types: ['paid'] }), 1))).toEqual([2]);
    expect(dataOf(await take(store.subscribe({ streams: 'order-*' }), 3))).toEqual([1, 2, 3]);
    expect(dataOf(await take(store.subscribe({ all: true }), 4))).toEqual([1, 2, 3, 4]);
    expect(dataOf(await take(store.subscribe({ all: true, types: ['pl*'] }), 3))).toEqual([1, 3, 4]);
  });

  it('S19: are not asked about appends to other streams', async () => {
    const streamsRead: string[] = [];
    const engine = aroundEngine((verb, ask, request) => {
      if (verb === 'readStream') streamsRead.push((request as { streamId: string }).streamId);
      return ask();
    });
    const store = await openTestStore({ engine });
    const subscriptions = upTo(20).map((n) => store.subscribe(`s${n}`));
    const readers = subscriptions.map((subscription) => read(subscription));
    await Promise.all(subscriptions.map((subscription) => subscription.caughtUp()));
    streamsRead.length = 0;
    await store.append('s1', { type: 't' });
    await store.append('elsewhere', { type: 't' });
    await subscriptions[0].caughtUp();
    await settled();

    expect(new Set(streamsRead)).toEqual(new Set(['s1']));
    expect(dataOf(readers[0].events)).toHaveLength(1);
    await store.close();
    await Promise.all(readers.map(({ ended }) => ended));
  });
});

describe('append', () => {
  it('A1: refuses a stream over maxStreams instead of writing to another one', async () => {
    const store = await openTestStore({ maxStreams: 1 });
    await store.append('a', numbered(1, 1));

    await expect(store.append('b', numbered(2, 2))).rejects.toBeInstanceOf(StreamLimitReachedError);

    expect(dataOf((await store.readAll()).events)).toEqual([1]);
  });

  it('A2: refuses a whole batch that would go over maxEventsPerStream', async () => {
    const store = await openTestStore({ maxEventsPerStream: 3 });
    await store.append('a', numbered(1, 2));

    await expect(store.append('a', numbered(3, 4))).rejects.toBeInstanceOf(StreamLimitReachedError);

    expect(dataOf(await store.readStream('a'))).toEqual([1, 2]);
  });

  it('A3: can expect a revision, and tells the actual one to who is too late', async () => {
    const store = await storeWith(3);

    const error = await rejectionOf(store.append('s', { type: 't' }, { expectedRevision: 2 }));

    expect(error).toBeInstanceOf(WrongExpectedRevisionError);
    expect(error).toMatchObject({ expected: 2, actual: 3 });
  });

  it('A4: recognises a retry by its event ids and stores nothing twice', async () => {
    const store = await storeWith(3);
    const event = createEvent('paid', { total: 3 });
    const first = await store.append('s', event, { expectedRevision: 3 });

    expect(await store.append('s', event, { expectedRevision: 3 })).toEqual(first);
    expect(await store.readStream('s')).toHaveLength(4);
  });

  it('A5: answers with the positions of the batch', async () => {
    const store = await storeWith(3);

    const result = await store.append('s', numbered(4, 5));

    expect(result).toEqual({ streamId: 's', revision: 5, firstPosition: 4, globalPosition: 5, count: 2 });
  });

  it('A6: either is refused or is kept, when the store closes or the signal aborts meanwhile', async () => {
    const engine = memoryEngine();
    const store = await openTestStore({ engine: lateEngine(engine) });
    const leaving = new AbortController();
    const outcomes: string[] = [];
    const appends = upTo(10).map((n) =>
      store.append('s', numbered(n, n), { signal: leaving.signal }).then(
        () => outcomes.push('kept'),
        () => outcomes.push('refused'),
      ),
    );
    leaving.abort();
    const closing = store.close();
    await Promise.all([...appends, closing]);

    const { events } = await engine.usage({ recordedSince: -Infinity });
    expect(outcomes.filter((outcome) => outcome === 'kept')).toHaveLength(events);
  });

  it('A7: lands where readers find it, when retention empties the stream at the same time', async () => {
    const clock = new ManualClock();
    const store = await storeWith(1_500, { clock, engine: lateEngine(), retentionDuration: 10 * MINUTE });
    clock.jump(11 * MINUTE);
    const sweeping = store.sweep();
    const results = await Promise.all(upTo(20).map((n) => store.append('s', numbered(n, n))));
    await sweeping;

    expect(dataOf(await store.readStream('s'))).toEqual(upTo(20));
    expect(results[0].firstPosition).toBe(1_501);
  });

  it('A8: goes on counting in a stream that retention emptied, so that no saved cursor skips events', async () => {
    const clock = new ManualClock();
    const store = await storeWith(3, { clock, retentionDuration: 10 * MINUTE });
    const { cursor } = await store.read('s');
    clock.jump(11 * MINUTE);
    await store.sweep();
    await store.append('s', numbered(4, 4));

    expect(dataOf((await store.read('s', cursor)).events)).toEqual([4]);
  });

  it('A9: keeps what the event was, whatever becomes of the object', async () => {
    const store = await openTestStore();
    const data = { total: 3, lines: ['a'] };
    const append = store.append('s', { type: 't', data });
    data.total = 99;
    await append;
    data.lines.push('b');

    expect(dataOf(await store.readStream('s'))).toEqual([{ total: 3, lines: ['a'] }]);
  });

  it('A10: checks the stream id, and tells of a missing event without failing at it', async () => {
    const store = await openTestStore();

    for (const streamId of ['', 'x'.repeat(513), '$store', 'a\0', undefined]) {
      await expect(store.append(streamId as string, { type: 't' })).rejects.toMatchObject({ field: 'streamId' });
    }
    await expect(store.append('s', null as never)).rejects.toBeInstanceOf(ValidationError);
    await expect(store.append('s', [undefined as never])).rejects.toMatchObject({ field: 'events[0]' });
  });
});

describe('reading', () => {
  it('R1: shows the order of the whole log, and goes on anywhere in it', async () => {
    const store = await openTestStore();
    for (let n = 1; n <= 6; n++) await store.append(`s${n % 2}`, { type: 't', data: n });

    const first = await store.readAll({ limit: 4 });
    const rest = await store.readAll({ from: first.globalPosition });

    expect(dataOf([...first.events, ...rest.events])).toEqual(upTo(6));
    expect(rest.events.at(-1)!.globalPosition).toBe(6);
  });

  it('R2: finds the end of a long stream and the middle of it as it finds the beginning', async () => {
    const store = await openTestStore({ maxEventsPerStream: 0 });
    for (let n = 0; n < 20; n++) await store.append('s', numbered(n * 2_500 + 1, (n + 1) * 2_500));

    expect(dataOf((await store.read('s', 49_998)).events)).toEqual([49_999, 50_000]);
    expect(dataOf((await store.read('s', 24_999, 2)).events)).toEqual([25_000, 25_001]);
    expect(dataOf(await store.readStream('s', 0, { direction: 'backward', limit: 2 }))).toEqual([50_000, 49_999]);
  });

  it('R3: refuses a cursor of another stream', async () => {
    const store = await storeWith(3);

    await expect(store.read('s', new Cursor('other', 1))).rejects.toMatchObject({ field: 'cursor' });
  });

  it('R4: has one typed error for a stream that never was, in every verb that names one', async () => {
    const store = await storeWith(3);

    for (const call of [store.read('x'), store.readStream('x'), store.getStreamInfo('x')]) {
      await expect(call).rejects.toBeInstanceOf(StreamNotFoundError);
    }
  });

  it('R5: orders a time range by time and then by global position, and sees one state of the log', async () => {
    const store = await openTestStore();
    for (let n = 1; n <= 30; n++) await store.append(`s${n % 4}`, { type: 't', data: n, timestamp: n % 3 });

    const events = await store.readTimeRange(0, 2);

    const keys = events.map(({ timestamp, globalPosition }) => timestamp.getTime() * 1_000 + globalPosition);
    expect(keys).toEqual([...keys].sort((a, b) => a - b));
    expect(events).toHaveLength(30);
  });

  it('R6: replays lazily, can be left, and tells complete from aborted', async () => {
    const store = await storeWith(100);
    const leaving = new AbortController();
    const aborted = store.replay(undefined, undefined, { batchSize: 10, signal: leaving.signal });
    const complete = await take(store.replay());
    await take(aborted, 5);
    leaving.abort();

    expect(complete).toHaveLength(100);
    await expect(take(aborted)).rejects.toBeInstanceOf(OperationAbortedError);
  });

  it('R7: keeps when an event happened apart from when it was recorded', async () => {
    const store = await openTestStore({ clock: new ManualClock('2024-06-01T00:00:00Z') });
    await store.append('s', { type: 't', timestamp: '1999-01-01' });

    const [event] = await store.readTimeRange('1998-12-31', '1999-01-02');

    expect(event).toMatchObject({ timestamp: new Date('1999-01-01'), recordedAt: new Date('2024-06-01') });
  });

  it('R8: measures every kind of append and read, with its outcome', async () => {
    const collector = new RecordingCollector();
    const store = await storeWith(3, { metricsCollector: collector });
    await store.read('s');
    await store.readStream('s');
    await store.readAll();
    await store.readTimeRange();
    await rejectionOf(store.read('x'));
    await rejectionOf(store.append('s', { type: 't' }, { expectedRevision: 1 }));

    expect(collector.appends.map(({ outcome }) => outcome)).toEqual(['ok', 'WRONG_EXPECTED_REVISION']);
    expect(collector.reads.map(({ operation, outcome }) => `${operation} ${outcome}`)).toEqual([
      'read ok',
      'readStream ok',
      'readAll ok',
      'readTimeRange ok',
      'read STREAM_NOT_FOUND',
    ]);
  });

  it('R9: lists streams in order, by prefix and in pages', async () => {
    const store = await openTestStore();
    for (const id of ['b-2', 'a-2', 'b-1', 'a-1']) await store.append(id, { type: 't' });

    expect((await store.getStreams()).map(({ streamId }) => streamId)).toEqual(['a-1', 'a-2', 'b-1', 'b-2']);
    expect((await store.getStreams({ prefix: 'b-', limit: 1, after: 'b-1' }))[0].streamId).toBe('b-2');
  });
});

describe('retention, snapshots and options', () => {
  it('T1: removes step by step, and lets appends through between the steps', async () => {
    const clock = new ManualClock();
    const engine = lateEngine();
    const store = await storeWith(5_000, { clock, engine, retentionDuration: 10 * MINUTE });
    clock.jump(11 * MINUTE);
    let removed: number | undefined;
    const sweeping = store.sweep().then((count) => (removed = count));
    let appendedMeanwhile = 0;
    while (removed === undefined) {
      await store.append('other', { type: 't' });
      appendedMeanwhile++;
    }
    await sweeping;

    expect(removed).toBe(5_000);
    expect(appendedMeanwhile).toBeGreaterThan(2);
  });

  it('T2: goes by the time of recording: a back-dated event is not lost at once, a future one does not stay', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: 10 * MINUTE });
    await store.append('s', [{ type: 't', timestamp: 0 }, { type: 't', timestamp: '2999-01-01' }, { type: 't' }]);
    const before = [await store.sweep(), (await store.readStream('s')).length];
    clock.jump(11 * MINUTE);

    expect(before).toEqual([0, 3]);
    expect([await store.sweep(), (await store.readStream('s')).length]).toEqual([3, 0]);
  });

  it('T3: hides what has expired at once, not with the next sweep', async () => {
    const clock = new ManualClock();
    const store = await storeWith(3, { clock, retentionDuration: 10 * MINUTE });
    clock.jump(10 * MINUTE + 1);

    expect(await store.readStream('s')).toEqual([]);
    expect((await store.stats()).eventsExpired).toBe(0);
  });

  it.each([1, 0.5, 10])('T4: works with a retention of %d milliseconds', async (retentionDuration) => {
    const clock = new ManualClock();
    const store = await storeWith(3, { clock, retentionDuration });
    await clock.advance(20);

    expect((await store.stats()).eventsExpired).toBe(3);
  });

  it('T6: says that there is no snapshot instead of counting one that is none', async () => {
    const clock = new ManualClock();
    const store = await storeWith(3, { clock, snapshotInterval: '1h' });
    await clock.advance(5 * 60 * MINUTE);

    await expect(store.snapshot()).rejects.toBeInstanceOf(UnsupportedOperationError);
    expect((await store.stats()).snapshotsCreated).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('T7: measures the memory that events take, and sees it come back', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, retentionDuration: 10 * MINUTE });
    const empty = (await store.stats()).memoryUsageBytes;
    const large = { type: 't', data: 'x'.repeat(100_000) };
    for (let n = 0; n < 100; n++) await store.append('s', large);
    const full = (await store.stats()).memoryUsageBytes;
    clock.jump(11 * MINUTE);
    await store.sweep();
    const after = (await store.stats()).memoryUsageBytes;

    expect(full - empty).toBeGreaterThan(10_000_000);
    expect(full - empty).toBeLessThan(20_000_000);
    expect(after - empty).toBeLessThan(1_000_000);
  });

  it('T8: fills in the documented default of each option that is left out, and takes 0 for unlimited', () => {
    const partial = checkOptions({ maxStreams: 0 });

    expect(partial.maxStreams).toBe(Infinity);
    expect(partial.maxEventsPerStream).toBe(DEFAULT_EVENT_STORE_OPTIONS.maxEventsPerStream);
    expect(partial.snapshotIntervalMs).toBe(DEFAULT_EVENT_STORE_OPTIONS.snapshotInterval);
  });

  it('T9: delivers live, and a reader gets a cursor and a stream with each event to go on from', async () => {
    const store = await openTestStore();
    const subscription = store.subscribe('s');
    const { events, ended } = read(subscription);
    await subscription.caughtUp();
    await store.append('s', numbered(1, 2));
    await subscription.caughtUp();
    await subscription.close();
    await ended;
    await store.append('s', numbered(3, 3));
    const last = events.at(-1)!;

    const { events: rest } = await store.read(last.streamId, new Cursor(last.streamId, last.position));

    expect(dataOf([...events, ...rest])).toEqual([1, 2, 3]);
  });
});
