import { END } from '../../store/values/cursor.js';
import type { EventStore } from '../../store/event-store.js';
import { internalsOf } from '../../store/store-internals.js';
import { goesOnFrom, markOf, type Place, type SeenAtPlace } from '../../store/values/place.js';
import type { Visibility } from '../reading/event-page.js';
import type { HttpRequest } from '../request/http-exchange.js';
import type { Query } from '../request/query.js';
import { placeOfLiveId } from './live-id.js';
import type { LiveTarget } from './live-target.js';

/** How many events are looked through for the last one that a client may see. */
const LOOKED_THROUGH = 1_000;

const BEGINNING = { after: 0, known: { position: 0 } };

/** Where a client begins. */
export interface LiveStart {
  /** The position after which its events begin. */
  readonly after: number;
  /** That place, or the last one before it of which the client may know; undefined when none was found. */
  readonly known: Place | undefined;
  /** Of a client whose last event is of another log: where it was, and where this one ends. */
  readonly reset: { readonly after: number; readonly head: number } | undefined;
}

/**
 * Where a client goes on: after the last event it got, which a browser says in `Last-Event-ID` when it reconnects, and a
 * polyfill in `lastEventId`; else where the query says, `after=end` for what is appended from now on; else at the beginning.
 *
 * A log that ends before the client's last event, or has another event there, is another one: it was lost, made anew, or put
 * back to an earlier state. The client begins again.
 *
 * @param isVisible which streams it may see; undefined for all
 * @throws {ValidationError}
 */
export async function followedFrom(
  request: HttpRequest,
  query: Query,
  store: EventStore,
  target: LiveTarget,
  isVisible: Visibility,
): Promise<LiveStart> {
  // Polyfills of EventSource say it in the query. An empty id is that of who has got no event yet.
  const lastEventId = [request.headers['last-event-id'], query.text('lastEventId')].find(Boolean);
  const isFromEnd = query.text('after') === END;
  const { streamId } = target;
  if (lastEventId === undefined && isFromEnd) {
    const { head } = await internalsOf(store).look(streamId, 0);
    return { after: head, known: await knownBefore(head, store, target, isVisible), reset: undefined };
  }
  if (lastEventId === undefined) return startAfter(query.number('after') ?? 0, store, target, isVisible);
  const said = placeOfLiveId(String(lastEventId), 'Last-Event-ID');
  const seen = await internalsOf(store).look(streamId, said.position);
  if (goesOnFrom(said, seen) && (await mayHaveSeen(said, seen, store, target, isVisible))) {
    return { after: said.position, known: isVisible ? said : placeAt(said.position, seen.id), reset: undefined };
  }
  return { ...BEGINNING, reset: { after: said.position, head: seen.head } };
}

/** A number is no event that the client has got: it is told of another log only when it may know where that ends. */
async function startAfter(
  after: number,
  store: EventStore,
  { streamId }: LiveTarget,
  isVisible: Visibility,
): Promise<LiveStart> {
  const { head, id } = await internalsOf(store).look(streamId, after);
  if (after <= head) return { after, known: placeAt(after, isVisible ? undefined : id), reset: undefined };
  if (isVisible) return { after: head, known: { position: after }, reset: undefined };
  return { ...BEGINNING, reset: { after, head } };
}

/** Whether a client can have got the event there: what it may not see is to it as if it were not. */
async function mayHaveSeen(
  { position }: Place,
  { trimmedTo }: SeenAtPlace,
  store: EventStore,
  { filter }: LiveTarget,
  isVisible: Visibility,
): Promise<boolean> {
  if (!isVisible || position <= trimmedTo) return true;
  const { events } = await store.readAll({ from: position - 1, limit: 1, filter });
  return events.length > 0 && events[0].globalPosition === position && isVisible(events[0].streamId);
}

/** Tells who may not see everything nothing of what is hidden, not even that it is there. */
async function knownBefore(
  head: number,
  store: EventStore,
  { streamId, filter }: LiveTarget,
  isVisible: Visibility,
): Promise<Place | undefined> {
  if (!isVisible) return placeAt(head, (await internalsOf(store).look(streamId, head)).id);
  const { events } = await store.readAll({ direction: 'backward', limit: LOOKED_THROUGH, filter });
  const last = events.find(({ globalPosition, streamId: id }) => globalPosition <= head && isVisible(id));
  return last && placeAt(last.globalPosition, last.id);
}

function placeAt(position: number, id: string | undefined): Place {
  return { position, mark: id === undefined ? undefined : markOf(id) };
}
