import fc from 'fast-check';
import {
  Cursor,
  type EventFilter,
  EventStoreError,
  type ExpectedRevision,
  type NewEvent,
  type RecordedEvent,
  type Subscription,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import {
  checkEqual,
  checkInvariants,
  checkPage,
  checkSame,
  codeOf,
  expectClosed,
  isRefused,
  type Real,
} from './checks.js';
import { rejectionOf } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import type { ModelBatch, ModelSubscription, ReferenceModel } from './reference-model.js';

/** When the clock of a run begins. */
export const BEGIN = Date.UTC(2024, 0, 1);
const STREAMS = ['a', 'b', '__proto__', '\u00e9', 'e\u0301', 'order', 'order-1', 'order-2', '\uff5e', '\u{1f600}'];
const PATTERNS = ['order-*', '*', '*-1', 'e*', '__*__', 'a', '*\u0301'];
const TYPES = ['placed', 'paid', 'order.paid'];
const TYPE_PATTERNS = ['placed', 'p*', '*paid', 'order.*', 'unknown'];

/** One step, and what must be true after it. */
class Step implements fc.AsyncCommand<ReferenceModel, Real> {
  constructor(
    private readonly text: string,
    private readonly perform: (model: ReferenceModel, real: Real) => Promise<void>,
    private readonly earliest = 0,
  ) {}

  check(): boolean {
    return true;
  }

  async run(model: ReferenceModel, real: Real): Promise<void> {
    if (real.steps++ < this.earliest) return;
    await this.perform(model, real);
    await checkInvariants(model, real);
  }

  toString(): string {
    return this.text;
  }
}

function step<Arguments>(
  name: string,
  given: fc.Arbitrary<Arguments>,
  perform: (args: Arguments, model: ReferenceModel, real: Real) => Promise<void>,
  earliest?: number,
): fc.Arbitrary<Step> {
  return given.map(
    (args) => new Step(`${name}(${fc.stringify(args)})`, (model, real) => perform(args, model, real), earliest),
  );
}

// Some come more often, so that streams grow.
const stream = fc.constantFrom(...STREAMS, 'a', 'a', 'order-1', 'order-1');
const types = fc.option(fc.uniqueArray(fc.constantFrom(...TYPE_PATTERNS), { minLength: 1, maxLength: 2 }), {
  nil: undefined,
});
const filter: fc.Arbitrary<EventFilter | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.record({ stream, types }),
  fc.record({ streams: fc.constantFrom(...PATTERNS), types }),
  types.map((some) => (some ? { types: some } : {})),
);
const limit = fc.constantFrom(0, -1, 1, 2, 3, 5, 100);
const direction = fc.constantFrom('forward' as const, 'backward' as const);
const place = fc.oneof({ weight: 4, arbitrary: fc.nat(12) }, { weight: 1, arbitrary: fc.constantFrom('start', 'end') });
/** Minutes before or after the beginning: few, so that several events share a time. */
const minute = fc.option(fc.integer({ min: -3, max: 4 }), { nil: undefined });
const newEvents = fc.array(
  fc.record({
    type: fc.constantFrom(...TYPES),
    hasId: fc.boolean(),
    minute,
    as: fc.constantFrom('number', 'date', 'text'),
  }),
  { maxLength: 5 },
);
const expectation = fc.oneof(
  fc.constantFrom('any' as const, 'no-stream' as const, 'stream-exists' as const),
  fc.integer({ min: -2, max: 1 }),
);

