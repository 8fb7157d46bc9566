import { readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  DeadLetters,
  EventStore,
  EventStoreModule,
  type EventStoreOptions,
  memoryEngine,
  NO_STREAM,
  OnStreamEvent,
  openEventStore,
  type RecordedEvent,
  type StorageEngine,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { faultyEngine, resetStore, whenSettled } from 'nestjs-stream-store/testing';
import { PLACES } from '../example/places.js';
import { driver, newFile, newFolder } from '../sqlite/sqlite-files.js';
import { sqliteEngine } from 'nestjs-stream-store/sqlite';
import { aroundEngine } from '../support/engines/around-engine.js';
import { rejectionOf } from '../support/events.js';
import { startApp } from '../support/servers/nest-app.js';
import { openTestStore as openStore } from '../support/open-test-store.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { internalsOf } from '../../lib/store/store-internals.js';

const { server } = usePostgres();

// That fsync is off is said in a warning.
const logger = { warn: () => undefined, error: (text: string) => console.error(text) };
const openTestStore = (options: EventStoreOptions) => openStore({ logger, ...options });

@Injectable()
class Shop {
  readonly seen: string[] = [];

  @OnStreamEvent({ streams: 'order-*' }, { durable: 'billing', retry: { attempts: 1 } })
  bill({ streamId, globalPosition, data }: RecordedEvent): void {
    this.seen.push(`billing ${streamId} at ${globalPosition}`);
    if (data === 'bad') throw new Error('no money');
  }

  @OnStreamEvent({ all: true }, { durable: 'counting', partitions: 2 })
  count({ streamId }: RecordedEvent): void {
    this.seen.push(`counting ${streamId}`);
  }

  @OnStreamEvent('order-1')
  watch({ position }: RecordedEvent): void {
    this.seen.push(`watching ${position}`);
  }
}

describe.each(PLACES)('a store %s, when it is reset', (_place, newPlace) => {
  const open = (options = {}) => openTestStore({ ...options, engine: newPlace(server())() });

  it('is as if nothing had ever been appended', async () => {
    const store = await open();
    await store.append('order-1', [{ type: 'placed' }, { type: 'paid' }]);
    await store.append('order-2', { type: 'placed' });

    await resetStore(store);

    expect(await store.getStreams()).toEqual([]);
    expect(await store.readAll()).toMatchObject({ events: [], globalPosition: 0 });
    expect(await store.stats()).toMatchObject({ totalEvents: 0, totalStreams: 0 });
    expect(await rejectionOf(store.read('order-1'))).toMatchObject({ code: 'STREAM_NOT_FOUND' });
    const answer = await store.append('order-1', { type: 'placed' }, { expectedRevision: NO_STREAM });
    expect(answer).toMatchObject({ firstPosition: 1, globalPosition: 1 });
    expect((await store.checkLog()).problems).toEqual([]);
  });

  it('keeps nothing for the next opening, and keeps what comes afterwards', async () => {
    const place = newPlace(server());
    const store = await openTestStore({ engine: place() });
    await store.append('order-1', { type: 'placed' });
    await store.close();
    const again = await openTestStore({ engine: place() });
    await resetStore(again);
    await again.append('order-2', { type: 'placed' });
    await again.close();

    const last = await openTestStore({ engine: place() });

    expect((await last.readAll()).events.map(({ streamId }) => streamId)).toEqual(['order-2']);
  });

  it('lets handlers begin anew, with no checkpoint, dead letter or lease of before', async () => {
    const engine = newPlace(server())();
    const app = await startApp({ imports: [EventStoreModule.forRoot({ engine })], providers: [Shop] });
    const store = app.get(EventStore);
    await store.append('order-1', [{ type: 'placed' }, { type: 'paid', data: 'bad' }]);
    await whenSettled(app);
    expect(await app.get(DeadLetters).count()).toBe(1);
    app.get(Shop).seen.length = 0;

    await resetStore(app);

    const checkpoints = await internalsOf(store).listCheckpoints();
    expect(new Set(checkpoints.map(({ checkpoint }) => checkpoint.position))).toEqual(new Set([0]));
    expect(await app.get(DeadLetters).count()).toBe(0);
    await store.append('order-1', { type: 'placed' });
    await whenSettled(app);
    expect(app.get(Shop).seen.sort()).toEqual(['billing order-1 at 1', 'counting order-1', 'watching 1']);
    expect(await app.get(StreamSubscriptions).list()).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: 'billing', position: 1, state: 'live' })]),
    );
  });

  it('lets a handler begin anew that was paused or had stopped', async () => {
    @Injectable()
    class Stopping {
      readonly seen: number[] = [];

      @OnStreamEvent('orders', { durable: 'stopping', onFailure: 'stop', retry: { attempts: 1 } })
      handle({ data, position }: RecordedEvent): void {
        if (data === 'bad') throw new Error('no money');
        this.seen.push(position);
      }
    }
    const engine = newPlace(server())();
    const app = await startApp({ imports: [EventStoreModule.forRoot({ engine })], providers: [Stopping] });
    await app.get(EventStore).append('orders', { type: 'placed', data: 'bad' });
    await rejectionOf(whenSettled(app));

    await resetStore(app.get(EventStore));
    await app.get(EventStore).append('orders', { type: 'placed' });
    await whenSettled(app);

    expect(app.get(Stopping).seen).toEqual([1]);
  });

  it('is left alone while a subscription to it is open, and the handlers go on', async () => {
    const engine = newPlace(server())();
    const app = await startApp({ imports: [EventStoreModule.forRoot({ engine })], providers: [Shop] });
    const store = app.get(EventStore);
    const subscription = store.subscribe('order-1');
    await store.append('order-1', { type: 'placed' });
    await whenSettled(app);

    const refusal = await rejectionOf(resetStore(app));

    expect(refusal).toMatchObject({ code: 'VALIDATION_FAILED', field: 'store' });
    expect((refusal as Error).message).toContain('a subscription to it is open');
    await store.append('order-1', { type: 'paid' });
    await whenSettled(app);
    expect(app.get(Shop).seen.filter((seen) => seen.startsWith('billing'))).toHaveLength(2);
    await subscription.close();
    await resetStore(app);
    expect(await store.getStreams()).toEqual([]);
  });
});

