import { describe, expect, it } from '@jest/globals';
import { StorageFailedError, WrongExpectedRevisionError } from 'nestjs-stream-store';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { driverAround, sqliteError } from './driver-around.js';
import { engineOn, newFile } from './sqlite-files.js';

async function openCounting(failure?: (sql: string) => Error | undefined) {
  let commits = 0;
  let isWriting = false;
  const driver = driverAround((sql, run) => {
    const error = failure?.(sql);
    if (error) throw error;
    if (sql.startsWith('INSERT INTO events')) isWriting = true;
    if (sql === 'COMMIT' && isWriting) commits++;
    if (sql === 'COMMIT' || sql === 'ROLLBACK') isWriting = false;
    return run();
  });
  const store = await openTestStore({ engine: engineOn(newFile(), { driver }) });
  return { store, commits: () => commits };
}

describe('appends that come together', () => {
  it('share a commit', async () => {
    const { store, commits } = await openCounting();

    await Promise.all(numbered(1, 16).map((event) => store.append('s', event)));

    expect(commits()).toBe(1);
    expect(dataOf(await store.readStream('s'))).toEqual(numbered(1, 16).map(({ data }) => data));
  });

  it('share a commit when they come in different callbacks of one turn', async () => {
    const { store, commits } = await openCounting();

    const appends = [1, 2, 3].map(
      (data) =>
        new Promise((resolve, reject) => {
          process.nextTick(() => void store.append('s', { type: 't', data }).then(resolve, reject));
        }),
    );
    await Promise.all(appends);

    expect(commits()).toBe(1);
  });

  it('have commits of their own when each waits for the one before', async () => {
    const { store, commits } = await openCounting();

    for (const event of numbered(1, 5)) await store.append('s', event);

    expect(commits()).toBe(5);
  });

  it('get an answer of their own each', async () => {
    const { store, commits } = await openCounting();
    const [first, wrong, second, refused] = await Promise.allSettled([
      store.append('s', numbered(1, 2)),
      store.append('s', numbered(3, 4), { expectedRevision: 7 }),
      store.append('s', numbered(5, 6), { expectedRevision: 2 }),
      store.append('s', numbered(7, 8), { expectedRevision: 2 }),
    ]);

    expect(first).toMatchObject({ value: { firstPosition: 1, revision: 2 } });
    expect(wrong).toMatchObject({ reason: { expected: 7, actual: 2 } });
    expect(second).toMatchObject({ value: { firstPosition: 3, revision: 4 } });
    expect((refused as PromiseRejectedResult).reason).toBeInstanceOf(WrongExpectedRevisionError);
    expect(commits()).toBe(1);
    expect(dataOf(await store.readStream('s'))).toEqual([1, 2, 5, 6]);
  });

  it('do not suffer for one of them that the database refuses', async () => {
    let count = 0;
    const { store } = await openCounting((sql) => {
      const isPoison = sql.startsWith('INSERT INTO events') && [3, 6].includes(++count);
      return isPoison ? sqliteError(18, 'string or blob too big') : undefined;
    });
    // The third event is refused with the others and, the sixth that is tried, once more alone.
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((data) => store.append('s', { type: 't', data })),
    );

    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect((outcomes[2] as PromiseRejectedResult).reason).toBeInstanceOf(StorageFailedError);
    expect(dataOf(await store.readStream('s'))).toEqual(['a', 'b', 'd']);
  });

  it('are spread over several commits when they are many', async () => {
    const { store, commits } = await openCounting();

    await Promise.all(Array.from({ length: 25 }, (_, index) => store.append(`s-${index}`, numbered(1, 100))));

    expect(commits()).toBe(3);
  });

  it('are committed whole when one alone is larger than that', async () => {
    const { store, commits } = await openCounting();

    await Promise.all([store.append('a', numbered(1, 3_000)), store.append('b', numbered(1, 2))]);

    expect(commits()).toBe(2);
    expect((await store.readStream('a')).length).toBe(3_000);
  });
});

describe('a commit that fails', () => {
  it('keeps nothing, and the next one goes on', async () => {
    let isBroken = false;
    const { store } = await openCounting((sql) =>
      sql === 'COMMIT' && isBroken ? sqliteError(10, 'disk I/O error') : undefined,
    );
    await store.append('s', { type: 't', data: 1 });

    isBroken = true;
    const error = await rejectionOf(store.append('s', { type: 't', data: 2 }));
    isBroken = false;
    await store.append('s', { type: 't', data: 3 });

    expect(error).toBeInstanceOf(StorageFailedError);
    expect(String(error)).toContain('disk I/O error');
    expect(dataOf(await store.readStream('s'))).toEqual([1, 3]);
  });
});