const appending = step(
  'append',
  fc.record({ streamId: stream, events: newEvents, expectation }),
  async ({ streamId, events, expectation }, model, real) => {
    const batch = events.map(({ type, hasId, minute }, index) => ({
      id: hasId ? `id-${real.steps}-${index}` : undefined,
      type,
      number: 10 * real.steps + index,
      ...(minute !== undefined && { timestamp: BEGIN + minute * 60_000 }),
    }));
    const input = batch.map(({ id, type, number, timestamp }, index) => ({
      type,
      data: { number, list: [number] },
      metadata: { number },
      ...(id !== undefined && { id }),
      ...(timestamp !== undefined && { timestamp: timeAs(events[index].as, timestamp) }),
    }));
    // A number says how far the caller is from the stream's revision.
    const expected =
      typeof expectation === 'number' ? Math.max(0, model.revision(streamId) + expectation) : expectation;
    real.appends.push({ streamId, batch, expected });
    await append(streamId, batch, input, expected, model, real);
  },
);

const repeating = step('repeatAppend', fc.nat(7), async (back, model, real) => {
  const earlier = real.appends.at(-1 - back);
  if (!earlier) return;
  const { streamId, batch, expected } = earlier;
  const input = batch.map(({ id, type, number, timestamp }) => ({
    type,
    data: { number, list: [number] },
    metadata: { number },
    ...(id !== undefined && { id }),
    ...(timestamp !== undefined && { timestamp }),
  }));
  await append(streamId, batch, input, expected, model, real);
});

async function append(
  streamId: string,
  batch: ModelBatch,
  input: NewEvent[],
  expected: ExpectedRevision,
  model: ReferenceModel,
  { store }: Real,
): Promise<void> {
  const appended = store.append(streamId, input.length === 1 ? input[0] : input, { expectedRevision: expected });
  // Whatever the caller does with its objects now changes nothing in the store.
  for (const event of input) Object.assign(event, { data: 'changed', type: 'changed' });
  if (model.isClosed) return expectClosed(appended);
  const outcomes = model.append(streamId, batch, expected);
  const answer = await appended.then(
    ({ firstPosition, revision, globalPosition, count, streamId: of }) => {
      checkEqual([of, count], [streamId, batch.length], 'stream and count');
      return { first: firstPosition, last: revision, globalPosition };
    },
    (error: unknown) => {
      if (!(error instanceof EventStoreError)) throw error;
      const { code, actual, limit } = error as EventStoreError & { actual?: number; limit?: string };
      return { code, ...(actual !== undefined && { actual }), ...(limit !== undefined && { limit }) };
    },
  );
  if (outcomes.some((outcome) => isSame(outcome, answer))) return;
  throw new Error(`append was answered with ${fc.stringify(answer)}; right is ${fc.stringify(outcomes)}`);
}

const reading = step(
  'read',
  fc.record({ streamId: stream, position: fc.nat(9), isCursor: fc.boolean(), limit, types }),
  async ({ streamId, position, isCursor, limit, types }, model, { store }) => {
    const from = isCursor ? new Cursor(streamId, position) : position;
    const answer = store.read(streamId, from, limit, types && { types });
    if (await isRefused(answer, streamId, model)) return;
    if (isCursor && position > model.revision(streamId)) {
      return checkEqual(codeOf(await rejectionOf(answer)), 'LOG_FORKED', 'error');
    }
    const { events, cursor, isEnd } = await answer;
    const all = model.read({ stream: streamId, types }, 'position', position, false);
    checkPage(events, all, limit, isEnd, types === undefined);
    checkEqual([cursor.streamId, cursor.position], [streamId, events.at(-1)?.position ?? position], 'cursor');
  },
);

const readingStream = step(
  'readStream',
  fc.record({ streamId: stream, from: place, limit, direction, types }),
  async ({ streamId, from, limit, direction, types }, model, { store }) => {
    const answer = store.readStream(streamId, from, { limit, direction, ...(types && { types }) });
    if (await isRefused(answer, streamId, model)) return;
    const isBackward = direction === 'backward';
    const all = model.read({ stream: streamId, types }, 'position', boundOf(from, isBackward), isBackward);
    checkSame(await answer, limit > 0 ? all.slice(0, limit) : all);
  },
);