it.each<[string, (snapshotDirectory: string) => StorageEngine]>([
  ['memory', (snapshotDirectory) => memoryEngine({ snapshotDirectory })],
  ['SQLite', (snapshotDirectory) => sqliteEngine({ file: newFile(), driver, snapshotDirectory })],
])('the snapshots of a store on %s go with its events', async (_engine, engineWith) => {
  const directory = newFolder();
  const store = await openTestStore({ engine: engineWith(directory) });
  await store.append('order-1', { type: 'placed' });
  await store.snapshot();

  await resetStore(store);

  expect(readdirSync(directory).filter((name) => name.startsWith('snapshot-'))).toEqual([]);
});

it('an engine that is wrapped by faultyEngine can be reset, and one that nobody knows is refused', async () => {
  const wrapped = await openTestStore({ engine: faultyEngine(memoryEngine()) });
  await wrapped.append('order-1', { type: 'placed' });
  await resetStore(wrapped);
  expect(await wrapped.getStreams()).toEqual([]);

  const strange = await openTestStore({ engine: aroundEngine((_verb, ask) => ask()) });
  expect(await rejectionOf(resetStore(strange))).toMatchObject({ code: 'UNSUPPORTED_OPERATION' });
});

it('a reset waits for its turn, and a closed store refuses it', async () => {
  const store = await openEventStore();
  await store.append('order-1', { type: 'placed' });
  await Promise.all([resetStore(store), resetStore(store)]);
  expect(await store.getStreams()).toEqual([]);
  await store.close();

  expect(await rejectionOf(resetStore(store))).toMatchObject({ code: 'STORE_CLOSED' });
});
