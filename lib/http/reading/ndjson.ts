import type { ServerResponse } from 'node:http';
import type { Clock } from '../../store/values/clock.js';
import { EventLoopTurn } from '../../store/ports/event-loop-turn.js';
import type { RecordedEvent } from '../../store/values/event.js';
import type { Visibility } from './event-page.js';
import { beginAnswer, type HttpResponse } from '../request/http-exchange.js';
import { jsonOf } from './json-of.js';
import { NDJSON_MEDIA } from '../request/media-types.js';

/** How much is written at a time. */
const CHUNK_BYTES = 64 * 1024;

/** How lines are sent. */
export interface LinesManner {
  /** At most so many of the events that are visible. */
  readonly limit: number;
  readonly isVisible: Visibility;
  readonly clock: Clock;
  /** How long the client may take nothing before it is cut off. */
  readonly stallTimeoutMs: number;
  /** Cuts the connection. */
  readonly signal: AbortSignal;
}

/**
 * Answers with one JSON text a line, as fast as the client takes them: the next batch is read when the last one was taken.
 *
 * The first batch is read before the answer begins, so what fails at once gets an answer of its own. What fails later
 * cuts the connection, so that no client takes a part for the whole.
 */
export async function answerWithLines(
  response: HttpResponse,
  batches: AsyncIterable<readonly RecordedEvent[]>,
  manner: LinesManner,
): Promise<void> {
  const iterator = batches[Symbol.asyncIterator]();
  try {
    const writer = new LineWriter(manner);
    let lines = await writer.linesOf(await iterator.next());
    const raw = beginAnswer(response, { 'content-type': NDJSON_MEDIA, 'x-accel-buffering': 'no' });
    if (raw.req.method === 'HEAD') return void raw.end();
    const client = new LineClient(raw, manner);
    try {
      while (lines !== undefined && (await client.take(lines))) lines = await writer.linesOf(await iterator.next());
      await client.end();
    } catch (error) {
      raw.destroy();
      if (!manner.signal.aborted) throw error;
    }
  } finally {
    await iterator.return?.();
  }
}

/** Makes lines of events. */
class LineWriter {
  readonly #turn = new EventLoopTurn();
  #left: number;

  constructor(private readonly manner: LinesManner) {
    this.#left = manner.limit;
  }

  /** Outside of the heap, where the events need not be any more. Undefined when none follow. */
  async linesOf(batch: IteratorResult<readonly RecordedEvent[], unknown>): Promise<Buffer[] | undefined> {
    if (batch.done || this.#left === 0) return undefined;
    const { isVisible } = this.manner;
    const lines: Buffer[] = [];
    let text = '';
    for (const event of batch.value) {
      if (isVisible && !isVisible(event.streamId)) continue;
      text += jsonOf(event) + '\n';
      this.#left--;
      if (text.length >= CHUNK_BYTES) {
        lines.push(Buffer.from(text));
        text = '';
        await this.#turn.giveBack();
      }
      if (this.#left === 0) break;
    }
    if (text !== '') lines.push(Buffer.from(text));
    return lines;
  }
}

/** Somebody who takes lines, or does not. */
class LineClient {
  constructor(
    private readonly raw: ServerResponse,
    private readonly manner: LinesManner,
  ) {
    // Who has gone cannot be told.
    raw.on('error', () => undefined);
  }

  /** @returns whether it is still there */
  async take(lines: readonly Buffer[]): Promise<boolean> {
    for (const bytes of lines) {
      // In pieces, so that it shows when some of it is taken.
      for (let begin = 0; begin < bytes.length; begin += CHUNK_BYTES) {
        if (this.raw.destroyed) return false;
        const hasRoom = this.raw.write(bytes.subarray(begin, begin + CHUNK_BYTES));
        if (!hasRoom) await this.#happens('drain');
      }
    }
    return !this.raw.destroyed;
  }

  async end(): Promise<void> {
    if (this.raw.destroyed) return;
    const ended = this.#happens('finish');
    this.raw.end();
    await ended;
  }

  /** Waits until the client has taken something, or has gone; cuts it off when neither happens in time. */
  #happens(event: 'drain' | 'finish'): Promise<void> {
    const { raw } = this;
    const { clock, stallTimeoutMs, signal } = this.manner;
    return new Promise((resolve) => {
      const cutOff = (): void => void raw.destroy();
      const cancel = clock.setTimer(cutOff, stallTimeoutMs, { background: true });
      const settle = (): void => {
        cancel();
        raw.off(event, settle).off('close', settle);
        signal.removeEventListener('abort', cutOff);
        resolve();
      };
      raw.on(event, settle).on('close', settle);
      signal.addEventListener('abort', cutOff);
      if (signal.aborted) cutOff();
    });
  }
}
