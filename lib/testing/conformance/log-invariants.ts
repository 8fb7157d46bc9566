import assert from 'node:assert/strict';
import type { RecordedEvent } from '../../store/values/event.js';
import { compareStreamIds } from '../../store/values/stream-info.js';
import { idsOf } from './event-drafts.js';
import type { TestedLog } from './tested-log.js';

/**
 * What must be true of every log at any time: what was acknowledged and nothing else, positions without gaps, global
 * positions rising, recording times never falling, every event frozen, and all ways of looking at it alike.
 */
export async function checkLog(log: TestedLog): Promise<void> {
  const events = await log.log();
  log.acknowledged.check(events);
  const streams = checkOrder(events);
  const { head } = await log.logPage({ limit: 0 });
  const last = events.at(-1);
  if (last) assert.equal(head, last.globalPosition, 'head is not the global position of the last event');
  await checkStreams(log, streams);

  const byTime = [...events].sort(
    (a, b) => a.timestamp.getTime() - b.timestamp.getTime() || a.globalPosition - b.globalPosition,
  );
  assert.deepEqual(idsOf(await log.timeRange()), idsOf(byTime), 'the time range does not hold the events of the log');
  assert.deepEqual(idsOf(await log.log({ direction: 'backward' })), idsOf(events).reverse(), 'the log read backward');
  const usage = await log.usage();
  assert.equal(usage.events, events.length, 'usage.events');
  assert.equal(usage.streams, [...streams.keys()].filter((id) => !id.startsWith('$')).length, 'usage.streams');
  assert.ok(usage.bytes >= 0, 'usage.bytes');
}

/** @returns the events by stream */
function checkOrder(events: readonly RecordedEvent[]): Map<string, RecordedEvent[]> {
  const streams = new Map<string, RecordedEvent[]>();
  let globalPosition = 0;
  let recordedAt = -Infinity;
  for (const event of events) {
    const at = `the event at global position ${event.globalPosition}`;
    assert.ok(
      Number.isSafeInteger(event.globalPosition) && event.globalPosition > globalPosition,
      `${at} does not rise`,
    );
    assert.ok(event.recordedAt.getTime() >= recordedAt, `${at} was recorded before the one before`);
    assert.ok(Object.isFrozen(event) && isFrozen(event.data) && isFrozen(event.metadata), `${at} can be changed`);
    assert.throws(() => event.timestamp.setTime(0), `the timestamp of ${at} can be changed`);
    const before = streams.get(event.streamId);
    if (before) assert.equal(event.position, before.at(-1)!.position + 1, `${at} leaves a gap in its stream`);
    else assert.ok(Number.isSafeInteger(event.position) && event.position >= 1, `${at} has no position`);
    if (before) before.push(event);
    else streams.set(event.streamId, [event]);
    globalPosition = event.globalPosition;
    recordedAt = event.recordedAt.getTime();
  }
  return streams;
}

async function checkStreams(log: TestedLog, streams: ReadonlyMap<string, readonly RecordedEvent[]>): Promise<void> {
  const visible = [...streams.keys()].filter((id) => !id.startsWith('$')).sort(compareStreamIds);
  const infos = await log.streams();
  assert.deepEqual(
    infos.map(({ streamId }) => streamId),
    visible,
    'the streams that are listed',
  );
  for (const { streamId, eventCount, firstPosition, lastPosition, firstEvent, lastEvent } of infos) {
    const events = streams.get(streamId)!;
    assert.deepEqual(
      [eventCount, firstPosition, lastPosition, firstEvent?.getTime(), lastEvent?.getTime()],
      [
        events.length,
        events[0].position,
        events.at(-1)!.position,
        events[0].timestamp.getTime(),
        events.at(-1)!.timestamp.getTime(),
      ],
      `what is listed of "${streamId}"`,
    );
  }
  for (const [streamId, events] of streams) {
    assert.deepEqual(idsOf(await log.stream(streamId)), idsOf(events), `stream "${streamId}" and the log differ`);
  }
}

function isFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Object.isFrozen(value) && Object.values(value).every(isFrozen);
}
