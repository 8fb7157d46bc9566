// The stores that are compared, each behind the same few calls. A peer gets what its documentation shows, and nothing that
// could be prepared beforehand is made inside a call. Each is loaded only where it is measured.

const TYPE = 'happened';
const PAYLOAD = 'a short payload';

/** The store under test, with a metrics collector that counts, as in an application that watches its store. */
export async function openOurs(options = {}) {
  const { openEventStore } = await import('../dist/esm/index.js');
  const counted = { appended: 0, read: 0 };
  const metricsCollector = {
    onAppend: ({ events }) => void (counted.appended += events),
    onRead: ({ events }) => void (counted.read += events),
  };
  const store = await openEventStore({ ...options, metricsCollector });
  return {
    store,
    counted,
    append: (streamId, revision) =>
      store.append(streamId, { type: TYPE, data: PAYLOAD }, { expectedRevision: revision }),
    appendToAny: (streamId) => store.append(streamId, { type: TYPE, data: PAYLOAD }),
    appendAt: (streamId, timestamp) => store.append(streamId, { type: TYPE, data: PAYLOAD, timestamp }),
    readFirst: (streamId, count) => store.read(streamId, 0, count),
    readWhole: (streamId) => store.readStream(streamId),
  };
}

export async function openEmmett() {
  const { getInMemoryEventStore } = await import('@event-driven-io/emmett');
  const store = getInMemoryEventStore();
  const events = [{ type: TYPE, data: PAYLOAD }];
  return {
    append: (streamId, revision) => store.appendToStream(streamId, events, { expectedStreamVersion: BigInt(revision) }),
    appendToAny: (streamId) => store.appendToStream(streamId, events),
    readFirst: (streamId, count) => store.readStream(streamId, { from: 0n, maxCount: BigInt(count) }),
    readWhole: (streamId) => store.readStream(streamId),
  };
}

/** It always checks that an event's version is still free. */
export async function openCastore() {
  const { EventStore, EventType } = await import('@castore/core');
  const { InMemoryEventStorageAdapter } = await import('@castore/event-storage-adapter-in-memory');
  const store = new EventStore({
    eventStoreId: 'bench',
    eventTypes: [new EventType({ type: TYPE })],
    reducer: (aggregate) => aggregate,
    eventStorageAdapter: new InMemoryEventStorageAdapter(),
  });
  return {
    append: (streamId, revision) =>
      store.pushEvent({ aggregateId: streamId, version: revision + 1, type: TYPE, payload: PAYLOAD }),
    readWhole: (streamId) => store.getEvents(streamId),
  };
}

/** It takes a version, but does not check it. */
export async function openOcoda() {
  const { Event, EventMap, DefaultEventSerializer } = await import('@ocoda/event-sourcing');
  // The package does not export its stores by name; inside Nest, its module makes them from a configuration.
  const { InMemoryEventStore } =
    await import('@ocoda/event-sourcing/dist/integration/event-store/in-memory.event-store.js');
  class Happened {
    payload = PAYLOAD;
  }
  Event(TYPE)(Happened);
  const eventMap = new EventMap();
  eventMap.register(Happened, DefaultEventSerializer.for(Happened));
  const store = new InMemoryEventStore(eventMap);
  store.setup();
  // Where its module would plug in the event bus.
  store.publish = () => {};
  const events = [new Happened()];
  return {
    append: (streamId, revision) => store.appendEvents({ streamId, aggregateId: streamId }, revision + 1, events),
  };
}

/** The store under test on PostgreSQL, as an application with several instances has it. */
export async function openOursOnPostgres(connectionString, options = {}) {
  const { postgresEngine } = await import('../dist/esm/postgres/index.js');
  const { store } = await openOurs({ engine: postgresEngine({ connectionString, ...options }) });
  return {
    append: (streamId, events, revision) => store.append(streamId, events, { expectedRevision: revision }),
    read: (streamId) => store.readStream(streamId),
    close: () => store.close(),
  };
}

export async function openEmmettOnPostgres(connectionString) {
  const { getPostgreSQLEventStore } = await import('@event-driven-io/emmett-postgresql');
  const store = getPostgreSQLEventStore(connectionString);
  await store.schema.migrate();
  return {
    append: (streamId, events, revision) =>
      store.appendToStream(streamId, events, { expectedStreamVersion: BigInt(revision) }),
    read: async (streamId) => (await store.readStream(streamId)).events,
    close: () => store.close(),
  };
}
