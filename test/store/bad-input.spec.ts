import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Cursor, type EventStore, EventStoreError, openEventStore, ValidationError } from 'nestjs-stream-store';
import { rejectionOf, take } from '../support/events.js';

// One store for the whole table: no line of it may leave a trace.
let store: EventStore;

beforeAll(async () => {
  store = await openEventStore({ maxEventsPerStream: 10, maxStreams: 2 });
  await store.append('orders', [{ type: 'placed' }, { type: 'paid' }]);
  await store.append('customers', { type: 'joined' });
});

afterAll(() => store.close());

/** Everything that a call which was refused must not have changed. */
async function traces(): Promise<unknown> {
  const stats = { ...(await store.stats()), eventsRead: 0, memoryUsageBytes: 0 };
  return { stats, streams: await store.getStreams(), events: (await store.readAll({ limit: 0 })).events };
}

const append = (streamId: unknown, event: unknown = { type: 't' }, options?: unknown): Promise<unknown> =>
  store.append(streamId as string, event as never, options as never);

const expecting = (expectedRevision: unknown): Promise<unknown> =>
  append('orders', { type: 't' }, { expectedRevision });

type Line = [what: string, call: () => unknown, expected: { code: string; field?: string }];

const invalid = (field: string): Line[2] => ({ code: 'VALIDATION_FAILED', field });

/** What to do next, or what would have been right. */
const ADVICE =
  /\b(give|take|set|raise|call|[Rr]ead|append|subscribe|leave|use|open|knows)\b|neither .+ nor|from 1 to|not like|, not of |as only/;

