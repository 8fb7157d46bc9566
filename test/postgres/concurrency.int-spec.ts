import { describe, expect, it } from '@jest/globals';
import {
  createEvent,
  type EventStore,
  START,
  StorageUnavailableError,
  WrongExpectedRevisionError,
} from 'nestjs-stream-store';
import pg from 'pg';
import { append } from '../../lib/postgres/queries/append.js';
import { collect } from '../support/waiting/collect.js';
import { numbered } from '../support/events.js';
import { eventually } from '../support/waiting/eventually.js';
import {
  type LogAppend,
  type StreamOperation,
  whatIsNotLinear,
  whatIsOutOfOrder,
} from '../support/worlds/linearizability.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { Random } from '../support/worlds/random.js';
import { scaled } from '../support/scale.js';

const { server, openStore } = usePostgres();

const now = (): bigint => process.hrtime.bigint();

/** The answer to a call that may be repeated; when the connection is cut, it is. */
async function answerOf<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error;
    }
  }
}

/** Appends to one stream after the revision it knows of, again and again, and reads its end now and then. */
async function race(
  store: EventStore,
  seed: number,
  operations: StreamOperation[],
  mayEnd: () => boolean,
): Promise<void> {
  const random = new Random(seed);
  let revision = 0;
  for (let round = 0; round < scaled(40) || !mayEnd(); round++) {
    const batch = Array.from({ length: 1 + random.below(3) }, () => createEvent('counted', seed));
    const expected = revision;
    const begun = now();
    try {
      const answer = await answerOf(() => store.append('race', batch, { expectedRevision: expected }));
      const { firstPosition: first, revision: last } = answer;
      operations.push({ kind: 'append', begun, ended: now(), expected, first, last });
      revision = last;
    } catch (error) {
      if (!(error instanceof WrongExpectedRevisionError)) throw error;
      operations.push({ kind: 'look', begun, ended: now(), revision: error.actual, expected });
      revision = error.actual;
    }
    if (random.below(4) > 0) continue;
    const asked = now();
    const backward = { direction: 'backward', limit: 1 } as const;
    const [event] = await answerOf(() => store.readStream('race', 0, backward));
    operations.push({ kind: 'look', begun: asked, ended: now(), revision: event.position });
  }
}

