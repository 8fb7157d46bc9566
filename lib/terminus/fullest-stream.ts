import type { EventStore } from '../store/event-store.js';

const PAGE_SIZE = 1_000;

/** How many events the stream has that has most of them. */
export async function eventsOfFullestStream(store: EventStore): Promise<number> {
  let most = 0;
  let after: string | undefined;
  for (;;) {
    const page = await store.getStreams({ after, limit: PAGE_SIZE });
    for (const { eventCount } of page) most = Math.max(most, eventCount);
    if (page.length < PAGE_SIZE) return most;
    after = page.at(-1)!.streamId;
  }
}
