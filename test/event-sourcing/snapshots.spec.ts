import { describe, expect, it } from '@jest/globals';
import { type EventStore, memoryEngine, type NewEvent } from 'nestjs-stream-store';
import { Aggregate, AggregateRoot, aggregatesOf, Apply, decider } from 'nestjs-stream-store/event-sourcing';
import { faultyEngine } from 'nestjs-stream-store/testing';
import { rejectionOf } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { RecordingCollector, RecordingLogger } from '../support/recorders.js';
import { Account } from './account.js';
import { SnapshotTexts } from './snapshot-texts.js';

interface Tallied {
  'tally.counted': { n: number };
}

/** Of this version, every so many events. */
function tallyOf(version: number, every = 10) {
  @Aggregate('tally', { snapshot: { every, version }, cacheBytes: 0 })
  class Tally extends AggregateRoot<Tallied> {
    sum = 0;
    last?: number;
    count(n: number): void {
      this.record('tally.counted', { n });
    }
    @Apply('tally.counted')
    protected onCounted({ n }: Tallied['tally.counted']): void {
      this.sum += n;
      this.last = n;
    }
  }
  return Tally;
}

async function openStore(): Promise<{
  store: EventStore;
  texts: SnapshotTexts;
  logger: RecordingLogger;
  collector: RecordingCollector;
}> {
  const logger = new RecordingLogger();
  const collector = new RecordingCollector();
  const engine = faultyEngine(memoryEngine());
  const store = await openTestStore({
    engine,
    maxEventsPerStream: 0,
    logger,
    metricsCollector: collector,
  });
  return { store, texts: new SnapshotTexts(store, engine, 'tally'), logger, collector };
}

function counted(count: number): NewEvent[] {
  return Array.from({ length: count }, () => ({ type: 'tally.counted', data: { n: 1 } }));
}

/** How many events a call has read. */
async function readBy(store: EventStore, call: () => Promise<unknown>): Promise<number> {
  const before = (await store.stats()).eventsRead;
  await call();
  return (await store.stats()).eventsRead - before;
}

describe('a snapshot', () => {
  it('lets a stream of 10 000 events be loaded by as many events as one is kept after', async () => {
    const { store } = await openStore();
    await store.append('tally-1', counted(10_000));
    const Tally = tallyOf(1, 100);

    expect(await readBy(store, () => aggregatesOf(store, Tally).get('1'))).toBe(10_000);
    await store.append('tally-1', counted(99));
    const later = aggregatesOf(store, Tally);
    expect(await readBy(store, () => later.get('1'))).toBe(99);
    expect((await later.get('1')).state).toMatchObject({ sum: 10_099 });
    expect(await readBy(store, () => later.update('1', (tally) => tally.count(1)))).toBe(100);
    expect(await readBy(store, () => later.get('1'))).toBe(0);
  });

  it('is kept after so many events, and not before', async () => {
    const { store, texts } = await openStore();
    const tallies = aggregatesOf(store, tallyOf(1, 3));

    for (let n = 1; n <= 7; n++) {
      await tallies.update('1', (tally) => tally.count(n));
      expect(texts.writes).toBe(Math.floor(n / 3));
    }
    expect(JSON.parse((await texts.get('1'))!)).toMatchObject({ version: 1, revision: 6 });
  });

  it('never stands in a stream', async () => {
    const { store } = await openStore();
    const tallies = aggregatesOf(store, tallyOf(1, 1));
    await tallies.update('1', (tally) => tally.count(1));

    expect((await store.readAll()).events.map(({ type }) => type)).toEqual(['tally.counted']);
  });

  it.each<[string, (text: string) => string]>([
    ['that is no JSON', () => '{'],
    ['whose state was changed', (text) => text.replace('\\"sum\\":20', '\\"sum\\":90')],
    ['without its state', (text) => JSON.stringify({ ...JSON.parse(text), state: undefined })],
    ['that is empty', () => '{}'],
    ['that is null', () => 'null'],
    ['of another place', (text) => text.replace('"globalPosition":20', '"globalPosition":21')],
  ])('%s is not used, said in the log and the metrics, and written anew', async (_, damage) => {
    const { store, texts, logger, collector } = await openStore();
    await store.append('tally-1', counted(20));
    await aggregatesOf(store, tallyOf(1)).get('1');
    const text = (await texts.get('1'))!;
    await texts.set('1', damage(text));
    expect(await texts.get('1')).not.toBe(text);

    const { state } = await aggregatesOf(store, tallyOf(1)).get('1');

    expect(state.sum).toBe(20);
    expect(await texts.get('1')).toBe(text);
    expect(logger.errors).toEqual([expect.stringContaining('the snapshot of tally "1" could not be read')]);
    expect(collector.backgroundFailures).toEqual([{ store: 'memory-store', operation: 'aggregate-snapshot' }]);
  });

  it('that is missing is written anew', async () => {
    const { store, texts } = await openStore();
    await store.append('tally-1', counted(20));
    await aggregatesOf(store, tallyOf(1)).get('1');
    await texts.remove('1');
    await aggregatesOf(store, tallyOf(1)).get('1');

    expect(await texts.ids()).toEqual(['1']);
  });

  it.each([
    ['an older', 1, 2],
    ['a newer', 2, 1],
  ])('of %s version is not used, and written anew', async (_, kept, wanted) => {
    const { store, texts, logger } = await openStore();
    await store.append('tally-1', counted(20));
    await aggregatesOf(store, tallyOf(kept)).get('1');

    const read = await readBy(store, () => aggregatesOf(store, tallyOf(wanted)).get('1'));

    expect(read).toBe(20);
    expect(JSON.parse((await texts.get('1'))!)).toMatchObject({ version: wanted });
    expect(logger.warnings.filter((line) => line.includes('is of version 2'))).toHaveLength(kept > wanted ? 1 : 0);
  });

  it('that cannot be read or written stops nobody', async () => {
    const { store, texts, collector } = await openStore();
    texts.fail(new Error('the disk is full'));
    const tallies = aggregatesOf(store, tallyOf(1, 1));

    const { state } = await tallies.update('1', (tally) => tally.count(5));

    expect(state.sum).toBe(5);
    expect(collector.backgroundFailures).toHaveLength(2);
  });

  it('of an event that the log has not any more is not used', async () => {
    const { store, texts } = await openStore();
    const tallies = aggregatesOf(store, tallyOf(1));
    await tallies.update('1', (tally) => counted(10).forEach(() => tally.count(1)));
    const other = await openStore();
    await other.texts.set('1', (await texts.get('1'))!);
    await other.store.append(
      'tally-1',
      counted(12).map((event) => ({ ...event, data: { n: 2 } })),
    );

    expect((await aggregatesOf(other.store, tallyOf(1)).get('1')).state.sum).toBe(24);
  });

  it('serves for states of the past when it is old enough', async () => {
    const { store } = await openStore();
    await store.append('tally-1', counted(20));
    await aggregatesOf(store, tallyOf(1)).get('1');
    await store.append('tally-1', counted(10));
    const tallies = aggregatesOf(store, tallyOf(1, 1_000));

    expect(await readBy(store, () => tallies.stateAt('1', 25))).toBe(10);
    expect((await tallies.stateAt('1', 25)).state.sum).toBe(25);
    expect(await readBy(store, () => tallies.stateAt('1', 15))).toBe(20 + 10);
    expect((await tallies.stateAt('1', 15)).state.sum).toBe(15);
  });
});

