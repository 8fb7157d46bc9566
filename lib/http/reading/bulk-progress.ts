import type { ServerResponse } from 'node:http';
import type { BulkProgress } from '../../nest/dead-letters.js';
import { beginAnswer, type HttpResponse } from '../request/http-exchange.js';
import { NDJSON_MEDIA } from '../request/media-types.js';

/** How often a client is told how far it is, in milliseconds. */
const PERIOD_MS = 1_000;

/**
 * Answers with how far something is, as lines of JSON: one a second at most, and the last one when it is done, which says so
 * with `isDone`.
 *
 * What fails before anything was done gets an answer of its own. What fails later cuts the connection, so that no client
 * takes a part for the whole.
 *
 * @param work is given what to call with each progress
 * @param now in milliseconds, by a clock that nobody sets
 */
export async function answerWithProgress(
  response: HttpResponse,
  now: () => number,
  work: (report: (progress: BulkProgress) => void) => Promise<BulkProgress>,
): Promise<void> {
  const begin = (): ServerResponse =>
    beginAnswer(response, { 'content-type': NDJSON_MEDIA, 'x-accel-buffering': 'no' });
  let raw: ServerResponse | undefined;
  let saidAt = now();
  try {
    const end = await work((progress) => {
      if (now() - saidAt < PERIOD_MS) return;
      saidAt = now();
      raw ??= begin();
      // Who takes nothing is told the less; the work does not wait.
      if (!raw.writableNeedDrain) raw.write(lineOf(progress, false));
    });
    raw ??= begin();
    raw.end(lineOf(end, true));
  } catch (error) {
    raw?.destroy();
    throw error;
  }
}

function lineOf(progress: BulkProgress, isDone: boolean): string {
  return `${JSON.stringify({ ...progress, isDone })}\n`;
}
