import { describe, expect, it } from '@jest/globals';
import {
  type AppendRequest,
  type EventToAppend,
  memoryEngine,
  type RecordedEvent,
  type StorageEngine,
} from 'nestjs-stream-store';
import { describeStorageEngine } from 'nestjs-stream-store/testing';
import { brokenEngine } from './broken-engine.js';
import { CollectingRunner } from './collecting-runner.js';

// A suite that never fails proves nothing. Each of these engines has one defect, as engines have had them, and the area of
// the suite that is about it must find it.

/** The memory engine with some verbs replaced. */
const broken = (replace: (inner: StorageEngine) => Partial<StorageEngine>) => (): StorageEngine =>
  brokenEngine(memoryEngine(), replace);

const withEvents = (request: AppendRequest, events: readonly EventToAppend[]): AppendRequest => ({
  ...request,
  events,
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const DEFECTS: readonly (readonly [defect: string, area: string, create: () => StorageEngine])[] = [
  [
    'tells of an end of a stream that never was',
    'ends of streams',
    broken(() => ({
      streamEnds: (streamIds) => streamIds.map((streamId) => ({ streamId, revision: 0, lastId: undefined })),
    })),
  ],
  [
    'forgets where a stream ended when its events are removed',
    'ends of streams',
    broken((inner) => ({
      async streamEnds(streamIds) {
        const ends = await inner.streamEnds!(streamIds);
        return ends.filter(({ lastId }) => lastId !== undefined);
      },
    })),
  ],
  [
    'tells the id of the first event for that of the last one',
    'ends of streams',
    broken((inner) => ({
      async streamEnds(streamIds) {
        const ends = await inner.streamEnds!(streamIds);
        const atFirst = { ...everything, after: 1, types: undefined, wantsIds: true };
        return Promise.all(
          ends.map(async (end) => ({
            ...end,
            lastId: (await inner.readStream({ ...atFirst, streamId: end.streamId })).afterId,
          })),
        );
      },
    })),
  ],
  [
    'loses the last event of a long batch',
    'batches',
    broken((inner) => ({
      append: (request) =>
        inner.append(request.events.length > 50 ? withEvents(request, request.events.slice(0, -1)) : request),
    })),
  ],
  [
    'acknowledges an append that it does not store',
    'appending',
    broken((inner) => {
      let count = 0;
      return {
        async append(request) {
          if (++count !== 7) return inner.append(request);
          const { revision } = await inner.readStream({ ...everything, streamId: request.streamId, types: undefined });
          const { head } = await inner.readAll(everything);
          return { firstPosition: revision + 1, globalPosition: head + request.events.length, repeated: false };
        },
      };
    }),
  ],
  [
    'records events as such that have expired',
    'appending',
    broken((inner) => ({ append: (request) => inner.append({ ...request, recordedSince: -Infinity }) })),
  ],
  [
    'takes the time of recording for the time of the append',
    'appending',
    broken((inner) => ({
      async append(request) {
        const lastRecordedAt = (await inner.time!()).lastRecordedAt ?? 0;
        const timeOf = (timestamp?: number) => timestamp ?? Math.max(Date.now(), lastRecordedAt);
        const events = request.events.map((event) => ({ ...event, timestamp: timeOf(event.timestamp) }));
        return inner.append(withEvents(request, events));
      },
    })),
  ],
  [
    'stores a batch in the wrong order',
    'batches',
    broken((inner) => ({ append: (request) => inner.append(withEvents(request, [...request.events].reverse())) })),
  ],
  [
    'stores a batch event by event, for readers to see',
    'batches',
    broken((inner) => ({
      async append(request) {
        if (request.events.length < 2) return inner.append(request);
        const first = await inner.append(withEvents(request, request.events.slice(0, 1)));
        let last = first;
        for (const event of request.events.slice(1)) {
          await turn();
          last = await inner.append({ ...request, events: [event], expectedRevision: 'any' });
        }
        return { ...last, firstPosition: first.firstPosition };
      },
    })),
  ],
  [
    'keeps the part of a batch that a limit leaves room for',
    'limits',
    broken((inner) => ({
      async append(request) {
        try {
          return await inner.append(request);
        } catch (error) {
          if (request.events.length > 1) await inner.append(withEvents(request, request.events.slice(0, 1)));
          throw error;
        }
      },
    })),
  ],
  [
    'checks the revision in one step and appends in the next',
    'expected revisions',
    broken((inner) => ({
      async append(request) {
        await inner.append(withEvents(request, []));
        await turn();
        return inner.append({ ...request, expectedRevision: 'any' });
      },
    })),
  ],
  [
    'does not check the revision of an empty batch',
    'expected revisions',
    broken((inner) => ({
      append: (request) =>
        inner.append(request.events.length === 0 ? { ...request, expectedRevision: 'any' } : request),
    })),
  ],
  [
    'takes STREAM_EXISTS for ANY',
    'expected revisions',
    broken((inner) => ({
      append: (request) =>
        inner.append(request.expectedRevision === 'stream-exists' ? { ...request, expectedRevision: 'any' } : request),
    })),
  ],
  [
    'stores a retry again',
    'retries',
    broken((inner) => ({
      async append(request) {
        const answer = await inner.append(request);
        return answer.repeated ? inner.append({ ...request, expectedRevision: 'any' }) : answer;
      },
    })),
  ],
  [
    'takes the same ids with another content for a retry',
    'retries',
    broken((inner) => {
      const seen = new Map<string, Awaited<ReturnType<typeof inner.append>>>();
      return {
        async append(request) {
          const key = JSON.stringify([request.streamId, request.expectedRevision, request.events.map(({ id }) => id)]);
          const hasIds = request.events.every(({ id }) => id !== undefined) && request.events.length > 0;
          const known = hasIds && typeof request.expectedRevision === 'number' ? seen.get(key) : undefined;
          if (known !== undefined) return { ...known, repeated: true };
          const answer = await inner.append(request);
          seen.set(key, answer);
          return answer;
        },
      };
    }),
  ],
  [
    'takes any append after an old revision for a retry',
    'retries',
    broken((inner) => ({
      async append(request) {
        try {
          return await inner.append(request);
        } catch (error) {
          if (typeof request.expectedRevision !== 'number') throw error;
          const { head } = await inner.readAll(everything);
          return { firstPosition: request.expectedRevision + 1, globalPosition: head, repeated: true };
        }
      },
    })),
  ],
  [
    'answers a retry with the end of the log',
    'retries',
    broken((inner) => ({
      async append(request) {
        const answer = await inner.append(request);
        return answer.repeated ? { ...answer, globalPosition: (await inner.readAll(everything)).head } : answer;
      },
    })),
  ],
  [
    'hands out one event more than the limit',
    'reading a stream',
    broken((inner) => ({ readStream: (request) => inner.readStream({ ...request, limit: request.limit + 1 }) })),
  ],
  [
    'begins with the event at the position, not after it',
    'reading a stream',
    broken((inner) => ({
      readStream: (request) =>
        inner.readStream(request.direction === 'forward' ? { ...request, after: request.after - 1 } : request),
    })),
  ],
  [
    'says that a stream has ended when a page is full',
    'reading a stream',
    broken((inner) => ({ readStream: async (request) => ({ ...(await inner.readStream(request)), isEnd: true }) })),
  ],
  [
    'hands out records that readers can change',
    'reading a stream',
    broken((inner) => ({
      async readStream(request) {
        const page = await inner.readStream(request);
        return { ...page, events: page.events.map((event) => ({ ...event })) };
      },
    })),
  ],
  [
    'hands out the array that it keeps',
    'reading the whole log',
    broken((inner) => {
      const kept: RecordedEvent[] = [];
      return {
        async readAll(request) {
          const page = await inner.readAll(request);
          if (request.after !== 0 || request.limit !== Infinity || request.filter) return page;
          if (kept.length === 0) kept.push(...page.events);
          return { ...page, events: kept };
        },
      };
    }),
  ],
  [
    'compares types without regard to case',
    'reading events of some types',
    broken((inner) => ({
      readStream: (request) =>
        inner.readStream({
          ...request,
          types: request.types?.map(
            ({ source }) =>
              ({ source, matches: (type: string) => type.toLowerCase() === source.toLowerCase() }) as never,
          ),
        }),
    })),
  ],
  [
    'hides the newest event of the log',
    'reading the whole log',
    broken((inner) => ({
      async readAll(request) {
        const page = await inner.readAll(request);
        return { ...page, events: page.events.filter(({ globalPosition }) => globalPosition !== page.head) };
      },
    })),
  ],
  [
    'shows the store’s own streams to a pattern',
    'reading the log through a filter',
    broken((inner) => ({
      async readAll(request) {
        if (!request.filter?.streams) return inner.readAll(request);
        const page = await inner.readAll({ ...request, filter: undefined });
        const { streams } = request.filter;
        return { ...page, events: page.events.filter(({ streamId }) => streams.matches(streamId)) };
      },
    })),
  ],
  [
    'skips an event that has the time of the one before',
    'reading a time range',
    broken((inner) => ({
      readTimeRange: (request) =>
        inner.readTimeRange(
          request.after ? { ...request, after: { ...request.after, globalPosition: Infinity } } : request,
        ),
    })),
  ],
  [
    'excludes the end of a time range',
    'reading a time range',
    broken((inner) => ({ readTimeRange: (request) => inner.readTimeRange({ ...request, to: request.to - 1 }) })),
  ],
  [
    'bounds a page of the log by its events alone',
    'pages of large events',
    broken((inner) => ({ readAll: (request) => inner.readAll({ ...request, maxBytes: Infinity }) })),
  ],
  [
    'bounds a page of a stream by its events alone when they are of some types',
    'pages of large events',
    broken((inner) => ({
      readStream: (request) => inner.readStream(request.types ? { ...request, maxBytes: Infinity } : request),
    })),
  ],
  [
    'bounds a page of a time range by its events alone',
    'pages of large events',
    broken((inner) => ({ readTimeRange: (request) => inner.readTimeRange({ ...request, maxBytes: Infinity }) })),
  ],
  [
    'passes over the event that finds no room',
    'pages of large events',
    broken((inner) => ({
      async readStream(request) {
        const page = await inner.readStream(request);
        return page.isFull ? { ...page, position: page.position + 1 } : page;
      },
    })),
  ],
  [
    'never gives an event that is larger than a page',
    'pages of large events',
    broken((inner) => ({
      async readAll(request) {
        const page = await inner.readAll(request);
        const isTooLarge = JSON.stringify(page.events[0]?.data ?? '').length > request.maxBytes;
        return isTooLarge ? { ...page, events: [], globalPosition: request.after, isFull: true } : page;
      },
    })),
  ],
  [
    'does not say that a page ends for want of room',
    'pages of large events',
    broken((inner) => ({ readStream: async (request) => ({ ...(await inner.readStream(request)), isFull: false }) })),
  ],
  [
    'lets one event more into a stream than the limit',
    'limits',
    broken((inner) => ({
      open: (context) => inner.open({ ...context, maxEventsPerStream: context.maxEventsPerStream + 1 }),
    })),
  ],
  [
    'counts expired streams against the limit',
    'limits',
    broken((inner) => ({ append: (request) => inner.append({ ...request, recordedSince: -Infinity }) })),
  ],
  [
    'trims beyond the last position',
    'trimming',
    broken((inner) => ({ trim: (request) => inner.trim({ ...request, upTo: request.upTo + 1 }) })),
  ],
  [
    'trims what was recorded at the time too',
    'trimming',
    broken((inner) => ({ trim: (request) => inner.trim({ ...request, recordedBefore: request.recordedBefore + 1 }) })),
  ],
  [
    'ignores the limit of a trim',
    'trimming',
    broken((inner) => ({ trim: (request) => inner.trim({ ...request, limit: Infinity }) })),
  ],
  [
    'shows what has expired in a time range',
    'what has expired',
    broken((inner) => ({
      readTimeRange: (request) => inner.readTimeRange({ ...request, recordedSince: -Infinity }),
    })),
  ],
  [
    'forgets that a stream was, when it was emptied',
    'trimming',
    broken((inner) => ({
      async readStream(request) {
        const page = await inner.readStream(request);
        return page.trimmedTo === page.revision ? { ...page, revision: 0, trimmedTo: 0 } : page;
      },
    })),
  ],
  [
    'lists streams in the order of UTF-16',
    'listing streams',
    broken((inner) => ({
      async listStreams(request) {
        const streams = await inner.listStreams({ ...request, limit: Infinity });
        return [...streams].sort((a, b) => (a.streamId < b.streamId ? -1 : 1)).slice(0, request.limit);
      },
    })),
  ],
  [
    'keeps a name in another normal form',
    'names',
    broken((inner) => ({
      append: (request) => inner.append({ ...request, streamId: request.streamId.normalize('NFC') }),
      readStream: (request) => inner.readStream({ ...request, streamId: request.streamId.normalize('NFC') }),
    })),
  ],
  [
    'keeps data as a database keeps JSON: members sorted',
    'payloads',
    broken((inner) => ({
      append: (request) =>
        inner.append(
          withEvents(
            request,
            request.events.map((event) => ({ ...event, data: sorted(event.data) })),
          ),
        ),
    })),
  ],
  [
    'keeps -0 as 0',
    'payloads',
    broken((inner) => ({
      append: (request) =>
        inner.append(
          withEvents(
            request,
            request.events.map((event) => ({ ...event, data: JSON.stringify(JSON.parse(event.data)) })),
          ),
        ),
    })),
  ],
  [
    'keeps what it knows of a checkpoint, and drops the rest',
    'checkpoints',
    broken((inner) => ({
      saveCheckpoint: (name, { position, ahead, attempts, parked, isRunning }) =>
        inner.saveCheckpoint(name, { position, ahead, attempts, parked, isRunning }),
    })),
  ],
  [
    'forgets all checkpoints when one is removed',
    'checkpoints',
    broken((inner) => ({
      async removeCheckpoint() {
        for (const { name } of await inner.listCheckpoints()) await inner.removeCheckpoint(name);
      },
    })),
  ],
  [
    'says which event comes next, and not which lies where a page begins',
    'which events lie where a page begins and ends',
    broken((inner) => ({
      async readAll(request) {
        const page = await inner.readAll(request);
        return request.wantsIds ? { ...page, afterId: page.events[0]?.id } : page;
      },
    })),
  ],
  [
    'says which event it gave last, and not to which it has come',
    'which events lie where a page begins and ends',
    broken((inner) => ({
      async readStream(request) {
        const page = await inner.readStream(request);
        return request.wantsIds ? { ...page, reachedId: page.events.at(-1)?.id } : page;
      },
    })),
  ],
  [
    'keeps a checkpoint in place of any other',
    'checkpoints under conditions',
    broken((inner) => ({
      saveCheckpoint: (name, checkpoint, lease, conditions) =>
        inner.saveCheckpoint(name, checkpoint, lease, { place: conditions?.place }),
    })),
  ],
  [
    'compares nothing but the positions of checkpoints',
    'checkpoints under conditions',
    broken((inner) => ({
      async saveCheckpoint(name, checkpoint, lease, conditions) {
        const kept = (await inner.loadCheckpoint(name)) ?? null;
        const isSame = kept?.position === conditions?.expected?.position;
        return inner.saveCheckpoint(name, checkpoint, lease, isSame ? { ...conditions, expected: kept } : conditions);
      },
    })),
  ],
  [
    'keeps a checkpoint beyond the end of the log',
    'checkpoints under conditions',
    broken((inner) => ({
      async saveCheckpoint(name, checkpoint, lease, conditions) {
        const { head } = await inner.readAll({ ...everything, limit: 0 });
        const isBeyond = conditions?.place && conditions.place.position > head;
        return inner.saveCheckpoint(name, checkpoint, lease, isBeyond ? undefined : conditions);
      },
    })),
  ],
  [
    'compares positions, and not which events lie there',
    'checkpoints under conditions',
    broken((inner) => ({
      saveCheckpoint: (name, checkpoint, lease, conditions) =>
        inner.saveCheckpoint(name, checkpoint, lease, {
          ...conditions,
          place: conditions?.place && { ...conditions.place, id: undefined },
        }),
    })),
  ],
  [
    'says that it supports what it does not',
    'an empty log',
    broken(() => ({ supports: { leases: true, snapshot: false, transactions: false } })),
  ],
  [
    'leaves a timer behind',
    'closing',
    broken((inner) => ({
      open(context) {
        context.clock.setTimer(() => undefined, 60_000);
        return inner.open(context);
      },
    })),
  ],
  [
    'takes itself for open after it was closed',
    'closing',
    broken((inner) => {
      let wasOpened = false;
      return {
        open(context) {
          if (wasOpened) throw new Error('somebody uses this engine already');
          wasOpened = true;
          return inner.open(context);
        },
      };
    }),
  ],
];

const everything = {
  after: 0,
  limit: Infinity,
  maxBytes: Infinity,
  direction: 'forward',
  filter: undefined,
  recordedSince: -Infinity,
} as const;

function sorted(text: string): string {
  return JSON.stringify(JSON.parse(text), (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

function suiteOf(create: () => StorageEngine): CollectingRunner {
  const runner = new CollectingRunner();
  describeStorageEngine('tested', { create, runner });
  return runner;
}

describe('the conformance suite', () => {
  it.each(DEFECTS)('finds an engine that %s', async (_defect, area, create) => {
    const failure = await suiteOf(create).firstFailure(` › ${area} › `);

    expect(failure).toBeDefined();
  });

  it('finds nothing where nothing is wrong', async () => {
    const areas = new Set(DEFECTS.map(([, area]) => area));
    for (const area of areas) {
      expect(await suiteOf(broken(() => ({}))).firstFailure(` › ${area} › `)).toBeUndefined();
    }
  });
});
