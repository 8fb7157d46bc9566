import type { RecordedEvent } from '../../store/event.js';
import type { LiveTarget } from './live-target.js';

/** About how many bytes are written at a time; a single event may have more. */
const PIECE_BYTES = 64 * 1024;

/** Texts of events that were written of late, so that clients of several targets share them too. */
const KEPT_BYTES = 4 * 2 ** 20;

/** Events that follow each other, as they are sent: made once, and shared by all clients that follow the target. */
export interface Frames {
  /** The place before the first event, exclusive. */
  readonly after: number;
  /** How far they reach: the place of the last event, or behind it when what follows is not for the target. */
  readonly upTo: number;
  readonly bytes: Buffer;
  /** Where each event ends in the bytes. */
  readonly marks: readonly FrameMark[];
}

interface FrameMark {
  readonly place: number;
  readonly streamId: string;
  readonly end: number;
}

/** Writes events as server-sent events (HTML Standard, 9.2.5), each text once. */
export class FrameWriter {
  readonly #texts = new Map<number, string>();
  #textBytes = 0;

  /**
   * In pieces, so that a client has its say after each.
   *
   * @param after the place before the events, exclusive
   * @param upTo how far was read
   */
  *write(target: LiveTarget, events: readonly RecordedEvent[], after: number, upTo: number): Generator<Frames> {
    let begin = after;
    let parts: Buffer[] = [];
    let marks: FrameMark[] = [];
    let bytes = 0;
    const piece = (end: number): Frames => ({ after: begin, upTo: end, bytes: Buffer.concat(parts, bytes), marks });
    for (const event of events) {
      if (target.isWanted && !target.isWanted(event)) continue;
      const place = target.placeOf(event);
      if (bytes >= PIECE_BYTES) {
        const end = place - 1;
        yield piece(end);
        begin = end;
        [parts, marks, bytes] = [[], [], 0];
      }
      const part = Buffer.from(`id: ${place}\ndata: ${this.#textOf(event)}\n\n`);
      parts.push(part);
      bytes += part.length;
      marks.push({ place, streamId: event.streamId, end: bytes });
    }
    yield piece(upTo);
  }

  #textOf(event: RecordedEvent): string {
    const known = this.#texts.get(event.globalPosition);
    if (known !== undefined) return known;
    const text = JSON.stringify(event);
    this.#texts.set(event.globalPosition, text);
    this.#textBytes += text.length;
    for (const [oldest, { length }] of this.#texts) {
      if (this.#textBytes <= KEPT_BYTES) break;
      this.#texts.delete(oldest);
      this.#textBytes -= length;
    }
    return text;
  }
}

/**
 * The part of the frames after a place, without the streams that are hidden; empty when that leaves none.
 *
 * @param isVisible undefined when all streams are
 */
export function partOf(
  { after, bytes, marks }: Frames,
  place: number,
  isVisible: ((streamId: string) => boolean) | undefined,
): Buffer {
  if (place <= after && !isVisible) return bytes;
  const parts: Buffer[] = [];
  let begin = 0;
  for (const { place: here, streamId, end } of marks) {
    if (here > place && (isVisible?.(streamId) ?? true)) parts.push(bytes.subarray(begin, end));
    begin = end;
  }
  return Buffer.concat(parts);
}