describe('what a snapshot holds', () => {
  it('is all fields, and none of those that became undefined', async () => {
    const { store } = await openStore();
    @Aggregate('door', { snapshot: { every: 1 }, cacheBytes: 0 })
    class Door extends AggregateRoot<{ opened: { by?: string } }> {
      by?: string = 'nobody';
      nested: { by?: string; n: number } = { n: -0 };
      @Apply('opened')
      protected onOpened({ by }: { by?: string }): void {
        this.by = by;
        this.nested = { by, n: -0 };
      }
    }
    const doors = () => aggregatesOf(store, Door);
    await doors().update('1', (door) => door.record('opened', {}));

    const { state } = await doors().get('1');

    expect(state.by).toBeUndefined();
    expect(Object.keys(state.nested)).toContain('by');
    expect(Object.is(state.nested.n, -0)).toBe(true);
  });

  it('has to be plain data, or the update is refused with the path before anything is kept', async () => {
    const { store } = await openStore();
    @Aggregate('log', { snapshot: { every: 100 } })
    class Log extends AggregateRoot<{ dated: { at: string } }> {
      readonly entries: unknown[] = [];
      @Apply('dated')
      protected onDated({ at }: { at: string }): void {
        this.entries.push({ at: new Date(at) });
      }
    }
    const logs = aggregatesOf(store, Log);

    const refused = await rejectionOf(logs.update('1', (log) => log.record('dated', { at: '2024-01-01' })));

    expect(refused).toMatchObject({ code: 'VALIDATION_FAILED', field: 'Log.entries[0].at' });
    expect(await logs.exists('1')).toBe(false);
  });

  it('is what toSnapshot says, and read by fromSnapshot', async () => {
    const { store } = await openStore();
    @Aggregate('hall', { snapshot: { every: 2 }, cacheBytes: 0 })
    class Hall extends AggregateRoot<{ taken: { seat: string } }> {
      #seats = new Set<string>();
      get seats(): string[] {
        return [...this.#seats];
      }
      @Apply('taken')
      protected onTaken({ seat }: { seat: string }): void {
        this.#seats.add(seat);
      }
      toSnapshot(): string[] {
        return this.seats;
      }
      static fromSnapshot(seats: string[]): Hall {
        const hall = new Hall();
        hall.#seats = new Set(seats);
        return hall;
      }
    }
    for (const seat of ['a', 'b', 'c'])
      await aggregatesOf(store, Hall).update('1', (hall) => hall.record('taken', { seat }));
    const halls = aggregatesOf(store, Hall);

    expect(await readBy(store, async () => expect((await halls.get('1')).state.seats).toEqual(['a', 'b', 'c']))).toBe(
      1,
    );
  });

  it('is not what fromSnapshot forgets', async () => {
    const { store } = await openStore();
    @Aggregate('hall', { snapshot: { every: 2 } })
    class Hall extends AggregateRoot<{ taken: { seat: string } }> {
      seats = new Set<string>();
      @Apply('taken')
      protected onTaken({ seat }: { seat: string }): void {
        this.seats.add(seat);
      }
      toSnapshot(): string[] {
        return [...this.seats];
      }
      static fromSnapshot(): Hall {
        return new Hall();
      }
    }

    const refused = await rejectionOf(
      aggregatesOf(store, Hall).update('1', (hall) => hall.record('taken', { seat: 'a' })),
    );

    expect(refused).toMatchObject({ field: 'Hall.fromSnapshot()' });
  });

  it('of a decider can be said by its options', async () => {
    const { store } = await openStore();
    const hall = decider<ReadonlySet<string>, { taken: { seat: string } }>('hall', {
      initial: () => new Set(),
      evolve: { taken: (seats, { seat }) => new Set([...seats, seat]) },
      snapshot: { every: 1, toSnapshot: (seats) => [...seats], fromSnapshot: (seats: string[]) => new Set(seats) },
      cacheBytes: 0,
    });
    for (const seat of ['a', 'b'])
      await aggregatesOf(store, hall).update('1', (_, record) => void record('taken', { seat }));

    expect((await aggregatesOf(store, hall).get('1')).state).toEqual(new Set(['a', 'b']));
    expect(await readBy(store, () => aggregatesOf(store, hall).get('1'))).toBe(0);
  });
});

describe('the states that a process remembers', () => {
  it('are read on from, and not from the beginning', async () => {
    const store = await openTestStore();
    const accounts = aggregatesOf(store, Account);
    await accounts.create('7', (account) => counted(50).forEach(() => account.deposit(1)));
    await store.append('account-7', { type: 'account.deposited', data: { amount: 1 } });

    expect(await readBy(store, () => accounts.get('7'))).toBe(1);
    expect(await readBy(store, () => accounts.get('7'))).toBe(0);
  });

  it('are as many as there is room for', async () => {
    const store = await openTestStore();
    @Aggregate('note', { cacheBytes: 3_000 })
    class Note extends AggregateRoot<{ written: { text: string } }> {
      text = '';
      @Apply('written')
      protected onWritten({ text }: { text: string }): void {
        this.text = text;
      }
    }
    const notes = aggregatesOf(store, Note);
    for (const id of ['1', '2', '3'])
      await notes.create(id, (note) => note.record('written', { text: 'x'.repeat(500) }));

    expect(await readBy(store, () => notes.get('3'))).toBe(0);
    expect(await readBy(store, () => notes.get('2'))).toBe(0);
    expect(await readBy(store, () => notes.get('1'))).toBe(1);
  });

  it('are none of those that are no plain data, which are loaded all the same', async () => {
    const store = await openTestStore();
    @Aggregate('crowd')
    class Crowd extends AggregateRoot<{ came: { name: string } }> {
      readonly names = new Set<string>();
      #count = 0;
      get count(): number {
        return this.#count;
      }
      @Apply('came')
      protected onCame({ name }: { name: string }): void {
        this.names.add(name);
        this.#count++;
      }
    }
    const crowds = aggregatesOf(store, Crowd);
    const seen: Crowd[] = [];
    for (const name of ['Ada', 'Bob', 'Eve']) {
      const { state } = await crowds.update('1', (crowd) => {
        seen.push(crowd);
        crowd.record('came', { name });
      });
      seen.push(state);
    }

    expect(new Set(seen).size).toBe(6);
    expect((await crowds.get('1')).state).toMatchObject({ names: new Set(['Ada', 'Bob', 'Eve']), count: 3 });
  });

  it('are given up when a state turns out to be no plain data', async () => {
    const store = await openTestStore();
    const box = decider<{ readonly things: readonly unknown[] }, { put: { at: string } }>('box', {
      initial: () => ({ things: [] }),
      evolve: { put: ({ things }, { at }) => ({ things: [...things, new Date(at)] }) },
    });
    const boxes = aggregatesOf(store, box);
    for (const at of ['2024-01-01', '2024-01-02']) await boxes.update('1', (_, record) => void record('put', { at }));

    expect((await boxes.update('1', () => undefined)).state.things).toEqual([
      new Date('2024-01-01'),
      new Date('2024-01-02'),
    ]);
  });
});