const readingAll = step(
  'readAll',
  fc.record({ from: place, limit, direction, filter }),
  async ({ from, limit, direction, filter }, model, { store }) => {
    const answer = store.readAll({ from: from as number, limit, direction, ...(filter && { filter }) });
    if (model.isClosed) return expectClosed(answer);
    const { events, globalPosition, isEnd } = await answer;
    const isBackward = direction === 'backward';
    const all = model.read(filter ?? {}, 'globalPosition', boundOf(from, isBackward), isBackward);
    checkPage(events, all, limit, isEnd, filter === undefined);
    // Who goes on from `globalPosition` finds exactly what is missing here.
    const rest = model.read(filter ?? {}, 'globalPosition', globalPosition, isBackward);
    checkEqual(rest.length, all.length - events.length, 'rest');
  },
);

const readingTimes = step(
  'readTimeRange',
  fc.record({ one: minute, other: minute, filter, limit }),
  async ({ one, other, filter, limit }, model, { store }) => {
    const [from, to] =
      one !== undefined && other !== undefined ? [Math.min(one, other), Math.max(one, other)] : [one, other];
    const at = (minute: number | undefined): number | undefined =>
      minute === undefined ? undefined : BEGIN + minute * 60_000;
    const answer = store.readTimeRange(at(from), at(to), { limit, ...(filter && { filter }) });
    if (model.isClosed) return expectClosed(answer);
    const all = model.timeRange(at(from) ?? -Infinity, at(to) ?? Infinity, filter ?? {});
    checkSame(await answer, limit > 0 ? all.slice(0, limit) : all);
  },
);

const listing = step(
  'getStreams',
  fc.record({ prefix: fc.constantFrom('', 'order-', 'e', '_'), after: fc.constantFrom('', ...STREAMS), limit }),
  async ({ prefix, after, limit }, model, { store }) => {
    const answer = store.getStreams({ prefix, after, limit });
    if (model.isClosed) return expectClosed(answer);
    const ids = model.streamIds(prefix, after);
    checkEqual(
      (await answer).map(({ streamId }) => streamId),
      limit > 0 ? ids.slice(0, limit) : ids,
      'streams',
    );
  },
);

const describing = step('getStreamInfo', stream, async (streamId, model, { store }) => {
  const answer = store.getStreamInfo(streamId);
  if (await isRefused(answer, streamId, model)) return;
  const kept = model.kept({ stream: streamId });
  const revision = model.revision(streamId);
  const { firstEvent, lastEvent, ...info } = await answer;
  const firstPosition = kept[0]?.position ?? revision + 1;
  checkEqual(info, { streamId, eventCount: kept.length, firstPosition, lastPosition: revision }, 'info');
  checkEqual([firstEvent?.getTime(), lastEvent?.getTime()], [kept[0]?.timestamp, kept.at(-1)?.timestamp], 'times');
});

const subscribing = step(
  'subscribe',
  fc.record({
    filter: fc.oneof(
      fc.record({ stream, types }),
      fc.record({ streams: fc.constantFrom(...PATTERNS), types }),
      fc.record({ types }),
    ),
    from: fc.oneof(fc.nat(8), fc.constantFrom('start' as const, 'end' as const)),
    batchSize: fc.integer({ min: 1, max: 4 }),
  }),
  async ({ filter, from, batchSize }, model, { store, subscriptions }) => {
    const { stream, streams, types } = filter as { stream?: string; streams?: string; types?: string[] };
    const which = stream !== undefined ? { stream } : streams !== undefined ? { streams } : { all: true };
    const target = { ...which, ...(types && { types }) } as SubscriptionTarget;
    const subscribe = (): Subscription => store.subscribe(target, from, { batchSize });
    if (model.isClosed) return expectClosed((async () => subscribe())());
    const subscription = subscribe();
    subscriptions.push({ subscription, iterator: subscription[Symbol.asyncIterator]() });
    const started: ModelSubscription = {
      place: stream === undefined ? 'globalPosition' : 'position',
      filter,
      batchSize,
      readTo: 0,
      buffer: [],
      gap: undefined,
    };
    if (from === 'end') started.readTo = model.head(started);
    else if (from === 'start' || from === 0) started.readTo = model.trimmedTo(started);
    else started.readTo = from;
    model.subscriptions.push(started);
  },
);

