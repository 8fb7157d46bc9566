import { END } from '../store/values/cursor.js';
import type { EventStore } from '../store/event-store.js';
import { internalsOf } from '../store/store-internals.js';
import { checkTarget } from '../store/ports/subscription-target.js';
import type { SubscriptionTarget } from '../store/values/target.js';
import { StreamNotFoundError } from '../store/values/errors.js';

/**
 * Where a live handler begins: after the last event there was when its store was opened. So it also gets what the
 * application appended while it started, before its handlers were found.
 */
export async function liveStart(store: EventStore, target: SubscriptionTarget): Promise<number> {
  await store.open();
  const { streamId } = checkTarget(target);
  if (streamId === undefined) return internalsOf(store).headAtOpening;
  // Few events have come since, so the end of the stream is near.
  let before: number | typeof END = END;
  for (;;) {
    const events = await readBackward(store, streamId, before);
    const known = events.find(({ globalPosition }) => globalPosition <= internalsOf(store).headAtOpening);
    if (known) return known.position;
    const first = events.at(-1);
    if (!first) return 0;
    before = first.position;
    if (before === 1) return 0;
  }
}

async function readBackward(store: EventStore, streamId: string, before: number | typeof END) {
  try {
    return (await internalsOf(store).readStreamPage(streamId, before, { direction: 'backward', limit: 100 })).events;
  } catch (error) {
    if (error instanceof StreamNotFoundError) return [];
    throw error;
  }
}
