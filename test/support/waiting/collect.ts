import type { RecordedEvent } from 'nestjs-stream-store';
import type { Observable } from 'rxjs';
import { settled } from './manual-clock.js';

/** What a reader in the background has got so far. */
export interface Collected<Item> {
  readonly items: Item[];
  /** Settles with the reader: when the sequence ends, or fails. */
  readonly ended: Promise<void>;
  /** Waits until there are `count` of them. */
  readonly reached: (count: number) => Promise<void>;
}

/**
 * Reads a sequence to its end, in the background.
 *
 * @param pause what the reader does after each item before it asks for the next
 */
export function collect<Item = RecordedEvent>(
  sequence: AsyncIterable<Item>,
  pause?: (item: Item) => Promise<unknown> | void,
): Collected<Item> {
  const items: Item[] = [];
  const read = async (): Promise<void> => {
    for await (const item of sequence) {
      items.push(item);
      const pausing = pause?.(item);
      if (pausing) await pausing;
    }
  };
  const ended = read();
  // Whoever awaits it gets the failure.
  ended.catch(() => undefined);
  return { items, ended, reached: (count) => until(() => items.length >= count, `item ${count}`) };
}

/** Observes an Observable to its end. */
export function observe<Item = RecordedEvent>(observable: Observable<Item>): Collected<Item> {
  const items: Item[] = [];
  const ended = new Promise<void>((complete, error) => {
    observable.subscribe({ next: (item) => void items.push(item), complete, error });
  });
  ended.catch(() => undefined);
  return { items, ended, reached: (count) => until(() => items.length >= count, `item ${count}`) };
}

/** Waits for a condition, turn by turn of the event loop; fails when it does not come about. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 20_000; turn++) {
    if (condition()) return;
    await settled();
  }
  throw new Error(`${what} never came`);
}

/** Goes through the microtask queue so many times. */
export async function microtasks(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await Promise.resolve();
}

/** Lets what waits for the end of this turn of the event loop go on. */
export function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
