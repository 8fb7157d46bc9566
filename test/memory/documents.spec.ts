import { expect, it } from '@jest/globals';
import { memoryEngine, type EventStore, type StoredDocument } from 'nestjs-stream-store';
import { internalsOf } from '../../lib/store/store-internals.js';
import { rejectionOf } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';

const put = (store: EventStore, put: StoredDocument[], remove: string[] = []) =>
  internalsOf(store).writeDocuments({ collection: 'c', put, remove });
const keysOf = async (store: EventStore) =>
  (await internalsOf(store).listDocuments({ collection: 'c', prefix: '', after: '', limit: 10 })).map(({ key }) => key);
const text = (length: number) => JSON.stringify('x'.repeat(length - 2));

it('documents count as memory in use, until they go', async () => {
  const store = await openTestStore();
  const before = (await store.stats()).memoryUsageBytes;

  await put(store, [{ key: 'a', document: text(10_000) }]);
  expect((await store.stats()).memoryUsageBytes - before).toBeGreaterThanOrEqual(10_000);

  await put(store, [], ['a']);
  expect((await store.stats()).memoryUsageBytes).toBe(before);
});

it('documents over the bound are refused, with nothing of them kept, and smaller ones go on', async () => {
  const store = await openTestStore({ engine: memoryEngine({ maxDocumentBytes: 10_000 }) });
  await put(store, [{ key: 'a', document: text(5_000) }]);

  const error = await rejectionOf(
    put(store, [
      { key: 'b', document: text(100) },
      { key: 'c', document: text(5_000) },
    ]),
  );

  expect(error).toMatchObject({ code: 'STORAGE_FAILED' });
  expect(await keysOf(store)).toEqual(['a']);
  await put(store, [{ key: 'd', document: text(5_000) }], ['a']);
  expect(await keysOf(store)).toEqual(['d']);
});

it('a document of more than 1 MiB is refused, whatever the engine', async () => {
  const store = await openTestStore();

  expect(await rejectionOf(put(store, [{ key: 'a', document: text(2 ** 20 + 1) }]))).toMatchObject({
    code: 'VALIDATION_FAILED',
    field: 'document "a"',
  });
  await put(store, [{ key: 'a', document: text(2 ** 20) }]);
});
