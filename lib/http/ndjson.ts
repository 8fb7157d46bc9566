import { pipeline } from 'node:stream/promises';
import type { RecordedEvent } from '../store/event.js';
import type { Visibility } from './event-page.js';
import { beginAnswer, type HttpResponse } from './http-exchange.js';
import { jsonOf } from './json-of.js';
import { NDJSON_MEDIA } from './media-types.js';

/** About how many characters are written at a time. */
const CHUNK_LENGTH = 64 * 1024;

/**
 * Answers with one JSON text a line, as fast as the client takes them: the next batch is read when the last one was taken.
 *
 * The first batch is read before the answer begins, so what fails at once gets an answer of its own. What fails later
 * cuts the connection, so that no client takes a part for the whole.
 *
 * @param limit at most so many of those that are visible
 * @param signal cuts the connection too
 */
export async function answerWithLines(
  response: HttpResponse,
  batches: AsyncIterable<readonly RecordedEvent[]>,
  limit: number,
  isVisible: Visibility,
  signal: AbortSignal,
): Promise<void> {
  const iterator = batches[Symbol.asyncIterator]();
  const first = await iterator.next();
  const raw = beginAnswer(response, { 'content-type': NDJSON_MEDIA, 'x-accel-buffering': 'no' });
  const lines = async function* (): AsyncIterable<string> {
    let text = '';
    let left = limit;
    for (let batch = first; !batch.done; batch = await iterator.next()) {
      for (const event of batch.value) {
        if (isVisible && !isVisible(event.streamId)) continue;
        text += jsonOf(event) + '\n';
        const isLast = --left === 0;
        if (text.length < CHUNK_LENGTH && !isLast) continue;
        yield text;
        if (isLast) return;
        text = '';
      }
    }
    if (text !== '') yield text;
  };
  try {
    if (raw.req.method === 'HEAD') raw.end();
    else await pipeline(lines, raw, { signal });
  } catch (error) {
    if (!hasClientLeft(error) && !signal.aborted) throw error;
  } finally {
    await iterator.return?.();
  }
}

function hasClientLeft(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}
