import assert from 'node:assert/strict';
import type { RecordedEvent } from '../../store/values/event.js';
import type { AppendAnswer, EventToAppend } from '../../store/ports/storage-engine.js';

const A_DAY_MS = 86_400_000;

interface Acknowledged {
  readonly event: EventToAppend;
  /** The global position of the last event of its batch. */
  readonly endOfBatch: number;
  readonly isLastOfBatch: boolean;
}

/** What the engine said it has kept: the log must hold exactly this, without what was trimmed. */
export class AcknowledgedEvents {
  /** How many events the engine said it has trimmed. */
  removed = 0;
  readonly #byPlace = new Map<string, Acknowledged>();

  add(streamId: string, events: readonly EventToAppend[], { firstPosition, globalPosition }: AppendAnswer): void {
    events.forEach((event, index) => {
      const place = placeOf(streamId, firstPosition + index);
      assert.ok(!this.#byPlace.has(place), `two appends were answered with position ${place}`);
      this.#byPlace.set(place, { event, endOfBatch: globalPosition, isLastOfBatch: index === events.length - 1 });
    });
  }

  /** @param events all that the log holds */
  check(events: readonly RecordedEvent[]): void {
    const expected = this.#byPlace.size - this.removed;
    assert.equal(events.length, expected, `the log holds ${events.length} events, not the ${expected} it acknowledged`);
    for (const event of events) this.#checkOne(event);
  }

  #checkOne(event: RecordedEvent): void {
    const place = placeOf(event.streamId, event.position);
    const kept = this.#byPlace.get(place);
    assert.ok(kept, `nobody was told of the event at ${place}`);
    const { id, type, data, metadata, timestamp } = kept.event;
    assert.equal(event.type, type, `the type of ${place}`);
    // As texts too: the order of members, and members named __proto__, are part of what was appended.
    assert.deepEqual(event.data, JSON.parse(data), `the data of ${place}`);
    assert.equal(JSON.stringify(event.data), JSON.stringify(JSON.parse(data)), `the data of ${place}`);
    const expectedMetadata = metadata === '' ? '{}' : JSON.stringify(JSON.parse(metadata));
    assert.equal(JSON.stringify(event.metadata), expectedMetadata, `the metadata of ${place}`);
    if (id !== undefined) assert.equal(event.id, id, `the id of ${place}`);
    if (timestamp !== undefined) assert.equal(event.timestamp.getTime(), timestamp, `the timestamp of ${place}`);
    // Clocks are set by an hour, and pushed.
    const apartMs = Math.abs(event.timestamp.getTime() - event.recordedAt.getTime());
    if (timestamp === undefined) assert.ok(apartMs < A_DAY_MS, `the timestamp of ${place} is not that of its append`);
    if (kept.isLastOfBatch) assert.equal(event.globalPosition, kept.endOfBatch, `the global position of ${place}`);
    else assert.ok(event.globalPosition < kept.endOfBatch, `${place} does not come before the end of its batch`);
  }
}

function placeOf(streamId: string, position: number): string {
  return `${position} of "${streamId}"`;
}
