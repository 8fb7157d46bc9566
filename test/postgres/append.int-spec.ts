import { describe, expect, it } from '@jest/globals';
import { createEvent, type EventStore, NO_STREAM, STREAM_EXISTS } from 'nestjs-stream-store';
import { dataOf, numbered } from '../support/events.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { Random } from '../support/worlds/random.js';
import { scaled } from '../support/scale.js';

const { server, openStore } = usePostgres();

/** How many transactions have written to the log. */
async function commits(schema: string): Promise<number> {
  const [{ count }] = await server().run(`SELECT count(DISTINCT xmin::text) FROM "${schema}".events`);
  return Number(count);
}

describe('appends that come together', () => {
  it('share a commit, and each has its own outcome', async () => {
    const schema = server().newSchema();
    const store = await openStore({ schema });

    const outcomes = await Promise.allSettled([
      store.append('orders', numbered(1, 2), { expectedRevision: NO_STREAM }),
      store.append('orders', numbered(3, 3), { expectedRevision: 7 }),
      store.append('bills', numbered(4, 4)),
      store.append('orders', numbered(5, 5), { expectedRevision: 2 }),
      store.append('orders', [], { expectedRevision: STREAM_EXISTS }),
      store.append('unknown', numbered(6, 6), { expectedRevision: STREAM_EXISTS }),
    ]);

    expect(outcomes).toMatchObject([
      { value: { firstPosition: 1, revision: 2, globalPosition: 2 } },
      { reason: { code: 'WRONG_EXPECTED_REVISION', expected: 7, actual: 2 } },
      { value: { firstPosition: 1, revision: 1, globalPosition: 3 } },
      { value: { firstPosition: 3, revision: 3, globalPosition: 4 } },
      { value: { revision: 3, globalPosition: 4, count: 0 } },
      { reason: { code: 'WRONG_EXPECTED_REVISION', actual: 0 } },
    ]);
    expect(dataOf((await store.readAll()).events)).toEqual([1, 2, 4, 5]);
    expect(await commits(schema)).toBe(1);
  });

  it('are held to the limits one after the other', async () => {
    const store = await openStore({}, { maxEventsPerStream: 3, maxStreams: 2 });

    const outcomes = await Promise.allSettled([
      store.append('a', numbered(1, 2)),
      store.append('a', numbered(3, 4)),
      store.append('a', numbered(5, 5)),
      store.append('b', numbered(6, 6)),
      store.append('c', numbered(7, 7)),
      store.append('b', numbered(8, 8)),
    ]);

    expect(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'kept' : (outcome.reason as unknown))),
    ).toMatchObject([
      'kept',
      { code: 'STREAM_LIMIT_REACHED', limit: 'maxEventsPerStream' },
      'kept',
      'kept',
      { code: 'STREAM_LIMIT_REACHED', limit: 'maxStreams' },
      'kept',
    ]);
    expect(dataOf((await store.readAll()).events)).toEqual([1, 2, 5, 6, 8]);
  });

  it('may repeat each other: one is kept, and the others are answered as it was', async () => {
    const schema = server().newSchema();
    const store = await openStore({ schema });
    const batch = [createEvent('paid', 1), createEvent('paid', 2)];
    const append = () => store.append('orders', batch, { expectedRevision: 0 });

    const answers = await Promise.all([append(), append(), append()]);

    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(dataOf(await store.readStream('orders'))).toEqual([1, 2]);
  });

  it('may be more than fit into one commit', async () => {
    const store = await openStore({}, { maxEventsPerStream: 0, maxStreams: 0 });
    const big = 'x'.repeat(1_500_000);

    await Promise.all([
      ...Array.from({ length: 6 }, (_, index) => store.append('big', { type: 'big', data: big + index })),
      ...Array.from({ length: 1_200 }, (_, index) =>
        store.append(`small-${index % 7}`, { type: 'small', data: index }),
      ),
      store.append('long', numbered(1, 12_000)),
    ]);

    expect((await store.stats()).totalEvents).toBe(13_206);
    expect(dataOf(await store.readStream('big')).map((data) => (data as string).at(-1))).toEqual([...'012345']);
  });
});

describe('several instances on one log', () => {
  it('have one winner for each revision', async () => {
    const schema = server().newSchema();
    const stores = await Promise.all(Array.from({ length: 4 }, () => openStore({ schema }, { maxEventsPerStream: 0 })));
    const rounds = scaled(25);
    for (let revision = 0; revision < rounds; revision++) {
      const outcomes = await Promise.allSettled(
        stores.map((store, writer) =>
          store.append('race', { type: 't', data: writer }, { expectedRevision: revision }),
        ),
      );

      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ actual: revision + 1 });
      }
    }
    expect(await stores[0].readStream('race')).toHaveLength(rounds);
  });

  it('see a log whose recording times never fall, whatever their clocks say', async () => {
    const schema = server().newSchema();
    const clockAt = (shiftMs: number) => ({
      now: () => Date.now() + shiftMs,
      setTimer: (callback: () => void, ms: number) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    });
    const ahead = await openStore({ schema }, { clock: clockAt(60_000) });
    const behind = await openStore({ schema }, { clock: clockAt(-60_000) });

    await ahead.append('a', numbered(1, 1));
    await behind.append('a', numbered(2, 2));
    await ahead.append('a', numbered(3, 3));

    const times = (await behind.readAll()).events.map(({ recordedAt }) => recordedAt.getTime());
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('keep to the limits together', async () => {
    const schema = server().newSchema();
    const stores = await Promise.all([1, 2, 3].map(() => openStore({ schema }, { maxStreams: 10 })));
    const random = new Random(5);

    await Promise.allSettled(
      Array.from({ length: 120 }, () => random.pick(stores).append(`s-${random.below(40)}`, numbered(1, 1))),
    );

    expect(await stores[0].getStreams()).toHaveLength(10);
  });
});

it('writes no dead rows, so that an old transaction slows nobody down', async () => {
  const schema = server().newSchema();
  const store: EventStore = await openStore({ schema });
  for (let index = 0; index < 50; index++) await store.append(`s-${index % 5}`, numbered(index, index));

  const rows = await server().run(
    `SELECT relname, n_tup_upd + n_tup_del AS changed FROM pg_stat_user_tables WHERE schemaname = $1`,
    [schema],
  );

  const changed = new Map(rows.map(({ relname, changed }) => [relname, Number(changed)]));
  expect(changed.get('events')).toBe(0);
  expect(changed.get('streams')).toBe(0);
  // Once for each stream.
  expect(changed.get('log')).toBeLessThanOrEqual(5);
});
