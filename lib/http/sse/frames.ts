import type { RecordedEvent } from '../../store/values/event.js';
import { jsonOf } from '../reading/json-of.js';
import { markOf } from '../../store/values/place.js';
import { liveIdOf } from './live-id.js';
import type { LiveTarget } from './live-target.js';

/** About how many characters are sent at a time; a single event may have more. */
export const PIECE_LENGTH = 64 * 1024;

/** How many characters are kept of texts that were written of late, so that clients of several targets share them. */
const KEPT_LENGTH = 4 * 2 ** 20;

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
  /** The mark of the event. */
  readonly mark: string;
  readonly streamId: string;
  readonly end: number;
}

interface KeptText {
  /** Of the event. */
  readonly id: string;
  readonly text: string;
}

/** Writes events as server-sent events (HTML Standard, 9.2.5), each text once. */
export class FrameWriter {
  /** Texts by global position. When the newer half is full, it becomes the older one, and the older one goes. */
  #texts = new Map<number, KeptText>();
  #olderTexts = new Map<number, KeptText>();
  #length = 0;

  /**
   * In pieces, so that a client has its say after each.
   *
   * @param after the place before the events, exclusive
   * @param upTo how far was read
   */
  *write(target: LiveTarget, events: readonly RecordedEvent[], after: number, upTo: number): Generator<Frames> {
    let piece = new Piece(after);
    for (const event of events) {
      if (!target.wants(event)) continue;
      const place = target.placeOf(event);
      if (piece.length >= PIECE_LENGTH) {
        yield piece.upTo(place - 1);
        piece = new Piece(place - 1);
      }
      piece.add(this.#partOf(target, event));
    }
    yield piece.upTo(upTo);
  }

  /** In one piece. */
  writeAll(target: LiveTarget, events: readonly RecordedEvent[], after: number, upTo: number): Frames {
    const piece = new Piece(after);
    for (const event of events) if (target.wants(event)) piece.add(this.#partOf(target, event));
    return piece.upTo(upTo);
  }

  /** Its JSON. */
  textOf(event: RecordedEvent): string {
    const { globalPosition } = event;
    const known = this.#texts.get(globalPosition) ?? this.#olderTexts.get(globalPosition);
    // A log that went back has another event there.
    if (known?.id === event.id) return known.text;
    const text = jsonOf(event);
    this.#texts.set(globalPosition, { id: event.id, text });
    this.#length += text.length;
    if (this.#length > KEPT_LENGTH / 2) {
      this.#olderTexts = this.#texts;
      this.#texts = new Map();
      this.#length = 0;
    }
    return text;
  }

  #partOf(target: LiveTarget, event: RecordedEvent): PiecePart {
    const place = target.placeOf(event);
    const mark = markOf(event.id);
    const id = liveIdOf({ position: place, mark });
    return { place, mark, streamId: event.streamId, text: `id: ${id}\ndata: ${this.textOf(event)}\n\n` };
  }
}

interface PiecePart {
  readonly place: number;
  readonly mark: string;
  readonly streamId: string;
  readonly text: string;
}

/** Frames in the making. */
class Piece {
  length = 0;
  readonly #parts: PiecePart[] = [];

  constructor(private readonly after: number) {}

  add(part: PiecePart): void {
    this.#parts.push(part);
    this.length += part.text.length;
  }

  upTo(upTo: number): Frames {
    const bytes = Buffer.from(this.#parts.map(({ text }) => text).join(''));
    // Most texts are plain ASCII, a byte a character.
    const isAscii = bytes.length === this.length;
    const lengthOf = (text: string): number => (isAscii ? text.length : Buffer.byteLength(text));
    let end = 0;
    const marks = this.#parts.map(({ text, ...part }) => ({ ...part, end: (end += lengthOf(text)) }));
    return { after: this.after, upTo, bytes, marks };
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
