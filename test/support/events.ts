import type { EventStore, NewEvent, RecordedEvent } from 'nestjs-stream-store';

/** Events whose data are the numbers from `first` to `last`. */
export function numbered(first: number, last: number, type = 'counted'): NewEvent[] {
  return Array.from({ length: last - first + 1 }, (_, index) => ({ type, data: first + index }));
}

/** What the events say, for a short expectation. */
export function dataOf(events: Iterable<RecordedEvent>): unknown[] {
  return Array.from(events, ({ data }) => data);
}

/** All that an async sequence gives, or its first `count`. */
export async function take<T>(sequence: AsyncIterable<T>, count = Infinity): Promise<T[]> {
  const taken: T[] = [];
  if (count === 0) return taken;
  for await (const item of sequence) {
    taken.push(item);
    if (taken.length >= count) break;
  }
  return taken;
}

/** How many events the store holds, for tests of calls that must not keep anything. */
export async function eventCount(store: EventStore): Promise<number> {
  return (await store.stats()).totalEvents;
}

/** The error that a promise rejects with; fails when it resolves. */
export async function rejectionOf(call: Promise<unknown>): Promise<unknown> {
  const answer = await call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in answer) return answer.error;
  throw new Error(`it resolved with ${JSON.stringify(answer.value)}`);
}