const LINES: Line[] = [
  ['an empty stream id', () => append(''), invalid('streamId')],
  ['a stream id that is no text', () => append(5), invalid('streamId')],
  ['a missing stream id', () => append(undefined), invalid('streamId')],
  ['null as a stream id', () => append(null), invalid('streamId')],
  ['a stream id of 513 characters', () => append('x'.repeat(513)), invalid('streamId')],
  ['a stream id of 513 characters beyond U+FFFF', () => append('🚀'.repeat(513)), invalid('streamId')],
  ['an ill-formed stream id', () => append('a\ud800b'), invalid('streamId')],
  ['a stream id with a line feed', () => append('a\nb'), invalid('streamId')],
  ['a stream id with a null character', () => append('a\0'), invalid('streamId')],
  ['a stream id with a control character of Latin-1', () => append('a\u0085'), invalid('streamId')],
  ['an append to a stream of the store itself', () => append('$checkpoints'), invalid('streamId')],
  ['an append to the stream "$"', () => append('$'), invalid('streamId')],

  ['no event', () => append('orders', null), invalid('event')],
  ['a text as event', () => append('orders', 'placed'), invalid('event')],
  ['no event in a batch', () => append('orders', [{ type: 't' }, null]), invalid('events[1]')],
  ['a missing type', () => append('orders', { data: 1 }), invalid('type')],
  ['a missing type in a batch', () => append('orders', [{ type: 't' }, { data: 1 }]), invalid('events[1].type')],
  ['an empty type', () => append('orders', { type: '' }), invalid('type')],
  ['a type that is no text', () => append('orders', { type: 5 }), invalid('type')],
  ['a type of 513 characters', () => append('orders', { type: 'x'.repeat(513) }), invalid('type')],
  ['a type with a control character', () => append('orders', { type: 'a\tb' }), invalid('type')],
  ['an empty id', () => append('orders', { type: 't', id: '' }), invalid('id')],
  ['null as id', () => append('orders', { type: 't', id: null }), invalid('id')],
  ['an id of 513 characters', () => append('orders', { type: 't', id: 'x'.repeat(513) }), invalid('id')],
  ['an ill-formed id', () => append('orders', { type: 't', id: '\udc00' }), invalid('id')],
  ['the timestamp "1"', () => append('orders', { type: 't', timestamp: '1' }), invalid('timestamp')],
  ['the timestamp "yesterday"', () => append('orders', { type: 't', timestamp: 'yesterday' }), invalid('timestamp')],
  ['an empty timestamp', () => append('orders', { type: 't', timestamp: '' }), invalid('timestamp')],
  [
    'a timestamp without an offset',
    () => append('orders', { type: 't', timestamp: '2024-01-01T00:00' }),
    invalid('timestamp'),
  ],
  ['the 13th month', () => append('orders', { type: 't', timestamp: '2024-13-01' }), invalid('timestamp')],
  ['the 30th of February', () => append('orders', { type: 't', timestamp: '2024-02-30' }), invalid('timestamp')],
  ['the 31st of April', () => append('orders', { type: 't', timestamp: '2024-04-31T00:00:00Z' }), invalid('timestamp')],
  ['the 25th hour', () => append('orders', { type: 't', timestamp: '2024-01-01T25:00:00Z' }), invalid('timestamp')],
  ['an invalid Date', () => append('orders', { type: 't', timestamp: new Date(NaN) }), invalid('timestamp')],
  ['NaN as a timestamp', () => append('orders', { type: 't', timestamp: NaN }), invalid('timestamp')],
  ['a timestamp no Date can hold', () => append('orders', { type: 't', timestamp: 8.64e15 + 1 }), invalid('timestamp')],
  ['null as a timestamp', () => append('orders', { type: 't', timestamp: null }), invalid('timestamp')],
  ['a BigInt as a timestamp', () => append('orders', { type: 't', timestamp: 5n }), invalid('timestamp')],
  ['an object as a timestamp', () => append('orders', { type: 't', timestamp: {} }), invalid('timestamp')],
  ['data that JSON cannot hold', () => append('orders', { type: 't', data: { n: [1n] } }), invalid('data.n[0]')],
  [
    'data in a batch that JSON cannot hold',
    () => append('orders', [{ type: 't' }, { type: 't', data: { n: NaN } }]),
    invalid('events[1].data.n'),
  ],
  ['metadata that is no object', () => append('orders', { type: 't', metadata: ['a'] }), invalid('metadata')],

  [
    'a batch one over the limit',
    () => append('orders', new Array(9).fill({ type: 't' })),
    { code: 'STREAM_LIMIT_REACHED' },
  ],
  ['a stream one over the limit', () => append('more'), { code: 'STREAM_LIMIT_REACHED' }],
  ['a wrong revision', () => expecting(1), { code: 'WRONG_EXPECTED_REVISION' }],
  ['"no-stream" for a stream', () => expecting('no-stream'), { code: 'WRONG_EXPECTED_REVISION' }],
  ['a negative revision', () => expecting(-1), invalid('expectedRevision')],
  ['a fractional revision', () => expecting(1.5), invalid('expectedRevision')],
  ['NaN as a revision', () => expecting(NaN), invalid('expectedRevision')],
  ['Infinity as a revision', () => expecting(Infinity), invalid('expectedRevision')],
  ['a revision as text', () => expecting('2'), invalid('expectedRevision')],
  ['a revision as BigInt', () => expecting(2n), invalid('expectedRevision')],
  ['null as a revision', () => expecting(null), invalid('expectedRevision')],
  ['"any" in capitals', () => expecting('ANY'), invalid('expectedRevision')],
  ['an object as a revision', () => expecting(Object.create(null)), invalid('expectedRevision')],
  ['null as options of an append', () => append('orders', { type: 't' }, null), { code: 'VALIDATION_FAILED' }],
  [
    'an aborted signal',
    () => append('orders', { type: 't' }, { signal: AbortSignal.abort() }),
    { code: 'OPERATION_ABORTED' },
  ],

  ['a read of an empty stream id', () => store.read(''), invalid('streamId')],
  ['a read of an ill-formed stream id', () => store.read('\ud800'), invalid('streamId')],
  ['a cursor of another stream', () => store.read('orders', new Cursor('customers', 1)), invalid('cursor')],
  ['a cursor at a negative position', () => store.read('orders', new Cursor('orders', -1)), invalid('cursor.position')],
  ['a negative position', () => store.read('orders', -1), invalid('cursor')],
  ['a fractional position', () => store.read('orders', 0.5), invalid('cursor')],
  ['NaN as a position', () => store.read('orders', NaN), invalid('cursor')],
  ['a position as text', () => store.read('orders', '1' as never), invalid('cursor')],
  [
    'an object like a cursor',
    () => store.read('orders', { streamId: 'orders', position: 1 } as never),
    invalid('cursor'),
  ],
  ['a fractional limit', () => store.read('orders', 0, 1.5), invalid('limit')],
  ['NaN as a limit', () => store.read('orders', 0, NaN), invalid('limit')],
  ['a limit as text', () => store.read('orders', 0, '5' as never), invalid('limit')],
  ['types that are no array', () => store.read('orders', 0, 1, { types: 'placed' as never }), invalid('types')],
  ['no types', () => store.read('orders', 0, 1, { types: [] }), invalid('types')],
  ['an empty type among types', () => store.read('orders', 0, 1, { types: ['a', ''] }), invalid('types[1]')],
  ['null as options of a read', () => store.read('orders', 0, 1, null as never), { code: 'VALIDATION_FAILED' }],
  [
    'a read with an aborted signal',
    () => store.read('orders', 0, 1, { signal: AbortSignal.abort() }),
    { code: 'OPERATION_ABORTED' },
  ],
  ['a read of a stream that never was', () => store.read('nobody'), { code: 'STREAM_NOT_FOUND' }],

  ['a negative position to read from', () => store.readStream('orders', -1), invalid('fromPosition')],
  ['a fractional position to read from', () => store.readStream('orders', 1.1), invalid('fromPosition')],
  ['an unknown direction', () => store.readStream('orders', 0, { direction: 'up' as never }), invalid('direction')],
  ['null as direction', () => store.readStream('orders', 0, { direction: null as never }), invalid('direction')],
  ['a BigInt as direction', () => store.readStream('orders', 0, { direction: 1n as never }), invalid('direction')],
  ['a fractional limit of a stream', () => store.readStream('orders', 0, { limit: 0.1 }), invalid('limit')],
  ['null as options of a stream', () => store.readStream('orders', 0, null as never), { code: 'VALIDATION_FAILED' }],
  ['a stream that never was', () => store.readStream('nobody'), { code: 'STREAM_NOT_FOUND' }],

  ['a negative global position', () => store.readAll({ from: -1 }), invalid('from')],
  ['a fractional global position', () => store.readAll({ from: 0.1 }), invalid('from')],
  ['a fractional limit of the log', () => store.readAll({ limit: 2.5 }), invalid('limit')],
  ['an unknown direction of the log', () => store.readAll({ direction: 'back' as never }), invalid('direction')],
  ['a filter that is a text', () => store.readAll({ filter: 'order-*' as never }), invalid('filter')],
  ['a filter with an unknown member', () => store.readAll({ filter: { type: 'a' } as never }), invalid('filter.type')],
  ['a filter by an empty stream', () => store.readAll({ filter: { stream: '' } }), invalid('filter.stream')],
  [
    'a filter by a pattern that is no text',
    () => store.readAll({ filter: { streams: 5 as never } }),
    invalid('filter.streams'),
  ],
  ['a filter by no types', () => store.readAll({ filter: { types: [] } }), invalid('filter.types')],
  [
    'a filter by a type that is no text',
    () => store.readAll({ filter: { types: [5 as never] } }),
    invalid('filter.types[0]'),
  ],
  ['null as options of the log', () => store.readAll(null as never), { code: 'VALIDATION_FAILED' }],

  ['"from" after "to"', () => store.readTimeRange('2024-01-02', '2024-01-01'), invalid('from')],
  ['an invalid "from"', () => store.readTimeRange('soon'), invalid('from')],
  ['an invalid "to"', () => store.readTimeRange(undefined, NaN), invalid('to')],
  ['null as "from"', () => store.readTimeRange(null as never), invalid('from')],
  ['a fractional limit of a range', () => store.readTimeRange(0, 1, { limit: 1.5 }), invalid('limit')],
  ['null as options of a range', () => store.readTimeRange(0, 1, null as never), { code: 'VALIDATION_FAILED' }],

  ['a replay "from" after "to"', () => take(store.replay(2, 1)), invalid('from')],
  ['a replay at speed 0', () => take(store.replay(0, 1, { speed: 0 })), invalid('speed')],
  ['a replay at a negative speed', () => take(store.replay(0, 1, { speed: -1 })), invalid('speed')],
  ['a replay at speed NaN', () => take(store.replay(0, 1, { speed: NaN })), invalid('speed')],
  ['a replay at a speed as text', () => take(store.replay(0, 1, { speed: '2' as never })), invalid('speed')],
  ['a replay in batches of 0', () => take(store.replay(0, 1, { batchSize: 0 })), invalid('batchSize')],
  ['a replay in batches of 10 001', () => take(store.replay(0, 1, { batchSize: 10_001 })), invalid('batchSize')],
  [
    'a replay with an unknown filter',
    () => take(store.replay(0, 1, { filter: { all: true } as never })),
    invalid('filter.all'),
  ],
  ['null as options of a replay', () => take(store.replay(0, 1, null as never)), { code: 'VALIDATION_FAILED' }],

  ['a subscription to an empty id', () => store.subscribe(''), invalid('target')],
  ['a subscription to nothing', () => store.subscribe({} as never), invalid('target')],
  ['a subscription to null', () => store.subscribe(null as never), invalid('target')],
  ['a subscription to two things', () => store.subscribe({ stream: 'a', all: true } as never), invalid('target')],
  ['a subscription to less than all', () => store.subscribe({ all: false } as never), invalid('target')],
  [
    'a subscription with a misspelt member',
    () => store.subscribe({ stream: 'a', type: 'b' } as never),
    invalid('target.type'),
  ],
  ['a subscription to no types', () => store.subscribe({ all: true, types: [] }), invalid('target.types')],
  ['a subscription from a negative position', () => store.subscribe('orders', -1), invalid('from')],
  ['a subscription from a cursor elsewhere', () => store.subscribe('orders', new Cursor('customers')), invalid('from')],
  ['a subscription to all from a cursor', () => store.subscribe({ all: true }, new Cursor('orders')), invalid('from')],
  ['a subscription in batches of 1.5', () => store.subscribe('orders', 0, { batchSize: 1.5 }), invalid('batchSize')],
  [
    'null as options of a subscription',
    () => store.subscribe('orders', 0, null as never),
    { code: 'VALIDATION_FAILED' },
  ],

  ['a prefix with a control character', () => store.getStreams({ prefix: 'a\n' }), invalid('prefix')],
  ['a prefix that is no text', () => store.getStreams({ prefix: 5 as never }), invalid('prefix')],
  ['an "after" that is no text', () => store.getStreams({ after: {} as never }), invalid('after')],
  ['a fractional number of streams', () => store.getStreams({ limit: 0.5 }), invalid('limit')],
  ['null as options of a listing', () => store.getStreams(null as never), { code: 'VALIDATION_FAILED' }],
  ['an info of an empty stream id', () => store.getStreamInfo(''), invalid('streamId')],
  ['an info of a stream that never was', () => store.getStreamInfo('nobody'), { code: 'STREAM_NOT_FOUND' }],
  ['a snapshot without a place for it', () => store.snapshot(), { code: 'UNSUPPORTED_OPERATION' }],
  ['a cursor of nothing', () => Cursor.parse(''), invalid('cursor')],
];

