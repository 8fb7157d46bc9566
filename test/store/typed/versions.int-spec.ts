import { afterEach, describe, expect, it } from '@jest/globals';
import {
  createEvent,
  defineEvents,
  type EventStore,
  type EventStoreOptions,
  eventType,
  memoryEngine,
  openEventStore,
  type RecordedEvent,
  START,
  type StorageEngine,
  type UpcastFailedError,
} from 'nestjs-stream-store';
import { PLACES } from '../../example/places.js';
import { rejectionOf } from '../../support/events.js';
import { openTestStore } from '../../support/open-test-store.js';
import { usePostgres } from '../../support/engines/postgres-stores.js';

const { server } = usePostgres();

const unchecked: EventStore[] = [];
afterEach(() => Promise.all(unchecked.splice(0).map((store) => store.close())));

async function openUnchecked(options: EventStoreOptions): Promise<EventStore> {
  const store = await openEventStore(options);
  unchecked.push(store);
  return store;
}

const quiet = { warn: () => undefined, error: () => undefined };
const orders = defineEvents({
  'order.shipped': eventType<{ parcels: { code: string }[] }>({
    version: 3,
    upcasts: {
      1: (code: string) => ({ code }),
      2: ({ code }: { code: string }) => ({ parcels: [{ code }] }),
    },
    aliases: ['OrderShipped', 'order.sent'],
  }),
});
const secondVersion = defineEvents({
  'order.sent': eventType<{ code: string }>({ version: 2, upcasts: { 1: (code: string) => ({ code }) } }),
});

const told = ({ type, data, schemaVersion }: RecordedEvent) => [type, data, schemaVersion];
const parcel = (code: string) => ({ parcels: [{ code }] });

describe.each(PLACES)('events of earlier versions, %s', (_name, newPlace) => {
  /** Written by three releases, one after the other. */
  async function storeOfThreeReleases(options: EventStoreOptions = {}): Promise<EventStore> {
    const engine = newPlace(server());
    const releases = [undefined, secondVersion, orders];
    for (const [index, events] of releases.entries()) {
      const store = await openTestStore({ engine: engine(), logger: quiet, ...(events && { events: [events] }) });
      const [type, data] = [
        ['OrderShipped', 'one'],
        ['order.sent', { code: 'two' }],
        ['order.shipped', parcel('three')],
      ][index] as [string, unknown];
      await store.append('order-1', [createEvent(type, data), createEvent('other', index)]);
      await store.close();
    }
    // What cannot be read cannot be checked against the invariants.
    const open = options.events ? openUnchecked : openTestStore;
    return open({ engine: engine(), logger: quiet, events: [orders], ...options });
  }

  const allShipped = [
    ['order.shipped', parcel('one'), 3],
    ['order.shipped', parcel('two'), 3],
    ['order.shipped', parcel('three'), 3],
  ];

  it('have the present name and shape, whichever way they are read', async () => {
    const store = await storeOfThreeReleases();
    const types = ['order.shipped'];

    const ways = {
      readStream: await store.readStream('order-1', START, { types }),
      read: (await store.read('order-1', 0, 100, { types })).events,
      pagesOfOne: await pagesOfOne(store, types),
      readAll: (await store.readAll({ filter: { types } })).events,
      backward: (await store.readAll({ filter: { types }, direction: 'backward' })).events.reverse(),
      readTimeRange: await store.readTimeRange(undefined, undefined, { filter: { types } }),
      replay: await arrayOf(store.replay(undefined, undefined, { filter: { types } })),
      subscribe: await arrayOf(store.subscribe({ stream: 'order-1', types }), 3),
      subscribeToAll: await arrayOf(store.subscribe({ all: true, types: ['order.*'] }), 3),
    };

    for (const events of Object.values(ways)) expect(events.map(told)).toEqual(allShipped);
  });

  it('are as they were written with raw', async () => {
    const store = await storeOfThreeReleases();

    const ways = [
      await store.readStream('order-1', START, { raw: true }),
      (await store.read('order-1', 0, 100, { raw: true })).events,
      (await store.readAll({ raw: true })).events,
      await store.readTimeRange(undefined, undefined, { raw: true }),
    ];

    for (const events of ways) {
      expect(events.filter(({ type }) => type !== 'other').map(told)).toEqual([
        ['OrderShipped', 'one', 1],
        ['order.sent', { code: 'two' }, 2],
        ['order.shipped', parcel('three'), 3],
      ]);
    }
    expect(await rejectionOf(store.readAll({ raw: 1 as never }))).toMatchObject({ field: 'raw' });
  });

  it('are found by their present names only', async () => {
    const store = await storeOfThreeReleases();
    const find = async (type: string) => (await store.readAll({ filter: { types: [type] } })).events.length;

    expect([await find('Order*'), await find('OrderShipped'), await find('order.*'), await find('other')]).toEqual([
      ...[0, 0, 3, 3],
    ]);
  });

  it('are frozen, and metadata says nothing of versions', async () => {
    const store = await storeOfThreeReleases();

    const [first] = await store.readStream('order-1');

    expect(() => ((first.data as { parcels: unknown }).parcels = [])).toThrow(TypeError);
    expect(first.metadata).toEqual({});
    expect(await rejectionOf(store.append('o', { type: 't', metadata: { $schemaVersion: 2 } }))).toMatchObject({
      field: 'metadata.$schemaVersion',
    });
  });

  it('of which one has no upcast that works reject a read that comes to it, and no other', async () => {
    const failing = defineEvents({
      'order.shipped': eventType({
        version: 3,
        upcasts: {
          1: (data: unknown) => ({ code: data }),
          2: ({ code }: { code: string }) => {
            if (code === 'two') throw new Error('no such parcel');
            return parcel(code);
          },
        },
        aliases: ['OrderShipped', 'order.sent'],
      }),
    });
    const store = await storeOfThreeReleases({ events: [failing] });

    const error = (await rejectionOf(store.readStream('order-1'))) as UpcastFailedError;
    expect(error).toMatchObject({ code: 'UPCAST_FAILED', streamId: 'order-1', position: 3, isNewer: false });
    expect(error.message).toMatch(/"order.shipped" in version 2.*no such parcel/);
    expect(await rejectionOf(store.readAll())).toMatchObject({ code: 'UPCAST_FAILED' });
    expect(await rejectionOf(arrayOf(store.replay()))).toMatchObject({ code: 'UPCAST_FAILED' });

    expect(await store.readStream('order-1', START, { limit: 2 })).toHaveLength(2);
    expect(await store.readStream('order-1', 3)).toHaveLength(3);
    expect(await store.readStream('order-1', START, { raw: true })).toHaveLength(6);

    const received: RecordedEvent[] = [];
    const subscription = store.subscribe('order-1');
    const reading = (async () => {
      for await (const event of subscription) received.push(event);
    })();
    expect(await rejectionOf(reading)).toMatchObject({ code: 'UPCAST_FAILED', position: 3 });
    expect([received.map(({ position }) => position), subscription.state]).toEqual([[1, 2], 'stopped']);
  });

  it('of which one is newer than what is known reject, and say so', async () => {
    const store = await storeOfThreeReleases({
      events: [secondVersion, defineEvents({ 'order.shipped': eventType() })],
    });

    expect(await rejectionOf(store.readStream('order-1', 4))).toMatchObject({ code: 'UPCAST_FAILED', isNewer: true });
  });

  it('are written once: a retry with the same ids is recognised, one of another version is none', async () => {
    const store = await storeOfThreeReleases();
    const event = createEvent('order.shipped', parcel('four'), { id: 'four' });
    const first = await store.append('order-2', event, { expectedRevision: 0 });

    expect(await store.append('order-2', event, { expectedRevision: 0 })).toEqual(first);
    const plain = await openTestStore({ events: [orders] });
    expect(await plain.append('order-2', event)).toMatchObject({ revision: 1 });
  });
});

