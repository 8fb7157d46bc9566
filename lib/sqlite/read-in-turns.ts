import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RecordedEvent } from '../store/values/event.js';
import { isPromise, type MaybePromise } from '../store/values/maybe-promise.js';
import type { PageRoom } from './page-room.js';

/** What is read in one turn of the event loop: reading and parsing it takes some ten milliseconds. */
const MOST_BYTES_A_TURN = 1_024 * 1_024;
/** After a turn that a few events have filled, the next one does not look at the sizes of many. */
const LOOK_AHEAD = 4;

/** What was read of a page. */
export interface PagePart<Page> {
  readonly page: Page;
  /** What its events take. */
  readonly bytes: number;
  /** Whether it ends where it does for want of room. */
  readonly isFull: boolean;
}

interface ReadRequest {
  readonly limit: number;
  readonly maxBytes: number;
}

/** How a page is read, part by part. */
export interface PageReading<Request extends ReadRequest, Page extends { readonly events: RecordedEvent[] }> {
  /** Reads as many events as the request's limit says and there is room for. */
  read(request: Request, room: PageRoom): MaybePromise<PagePart<Page>>;
  /** The request for what follows; undefined when nothing does. */
  after(request: Request, page: Page): Request | undefined;
  /** One page of both; undefined when they do not fit to each other any more. */
  join(page: Page, next: Page): Page | undefined;
}

/** Reads a page of large events in several turns of the event loop, and others at once. */
export function readInTurns<Request extends ReadRequest, Page extends { readonly events: RecordedEvent[] }>(
  request: Request,
  reading: PageReading<Request, Page>,
): MaybePromise<PagePart<Page>> {
  const { maxBytes } = request;
  const part = reading.read(request, { first: Infinity, most: Math.min(maxBytes, MOST_BYTES_A_TURN) });
  if (isPromise(part))
    return part.then((first) => (isToGoOn(first, maxBytes) ? readOn(request, first, reading) : first));
  return isToGoOn(part, maxBytes) ? readOn(request, part, reading) : part;
}

function isToGoOn({ isFull, bytes }: PagePart<unknown>, maxBytes: number): boolean {
  return isFull && bytes < maxBytes && maxBytes > MOST_BYTES_A_TURN;
}

async function readOn<Request extends ReadRequest, Page extends { readonly events: RecordedEvent[] }>(
  request: Request,
  first: PagePart<Page>,
  reading: PageReading<Request, Page>,
): Promise<PagePart<Page>> {
  const { limit, maxBytes } = request;
  let part = first;
  let found = part.page.events.length;
  for (;;) {
    const count = Math.min(limit - part.page.events.length, LOOK_AHEAD * found);
    const rest = count > 0 ? reading.after({ ...request, limit: count }, part.page) : undefined;
    if (!rest) return part;
    await nextTurn();
    const left = maxBytes - part.bytes;
    const next = await reading.read(rest, { first: left, most: Math.min(left, MOST_BYTES_A_TURN) });
    const page = reading.join(part.page, next.page);
    if (!page) return { ...part, isFull: false };
    found = next.page.events.length;
    const bytes = part.bytes + next.bytes;
    part = { page, bytes, isFull: next.isFull || bytes >= maxBytes };
    const mayFindMore = next.isFull ? found > 0 && left > MOST_BYTES_A_TURN : found === count;
    if (!mayFindMore || bytes >= maxBytes) return part;
  }
}
