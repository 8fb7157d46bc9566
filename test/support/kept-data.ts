import type { EventStore, JsonValue } from 'nestjs-stream-store';
import { openTestStore } from './open-test-store.js';

/** Appends `data`, whatever it is, and gives what a reader gets. */
export async function keep(data: unknown, store?: EventStore): Promise<JsonValue> {
  store ??= await openTestStore();
  const { revision } = await store.append('s', { type: 't', data: data as JsonValue });
  const [event] = await store.readStream('s', revision - 1);
  return event.data;
}

/** Objects and arrays, one in the other. */
export function nested(levels: number): unknown {
  let value: unknown = 'deep';
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { value };
  return value;
}