it('an upcast runs once for each event that the memory engine keeps as a record', async () => {
  const engine = memoryEngine();
  let runs = 0;
  const events = defineEvents({ t: eventType({ version: 2, upcasts: { 1: (data: number) => (runs++, data + 1) } }) });
  const store = await openTestStore({ engine: aroundVersionOne(engine), events: [events] });
  await store.append('s', [createEvent('t', 1), createEvent('t', 2)]);

  const first = await store.readStream('s');
  const second = await store.readStream('s');
  await store.readAll();

  expect(first.map(({ data }) => data)).toEqual([2, 3]);
  expect([runs, second[0] === first[0]]).toEqual([2, true]);
});

it.each([
  ['a promise', async () => 1],
  ['what JSON cannot hold', () => new Map<string, string>()],
  [
    'nothing but an error',
    () => {
      throw new Error('no');
    },
  ],
])('an upcast that answers %s fails the read', async (_what, change) => {
  const events = defineEvents({ t: eventType({ version: 2, upcasts: { 1: change } }) });
  const store = await openUnchecked({ engine: aroundVersionOne(memoryEngine()), events: [events] });
  await store.append('s', createEvent('t', 1));

  expect(await rejectionOf(store.readStream('s'))).toMatchObject({ code: 'UPCAST_FAILED', schemaVersion: 1 });
});

/** Keeps every event as an earlier release would have written it. */
function aroundVersionOne(engine: StorageEngine): StorageEngine {
  return new Proxy(engine, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (name !== 'append') return typeof member === 'function' ? (member as () => unknown).bind(target) : member;
      return (request: Parameters<StorageEngine['append']>[0]) =>
        target.append({ ...request, events: request.events.map((event) => ({ ...event, metadata: '' })) });
    },
  });
}

async function pagesOfOne(store: EventStore, types: readonly string[]): Promise<RecordedEvent[]> {
  const all: RecordedEvent[] = [];
  let page = await store.read('order-1', 0, 1, { types });
  for (;;) {
    all.push(...page.events);
    if (page.isEnd) return all;
    page = await store.read('order-1', page.cursor, 1, { types });
  }
}

async function arrayOf(events: AsyncIterable<RecordedEvent>, most = Infinity): Promise<RecordedEvent[]> {
  const all: RecordedEvent[] = [];
  for await (const event of events) {
    all.push(event);
    if (all.length === most) break;
  }
  return all;
}
