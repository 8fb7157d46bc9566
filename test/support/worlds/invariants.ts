import type { EventStore } from 'nestjs-stream-store';

/**
 * What must be true of every store at any time: throws when it is not.
 *
 * Positions in a stream without gaps, global positions rising, recording times never falling, and all the counts alike.
 */
export async function checkInvariants(store: EventStore): Promise<void> {
  const { events } = await store.readAll({ limit: 0 });
  const lastOf = new Map<string, number>();
  let globalPosition = 0;
  let recordedAt = -Infinity;
  for (const event of events) {
    const expected = (lastOf.get(event.streamId) ?? event.position - 1) + 1;
    if (event.position !== expected) throw new Error(`${event.streamId}: position ${event.position}, not ${expected}`);
    if (event.globalPosition <= globalPosition)
      throw new Error(`global position ${event.globalPosition} does not rise`);
    if (event.recordedAt.getTime() < recordedAt) throw new Error(`recordedAt falls at ${event.globalPosition}`);
    lastOf.set(event.streamId, event.position);
    globalPosition = event.globalPosition;
    recordedAt = event.recordedAt.getTime();
  }
  const { totalEvents, totalStreams } = await store.stats();
  if (totalEvents !== events.length) throw new Error(`${totalEvents} events in the stats, ${events.length} in the log`);
  if (totalStreams !== lastOf.size) throw new Error(`${totalStreams} streams in the stats, ${lastOf.size} in the log`);
  const infos = await store.getStreams();
  if (infos.length !== lastOf.size)
    throw new Error(`${infos.length} streams are listed, ${lastOf.size} are in the log`);
  for (const { streamId, firstPosition, lastPosition, eventCount } of infos) {
    if (lastPosition !== lastOf.get(streamId))
      throw new Error(`${streamId} is listed with lastPosition ${lastPosition}`);
    if (lastPosition - firstPosition + 1 !== eventCount) throw new Error(`${streamId} is listed with a wrong count`);
  }
}