const pumping = step(
  'pump',
  fc.record({ which: fc.nat(4), count: fc.integer({ min: 1, max: 6 }) }),
  async ({ which, count }, model, { subscriptions }) => {
    if (subscriptions.length === 0) return;
    const index = which % subscriptions.length;
    const { subscription, iterator } = subscriptions[index];
    if (model.isClosed) {
      checkEqual([subscription.state, (await iterator.next()).done], ['stopped', true], 'state and end');
      return;
    }
    const wanted = model.pump(model.subscriptions[index], count);
    const events: RecordedEvent[] = [];
    wanted.forEach(() => void iterator.next().then(({ value }) => events.push(value as RecordedEvent)));
    // An event that does not come would otherwise be waited for to the end of the test.
    for (let turn = 0; turn < 50 && events.length < wanted.length; turn++) await settled();
    checkSame(events, wanted);
    const { gap, place } = model.subscriptions[index];
    checkEqual(subscription.gap, gap, 'gap');
    if (wanted.length > 0) {
      const position = wanted.at(-1)![place];
      const lag = model.head(model.subscriptions[index]) - position;
      checkEqual([subscription.position, await subscription.lag()], [position, lag], 'position and lag');
    }
  },
);

const unsubscribing = step('unsubscribe', fc.nat(4), async (which, model, { subscriptions }) => {
  if (subscriptions.length === 0) return;
  const index = which % subscriptions.length;
  const [{ subscription, iterator }] = subscriptions.splice(index, 1);
  model.subscriptions.splice(index, 1);
  await subscription.close();
  checkEqual((await iterator.next()).done, true, 'end');
});

const advancing = step('advance', fc.integer({ min: 0, max: 90 }), async (seconds, model, { clock }) => {
  model.now += seconds * 1_000;
  await clock.advance(seconds * 1_000);
});

/** The computer's clock is set back, or sweeps are late. */
const jumping = step('jump', fc.integer({ min: -30, max: 60 }), async (seconds, model, { clock }) => {
  model.now += seconds * 1_000;
  clock.jump(seconds * 1_000);
});

const sweeping = step('sweep', fc.constant(undefined), async (_nothing, model, { store }) => {
  const swept = store.sweep();
  if (model.isClosed) return expectClosed(swept);
  await swept;
  checkEqual((await store.stats()).eventsExpired, model.events.length - model.kept().length, 'expired');
});

// Late, so that most of a run has an open store.
const closing = step(
  'close',
  fc.constant(undefined),
  async (_nothing, model, { store }) => {
    model.isClosed = true;
    await store.close();
  },
  20,
);

function boundOf(from: number | string, isBackward: boolean): number {
  if (from === 'end' || (from === 0 && isBackward)) return Infinity;
  return from === 'start' ? 0 : (from as number);
}

function timeAs(form: string, time: number): NewEvent['timestamp'] {
  if (form === 'date') return new Date(time);
  return form === 'text' ? new Date(time).toISOString() : time;
}

function isSame(one: object, other: object): boolean {
  return fc.stringify(one) === fc.stringify(other);
}

/** Steps that ask and are answered; those named more often come more often. */
export const ASKING_STEPS = [
  appending,
  appending,
  appending,
  repeating,
  reading,
  readingStream,
  readingAll,
  readingTimes,
  listing,
  describing,
  jumping,
  sweeping,
  closing,
];

/** All steps. Subscriptions and sweeps in the background are expected to be done a few turns of the event loop later. */
export const STEPS = [
  ...ASKING_STEPS,
  advancing,
  subscribing,
  subscribing,
  pumping,
  pumping,
  pumping,
  pumping,
  unsubscribing,
];
