import { END } from '../../store/cursor.js';
import type { HttpRequest } from '../http-exchange.js';
import { wholeNumber, type Query } from '../query.js';

/** Where a client begins. */
export interface LiveStart {
  /** The place after which its events begin. */
  readonly after: number;
  /** Where the log ends now. */
  readonly head: number;
}

/**
 * Where a client goes on: after the last event it got, which a browser says in `Last-Event-ID` when it comes again, and a
 * polyfill in `lastEventId`; else where the query says, `after=end` for what is appended from now on; else at the beginning.
 *
 * @throws {ValidationError}
 */
export async function followedFrom(
  request: HttpRequest,
  query: Query,
  headOf: () => Promise<number>,
): Promise<LiveStart> {
  // Polyfills of EventSource say it in the query. An empty id is that of who has got no event yet.
  const lastEventId = [request.headers['last-event-id'], query.text('lastEventId')].find(Boolean);
  const isFromEnd = query.text('after') === END;
  const begin = isFromEnd ? undefined : (query.number('after') ?? 0);
  const after = lastEventId === undefined ? begin : wholeNumber(String(lastEventId), 'Last-Event-ID');
  const head = await headOf();
  return { after: after ?? head, head };
}