describe('refused with a typed error, and nothing is kept:', () => {
  it.each(LINES)('%s', async (_, call, expected) => {
    const before = await traces();

    const error = await rejectionOf((async () => call())());

    expect(error).toBeInstanceOf(EventStoreError);
    expect(error).toMatchObject(expected);
    expect(await traces()).toEqual(before);
  });

  it.each(LINES)('%s, and the message says what to do', async (_, call) => {
    const { message } = (await rejectionOf((async () => call())())) as Error;

    expect(message).toMatch(ADVICE);
    expect(message).not.toMatch(/\[object |\ba object\b/);
    expect(message).toMatch(/\.$/);
  });
});

describe('whatever a caller passes,', () => {
  const anything = fc.anything({ withBigInt: true, withNullPrototype: true, withDate: true, withMap: true });

  it.each<[string, (a: never, b: never, c: never) => unknown]>([
    ['append', (a, b, c) => store.append(a, b, c)],
    ['append to a stream', (a, b) => store.append('orders', a, { expectedRevision: b })],
    ['read', (a, b, c) => store.read('orders', a, b, c)],
    ['readStream', (a, b) => store.readStream('orders', a, { direction: b })],
    ['readAll', (a, b, c) => store.readAll({ from: a, limit: b, filter: c })],
    ['readTimeRange', (a, b, c) => store.readTimeRange(a, b, { limit: c })],
    ['replay', (a, b, c) => take(store.replay(a, b, { speed: c }))],
    [
      'replay with options',
      (a, b, c) => take(store.replay(undefined, undefined, { batchSize: a, filter: b, speed: c })),
    ],
    ['subscribe', (a, b, c) => store.subscribe(a, b, { batchSize: c }).close()],
    ['getStreams', (a, b, c) => store.getStreams({ prefix: a, after: b, limit: c })],
    ['getStreamInfo', (a) => store.getStreamInfo(a)],
    ['Cursor.parse', (a) => Cursor.parse(a)],
  ])('%s either works or fails with an EventStoreError', async (_, call) => {
    await fc.assert(
      fc.asyncProperty(anything, anything, anything, async (a, b, c) => {
        try {
          await call(a as never, b as never, c as never);
        } catch (error) {
          if (!(error instanceof EventStoreError)) throw error;
        }
      }),
      { numRuns: 300, examples: [[Object.create(null), Object.create(null), Object.create(null)]] },
    );
  });
});

describe('the name of an error', () => {
  it('is that of its class', async () => {
    const error = await rejectionOf(store.read(''));

    expect(String(error)).toMatch(/^ValidationError: Invalid streamId: /);
    expect(error).toBeInstanceOf(ValidationError);
  });
});
