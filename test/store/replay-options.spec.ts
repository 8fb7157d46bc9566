import { describe, expect, it } from '@jest/globals';
import { firstValueFrom, lastValueFrom, take as takeFirst, toArray } from 'rxjs';
import { OperationAbortedError, type ReplayProgress } from 'nestjs-stream-store';
import { dataOf, numbered, take } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { storeWith } from '../support/store-with.js';

const day = (n: number): string => `2024-01-${String(n).padStart(2, '0')}T00:00:00Z`;

describe('replay with a signal', () => {
  it('fails when the signal was aborted before', async () => {
    const store = await storeWith(3);

    const reading = take(store.replay(undefined, undefined, { signal: AbortSignal.abort('too late') }));

    await expect(reading).rejects.toBeInstanceOf(OperationAbortedError);
    await expect(reading).rejects.toMatchObject({ operation: 'replay', cause: 'too late' });
  });

  it('gives no further event once the signal aborts', async () => {
    const store = await storeWith(10);
    const leaving = new AbortController();
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { data } of store.replay(undefined, undefined, { signal: leaving.signal })) {
        seen.push(data);
        if (data === 3) leaving.abort('enough');
      }
    })();

    await expect(reading).rejects.toMatchObject({ code: 'OPERATION_ABORTED', cause: 'enough' });
    expect(seen).toEqual([1, 2, 3]);
  });

  it('fails between two batches when the signal aborts', async () => {
    const store = await storeWith(10);
    const leaving = new AbortController();
    const batches: number[] = [];
    const reading = (async () => {
      for await (const { length } of store
        .replay(undefined, undefined, { signal: leaving.signal, batchSize: 5 })
        .batches()) {
        batches.push(length);
        leaving.abort('enough');
      }
    })();

    await expect(reading).rejects.toMatchObject({ code: 'OPERATION_ABORTED', cause: 'enough' });
    expect(batches).toEqual([5]);
  });

  it('leaves no listener at the signal', async () => {
    const store = await storeWith(10);
    const leaving = new AbortController();
    const listeners = new Set<unknown>();
    const { signal } = leaving;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => (listeners.add(args[1]), add(...args));
    signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners.delete(args[1]), remove(...args));

    await take(store.replay(undefined, undefined, { signal, batchSize: 2 }));

    expect(listeners.size).toBe(0);
  });
});

describe('replay as an Observable', () => {
  it('gives every event and completes', async () => {
    const store = await storeWith(5);

    const events = await lastValueFrom(store.replay().asObservable().pipe(toArray()));

    expect(dataOf(events)).toEqual([1, 2, 3, 4, 5]);
  });

  it('ends when it is unsubscribed', async () => {
    const engine = lateEngine();
    const store = await openTestStore({ engine });
    await store.append('s', numbered(1, 100));

    const events = await lastValueFrom(
      store.replay(undefined, undefined, { batchSize: 5 }).asObservable().pipe(takeFirst(7), toArray()),
    );
    for (let turn = 0; turn < 5; turn++) await settled();

    expect(dataOf(events)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(engine.asked.filter((verb) => verb === 'readTimeRange').length).toBeLessThanOrEqual(3);
  });

  it('replays for each subscriber', async () => {
    const store = await storeWith(3);
    const observable = store.replay().asObservable();

    const [first, all] = await Promise.all([firstValueFrom(observable), lastValueFrom(observable.pipe(toArray()))]);

    expect(first.data).toBe(1);
    expect(dataOf(all)).toEqual([1, 2, 3]);
  });

  it('passes the failure on', async () => {
    const store = await storeWith(3);
    const aborted = store.replay(undefined, undefined, { signal: AbortSignal.abort() }).asObservable();

    await expect(lastValueFrom(aborted)).rejects.toBeInstanceOf(OperationAbortedError);
  });
});

describe('the progress of a replay', () => {
  it('is told after each batch that the reader has taken', async () => {
    const store = await openTestStore();
    for (let n = 1; n <= 5; n++) await store.append('s', { type: 't', timestamp: day(n) });
    const progress: ReplayProgress[] = [];
    const onProgress = (step: ReplayProgress) => void progress.push(step);

    await take(store.replay(undefined, undefined, { batchSize: 2, onProgress }));

    expect(progress).toEqual([
      { events: 2, timestamp: new Date(day(2)) },
      { events: 4, timestamp: new Date(day(4)) },
      { events: 5, timestamp: new Date(day(5)) },
    ]);
  });

  it('is not ahead of a reader who has not come back for more', async () => {
    const store = await storeWith(10);
    const progress: number[] = [];
    const onProgress = ({ events }: ReplayProgress) => void progress.push(events);
    const reader = store.replay(undefined, undefined, { batchSize: 5, onProgress })[Symbol.asyncIterator]();
    for (let n = 1; n <= 5; n++) await reader.next();
    const before = [...progress];
    await reader.next();

    expect(before).toEqual([]);
    expect(progress).toEqual([5]);
    await reader.return!();
  });
});
