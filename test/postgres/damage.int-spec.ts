import { describe, expect, it } from '@jest/globals';
import { type EventStore, START, StorageCorruptedError } from 'nestjs-stream-store';
import { numbered, rejectionOf, take } from '../support/events.js';
import { usePostgres } from '../support/engines/postgres-stores.js';

const { server, openStore } = usePostgres();

/** Two streams of ten events in turn, of which the fifth of the first one was deleted by hand. */
async function openDamaged(): Promise<{ readonly store: EventStore; readonly schema: string }> {
  const schema = server().newSchema();
  const store = await openStore({ schema });
  for (let round = 1; round <= 10; round++) {
    await store.append('orders', numbered(round, round, 'placed'));
    await store.append('other', numbered(round, round, 'paid'));
  }
  await server().run(`DELETE FROM "${schema}".events WHERE stream_id = 'orders' AND position = 5`);
  return { store, schema };
}

/** The invariants do not hold of a damaged log, so it is closed before they are looked at. */
async function isDamaged(store: EventStore, reading: Promise<unknown>): Promise<void> {
  expect(await rejectionOf(reading)).toBeInstanceOf(StorageCorruptedError);
  await store.close();
}

describe('an event that was deleted by hand is damage', () => {
  it('to who reads its stream', async () => {
    const { store } = await openDamaged();
    await isDamaged(store, store.readStream('orders'));
  });

  it('to who reads its stream backward, some at a time', async () => {
    const { store } = await openDamaged();
    await isDamaged(store, store.readStream('orders', 0, { direction: 'backward', limit: 7 }));
  });

  it('to who reads one type of its stream', async () => {
    const { store } = await openDamaged();
    await isDamaged(store, store.readStream('orders', 0, { types: ['paid'] }));
  });

  it('to who reads the whole log', async () => {
    const { store } = await openDamaged();
    await isDamaged(store, store.readAll({ limit: 0 }));
  });

  it('to who reads a part of the log', async () => {
    const { store } = await openDamaged();
    await isDamaged(store, store.readAll({ filter: { streams: 'oth*' }, limit: 0 }));
  });

  it('to who subscribes to its stream, after those before it', async () => {
    const { store } = await openDamaged();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { position } of store.subscribe('orders', START)) seen.push(position);
    })();
    await isDamaged(store, reading);
  });

  it('to nobody who reads what lies elsewhere', async () => {
    const { store } = await openDamaged();

    expect(await store.readStream('other')).toHaveLength(10);
    expect(await store.readStream('orders', 5)).toHaveLength(5);
    expect(await take(store.subscribe('other', START), 10)).toHaveLength(10);
    await store.close();
  });
});
