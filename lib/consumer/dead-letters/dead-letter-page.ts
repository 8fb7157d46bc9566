import { MOST_BYTES_A_PAGE } from '../../store/values/page-bytes.js';
import type { DeadLetterEntry } from './dead-letter-index.js';
import { compareOrder, compareText, DeadLetterCursor, type CheckedDeadLetterQuery } from './dead-letter-query.js';
import type { DeadLetter, DeadLetterStore } from './dead-letter-store.js';

/** Some dead letters, and where to go on. */
export interface DeadLetterPage {
  /** The oldest first. */
  readonly deadLetters: readonly DeadLetter[];
  /** What to give as `after` to get the next page; undefined when this is the last. */
  readonly next?: string;
}

/** A page of the dead letters of some stores: as many as the limit says, or as fit into 8 MiB. */
export async function readDeadLetterPage(
  stores: readonly DeadLetterStore[],
  { after, limit, ...filter }: CheckedDeadLetterQuery,
): Promise<DeadLetterPage> {
  const following: { readonly store: DeadLetterStore; readonly entry: DeadLetterEntry }[] = [];
  for (const store of stores) {
    for (const entry of await store.entries(filter)) {
      if (!after || after.isBefore(entry, store.storeName)) following.push({ store, entry });
    }
  }
  if (stores.length > 1) {
    following.sort((a, b) => compareOrder(a.entry, b.entry) || compareText(a.store.storeName, b.store.storeName));
  }
  let count = 0;
  for (let bytes = 0; count < Math.min(limit, following.length); count++) {
    bytes += following[count].entry.bytes;
    if (count > 0 && bytes > MOST_BYTES_A_PAGE) break;
  }
  const shown = following.slice(0, count);
  const letters = new Map<DeadLetterEntry, DeadLetter>();
  for (const store of stores) {
    const entries = shown.filter((each) => each.store === store).map(({ entry }) => entry);
    for (const [entry, letter] of await store.load(entries)) letters.set(entry, letter);
  }
  const deadLetters = shown.flatMap(({ entry }) => letters.get(entry) ?? []);
  if (count === following.length) return { deadLetters };
  const last = shown[count - 1];
  return { deadLetters, next: new DeadLetterCursor(last.entry, last.store.storeName).toString() };
}
