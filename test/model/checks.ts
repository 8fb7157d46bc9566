import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { EventStore, ExpectedRevision, RecordedEvent, Subscription } from 'nestjs-stream-store';
import { rejectionOf } from '../support/events.js';
import type { ManualClock } from '../support/waiting/manual-clock.js';
import type { ModelBatch, ModelEvent, ReferenceModel } from './reference-model.js';

/** The store under test, and what the commands need to go on with it. */
export interface Real {
  readonly store: EventStore;
  readonly clock: ManualClock;
  readonly subscriptions: { readonly subscription: Subscription; readonly iterator: AsyncIterator<RecordedEvent> }[];
  readonly appends: { readonly streamId: string; readonly batch: ModelBatch; readonly expected: ExpectedRevision }[];
  /** Global positions of events that were seen to be frozen. */
  readonly seenFrozen: Set<number>;
  steps: number;
}

/** What must be true after every step. */
export async function checkInvariants(
  model: ReferenceModel,
  { store, seenFrozen, subscriptions }: Real,
): Promise<void> {
  if (model.isClosed) return expectClosed(store.stats());
  const { events, isEnd } = await store.readAll({ limit: 0 });
  checkSame(events, model.kept());
  checkEqual(isEnd, true, 'isEnd of the whole log');
  const lastOf = new Map<string, number>();
  let last = 0;
  for (const event of events) {
    const before = lastOf.get(event.streamId);
    if (before !== undefined && event.position !== before + 1) throw new Error(`a gap in ${event.streamId}`);
    if (event.globalPosition <= last) throw new Error(`global position ${event.globalPosition} after ${last}`);
    lastOf.set(event.streamId, event.position);
    last = event.globalPosition;
    if (seenFrozen.has(last)) continue;
    seenFrozen.add(last);
    checkFrozen(event, `event ${last}`);
  }
  const { totalEvents, totalStreams, eventsAppended, subscriptionsActive } = await store.stats();
  checkEqual(
    [totalEvents, totalStreams, eventsAppended, subscriptionsActive],
    [events.length, lastOf.size, model.events.length, subscriptions.length],
    'events, streams, appended, subscriptions',
  );
}

function checkFrozen(value: unknown, path: string): void {
  if (typeof value !== 'object' || value === null) return;
  if (value instanceof Date ? canBeSet(value) : !Object.isFrozen(value)) throw new Error(`${path} can be changed`);
  for (const [name, member] of Object.entries(value)) checkFrozen(member, `${path}.${name}`);
}

function canBeSet(date: Date): boolean {
  try {
    date.setTime(0);
    return true;
  } catch {
    return false;
  }
}

/** The events are those of the model, which learns the ids that the store gave. */
export function checkSame(events: readonly RecordedEvent[], wanted: readonly ModelEvent[]): void {
  const isAlike = events.length === wanted.length && events.every((event, index) => isEvent(event, wanted[index]));
  if (!isAlike) throw new Error(`read ${fc.stringify(events.map(flat))}; right is ${fc.stringify(wanted)}`);
}

function isEvent(event: RecordedEvent, wanted: ModelEvent): boolean {
  const { data, metadata } = event as RecordedEvent<{ number: number; list: number[] }>;
  wanted.id ??= event.id;
  return (
    event.globalPosition === wanted.globalPosition &&
    event.position === wanted.position &&
    event.streamId === wanted.streamId &&
    event.id === wanted.id &&
    event.type === wanted.type &&
    event.timestamp.getTime() === wanted.timestamp &&
    event.recordedAt.getTime() === wanted.recordedAt &&
    data.number === wanted.number &&
    data.list[0] === wanted.number &&
    metadata.number === wanted.number
  );
}

function flat({ timestamp, recordedAt, ...event }: RecordedEvent): unknown {
  return { ...event, timestamp: timestamp.getTime(), recordedAt: recordedAt.getTime() };
}

/** @param isExact whether `isEnd` must say precisely when nothing follows; with a filter, one more look is allowed */
export function checkPage(
  events: readonly RecordedEvent[],
  all: readonly ModelEvent[],
  limit: number,
  isEnd: boolean,
  isExact: boolean,
): void {
  checkSame(events, limit > 0 ? all.slice(0, limit) : all);
  const mayBeEnd = events.length === all.length;
  const mayBeGoingOn = isExact ? !mayBeEnd : events.length === limit;
  if (isEnd ? !mayBeEnd : !mayBeGoingOn) throw new Error(`isEnd is ${isEnd} after ${events.length} of ${all.length}`);
}

export async function expectClosed(call: Promise<unknown>): Promise<void> {
  checkEqual(codeOf(await rejectionOf(call)), 'STORE_CLOSED', 'error');
}

/** Whether the call had to be refused, and was: the store is closed, or the stream never was. */
export async function isRefused(call: Promise<unknown>, streamId: string, model: ReferenceModel): Promise<boolean> {
  const code = model.isClosed ? 'STORE_CLOSED' : model.revision(streamId) === 0 ? 'STREAM_NOT_FOUND' : undefined;
  if (code) checkEqual(codeOf(await rejectionOf(call)), code, 'error');
  return code !== undefined;
}

/** @param what names what is compared, for the message */
export function checkEqual(actual: unknown, right: unknown, what: string): void {
  if (isDeepStrictEqual(actual, right)) return;
  throw new Error(`${what}: got ${fc.stringify(actual)}; right is ${fc.stringify(right)}`);
}

export function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}