describe('eight writers on one stream', () => {
  async function openForRace() {
    const schema = server().newSchema();
    const stores = await Promise.all([1, 2, 3, 4].map(() => openStore({ schema }, { maxEventsPerStream: 0 })));
    // The stream has to be there to be read.
    const begun = now();
    await stores[0].append('race', numbered(1, 1), { expectedRevision: 0 });
    const operations: StreamOperation[] = [{ kind: 'append', begun, ended: now(), expected: 0, first: 1, last: 1 }];
    const racing = (mayEnd = () => true) =>
      Promise.all(Array.from({ length: 8 }, (_, n) => race(stores[n % 4], n, operations, mayEnd)));
    return { schema, store: stores[0], operations, racing };
  }

  it('have one winner each time, in an order that fits what each of them saw', async () => {
    const { operations, racing } = await openForRace();

    await racing();

    expect(whatIsNotLinear(operations)).toBeUndefined();
    const kept = operations.filter(({ kind }) => kind === 'append').length;
    expect(kept).toBeGreaterThan(scaled(40));
    expect(operations.length - kept).toBeGreaterThan(scaled(40));
  });

  it('have one winner each time when connections are cut, and whoever got no answer asks again', async () => {
    const { schema, store, operations, racing } = await openForRace();
    const state = { isOver: false, cut: 0 };
    const cut = async (): Promise<void> => {
      while (!state.isOver) {
        // Those that append wait for each other's lock.
        const rows = await server().run(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE query LIKE '%' || $1 || '%' AND state = 'active' AND pid <> pg_backend_pid()`,
          [schema],
        );
        state.cut += rows.length;
      }
    };

    const cutting = cut();
    await racing(() => state.cut >= scaled(5)).finally(() => (state.isOver = true));
    await cutting;

    expect(whatIsNotLinear(operations)).toBeUndefined();
    const ends = operations.map((each) => (each.kind === 'append' ? each.last : 0));
    expect(await store.readStream('race', 0, { limit: 0 })).toHaveLength(Math.max(...ends));
  });

  it('would be found out if they had two winners, or saw what was not there yet', () => {
    const at = (begun: number, ended: number) => ({ begun: BigInt(begun), ended: BigInt(ended) });
    const one = { kind: 'append', expected: 0, first: 1, last: 2, ...at(0, 10) } as const;

    expect(whatIsNotLinear([one, { kind: 'look', revision: 2, ...at(5, 6) }])).toBeUndefined();
    expect(whatIsNotLinear([one, { ...one, ...at(3, 4) }])).toMatch('position 1 follows 2');
    expect(whatIsNotLinear([one, { kind: 'look', revision: 0, ...at(11, 12) }])).toMatch('after another');
    expect(whatIsNotLinear([one, { kind: 'look', revision: 1, ...at(11, 12) }])).toBeDefined();
    expect(
      whatIsNotLinear([
        { ...one, ...at(5, 10) },
        { kind: 'look', revision: 2, ...at(1, 2) },
      ]),
    ).toMatch('before');
    expect(whatIsNotLinear([one, { kind: 'look', revision: 2, expected: 2, ...at(11, 12) }])).toMatch('refused');
  });
});

describe('writers of different streams', () => {
  it('get global positions above all that were answered before they asked', async () => {
    const schema = server().newSchema();
    const stores = await Promise.all([1, 2, 3, 4].map(() => openStore({ schema })));
    const appends: LogAppend[] = [];

    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        for (let round = 0; round < scaled(40); round++) {
          const begun = now();
          const batch = numbered(1, 1 + (round % 3));
          const { globalPosition: last, count } = await stores[writer % 4].append(`s-${writer}`, batch);
          appends.push({ begun, ended: now(), first: last - count + 1, last });
        }
      }),
    );

    expect(whatIsOutOfOrder(appends)).toBeUndefined();
  });

  it('would be found out if one got a position below', () => {
    const one = { begun: 0n, ended: 10n, first: 5, last: 6 };

    expect(whatIsOutOfOrder([one, { begun: 5n, ended: 15n, first: 3, last: 4 }])).toBeUndefined();
    expect(whatIsOutOfOrder([one, { begun: 11n, ended: 15n, first: 3, last: 4 }])).toMatch('position 3');
  });
});

describe('appends in transactions that stay open, and may be undone', () => {
  it('never make a reader of the whole log skip an event', async () => {
    const schema = server().newSchema();
    const [store, other] = [await openStore({ schema }), await openStore({ schema })];
    const total = { kept: 0, isOver: false };
    const seen: number[] = [];
    const read = async (): Promise<void> => {
      for (let from = 0; ;) {
        const wasOver = total.isOver;
        const page = await other.readAll({ from, limit: 50 });
        seen.push(...page.events.map(({ globalPosition }) => globalPosition));
        from = page.globalPosition;
        if (wasOver && page.isEnd) return;
      }
    };
    const subscription = collect(other.subscribe({ all: true }, START));
    const hold = async (writer: number): Promise<void> => {
      const random = new Random(writer);
      const client = new pg.Client(server().url);
      await client.connect();
      for (let round = 0; round < scaled(25); round++) {
        await client.query('BEGIN');
        const event = { id: undefined, type: 't', data: '1', metadata: '', timestamp: undefined };
        const streamId = `s-${random.below(4)}`;
        const request = { streamId, events: [event], expectedRevision: 'any', recordedSince: -Infinity } as const;
        const limits = { maxEventsPerStream: Infinity, maxStreams: Infinity };
        const { text, values } = append(`"${schema}"`, [request], {
          now: Date.now(),
          isOwnClock: true,
          ...limits,
          announcement: undefined,
        });
        await client.query(text, values as unknown[]);
        await client.query('SELECT pg_sleep($1)', [random.below(5) / 1_000]);
        const isKept = random.below(10) > 0;
        await client.query(isKept ? 'COMMIT' : 'ROLLBACK');
        if (isKept) total.kept++;
      }
      await client.end();
    };
    const write = async (): Promise<void> => {
      for (let round = 0; round < scaled(25); round++) {
        await store.append(`s-${round % 4}`, numbered(1, 2));
        total.kept += 2;
      }
    };

    const reading = read();
    await Promise.all([...Array.from({ length: 6 }, (_, writer) => hold(writer)), write()]);
    total.isOver = true;
    await reading;

    const everything = Array.from({ length: total.kept }, (_, index) => index + 1);
    expect(seen).toEqual(everything);
    await eventually('all events', () => subscription.items.length === total.kept);
    expect(subscription.items.map(({ globalPosition }) => globalPosition)).toEqual(everything);
  });
});
