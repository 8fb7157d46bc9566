import {
  memoryEngine,
  type MaybePromise,
  type NewEvent,
  openEventStore,
  type RecordedEvent,
  type StorageEngine,
} from 'nestjs-stream-store';
import { settled } from '../waiting/manual-clock.js';
import { lateEngine } from './late-engine.js';

/** What every engine can be asked. */
export type EngineVerb = Exclude<
  keyof StorageEngine,
  'name' | 'place' | 'supports' | 'onAppended' | 'snapshot' | 'flush' | 'transact' | 'time'
>;

// Some engines have no leases.
type LeaseVerb = 'acquireLease' | 'releaseLease' | 'listLeases';
const LEASE_VERBS: readonly LeaseVerb[] = ['acquireLease', 'releaseLease', 'listLeases'];

// A record, so that the compiler misses a verb that is not listed.
const VERBS: Readonly<Record<Exclude<EngineVerb, LeaseVerb>, true>> = {
  open: true,
  close: true,
  append: true,
  readStream: true,
  readAll: true,
  readTimeRange: true,
  listStreams: true,
  trim: true,
  loadCheckpoint: true,
  saveCheckpoint: true,
  listCheckpoints: true,
  removeCheckpoint: true,
  usage: true,
  verify: true,
  streamEnds: true,
  getDocuments: true,
  listDocuments: true,
  writeDocuments: true,
  dropDocuments: true,
};

/** Stands between the store and its engine: `ask` passes the call on. */
export type Around = (verb: EngineVerb, ask: () => MaybePromise<unknown>, request: unknown) => MaybePromise<unknown>;

/** An engine like `inner`, every call of which goes through `around`. */
export function aroundEngine(around: Around, inner: StorageEngine = memoryEngine()): StorageEngine {
  const known = [...(Object.keys(VERBS) as EngineVerb[]), ...LEASE_VERBS].filter((verb) => inner[verb] !== undefined);
  const verbs = known.map((verb) => {
    const ask = inner[verb]!.bind(inner) as (...request: unknown[]) => MaybePromise<unknown>;
    return [verb, (...request: unknown[]) => around(verb, () => ask(...request), request[0])] as const;
  });
  return { name: inner.name, supports: inner.supports, ...Object.fromEntries(verbs) } as unknown as StorageEngine;
}

/** An engine that looks at no more than `most` events before it answers, whether the reader wants them or not. */
export function shortPagedEngine(most: number, inner: StorageEngine = memoryEngine()): StorageEngine {
  return {
    ...aroundEngine((_verb, ask) => ask(), inner),
    async readStream(request) {
      const { types, limit } = request;
      const page = await inner.readStream({ ...request, types: undefined, limit: Math.min(limit, most) });
      const isWanted = (event: RecordedEvent): boolean => types?.some((type) => type.matches(event.type)) ?? true;
      return { ...page, events: page.events.filter(isWanted) };
    },
    async readAll(request) {
      const { filter, limit } = request;
      const page = await inner.readAll({ ...request, filter: undefined, limit: Math.min(limit, most) });
      const isWanted = ({ streamId, type }: RecordedEvent): boolean =>
        filter === undefined || (filter.matchesStream(streamId) && filter.matchesType(type));
      return { ...page, events: page.events.filter(isWanted) };
    },
    readTimeRange: (request) => inner.readTimeRange({ ...request, limit: Math.min(request.limit, most) }),
  };
}

/** An engine that can be told to say that somebody else has appended. */
export function hintingEngine(inner: StorageEngine = memoryEngine()): StorageEngine & {
  hint(streamId?: string): void;
  readonly listeners: number;
} {
  const listeners = new Set<(streamId?: string) => void>();
  return {
    ...aroundEngine((_verb, ask) => ask(), inner),
    onAppended(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    hint: (streamId) => listeners.forEach((listener) => listener(streamId)),
    get listeners() {
      return listeners.size;
    },
  };
}

/** An engine that has events when it is opened, as one with a disk has. */
export async function engineWithHistory(streamId: string, events: readonly NewEvent[]): Promise<StorageEngine> {
  const inner = memoryEngine();
  const store = await openEventStore({ engine: inner });
  await store.append(streamId, events);
  // The memory engine keeps what it has while it lives, but must be opened once only.
  return aroundEngine((verb, ask) => (verb === 'open' ? undefined : ask()), inner);
}

/** Engines that keep the contract in different ways. What a subscription does must be the same on each of them. */
export const ENGINES: readonly (readonly [kind: string, create: () => StorageEngine])[] = [
  ['an engine that answers at once', () => memoryEngine()],
  [
    'an engine that answers in a later microtask',
    () => aroundEngine(async (_verb, ask) => Promise.resolve().then(ask)),
  ],
  ['an engine that answers in a later turn of the event loop', () => lateEngine()],
  ['an engine that answers after several turns', () => aroundEngine((_verb, ask) => settled().then(settled).then(ask))],
  [
    'an engine whose answers are old when they come',
    () =>
      aroundEngine(async (verb, ask) => {
        const answer = await ask();
        if (verb !== 'append') await settled();
        return answer;
      }),
  ],
  ['an engine with short pages', () => shortPagedEngine(2)],
  ['a late engine with short pages', () => shortPagedEngine(2, lateEngine())],
];
