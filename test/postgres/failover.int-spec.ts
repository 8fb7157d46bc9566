import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  createEvent,
  EventStore,
  EventStoreModule,
  type MetricsCollector,
  openEventStore,
  OnStreamEvent,
  type RecordedEvent,
  START,
  StorageUnavailableError,
  type StreamEventContext,
} from 'nestjs-stream-store';
import { postgresEngine, type PostgresTransaction } from 'nestjs-stream-store/postgres';
import { collect } from '../support/waiting/collect.js';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { eventually } from '../support/waiting/eventually.js';
import { type PostgresPair, startPair } from '../support/engines/postgres-pair.js';
import { RecordingLogger } from '../support/recorders.js';
import { SCALE, scaledTimeLimit } from '../support/scale.js';

const ROUNDS = Math.max(1, Math.round(10 * SCALE));
const WRITERS = 4;
/** Writers are faster than a handler with a commit for each event: this far behind, it has caught up soon after they end. */
const MOST_UNHANDLED = 200;

/** Each round makes a new standby, which takes most of its time. */
const LOSSES = Math.max(2, Math.round(10 * SCALE));

const logger = { log: () => undefined, warn: () => undefined, error: () => undefined };

const here = process.env.PG_URL === undefined ? describe : describe.skip;

here('with a synchronous standby', () => {
  let pair: PostgresPair;
  beforeAll(async () => {
    pair = await startPair({ isSynchronous: true });
  }, 120_000);
  afterAll(() => pair?.stop(), 60_000);

  it(
    `nothing acknowledged is lost when the primary dies ${ROUNDS} times, and handlers in transactions write once`,
    async () => {
      await pair.primary.run('CREATE TABLE ledger (stream text, number int)');
      const progress = { acknowledged: 0, handled: 0, isOver: false };
      class Ledger {
        @OnStreamEvent({ streams: 'writer-*' }, { durable: 'ledger', transaction: true, leaseDurationMs: 3_000 })
        async write({ streamId, data }: RecordedEvent, { transaction }: StreamEventContext): Promise<void> {
          await (transaction as PostgresTransaction).query('INSERT INTO ledger VALUES ($1, $2)', [streamId, data]);
          progress.handled++;
        }
      }
      const engine = () => postgresEngine({ connectionString: pair.url });
      @Module({ imports: [EventStoreModule.forRoot({ engine: engine(), logger })], providers: [Ledger] })
      class AppModule {}
      const app = await (
        await Test.createTestingModule({ imports: [AppModule] })
          .setLogger(logger)
          .compile()
      ).init();
      const stores = [app.get(EventStore), await openEventStore({ engine: engine(), logger })];
      let forks = 0;
      const reader = collect(stores[1].subscribe({ streams: 'writer-*' }, START, { onFork: () => forks++ }));
      const write = async (store: EventStore, writer: number): Promise<number> => {
        for (let revision = 0; ; revision++) {
          if (progress.isOver) return revision;
          if (progress.acknowledged - progress.handled > MOST_UNHANDLED) {
            await eventually(
              'the handler',
              () => progress.isOver || progress.acknowledged - progress.handled < MOST_UNHANDLED,
            );
          }
          const event = createEvent('counted', revision + 1);
          for (let isKept = false; !isKept;) {
            try {
              await store.append(`writer-${writer}`, event, { expectedRevision: revision });
              isKept = true;
              progress.acknowledged++;
            } catch (error) {
              if (!(error instanceof StorageUnavailableError)) throw error;
              await new Promise((resolve) => setTimeout(resolve, 20));
            }
          }
        }
      };
      const writing = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(stores[writer % 2], writer)));
      writing.catch(() => undefined);

      for (let round = 0; round < ROUNDS; round++) {
        const before = progress.acknowledged;
        await Promise.race([eventually('progress', () => progress.acknowledged >= before + 3 * WRITERS), writing]);
        await pair.failOver();
        await Promise.race([eventually('progress', () => progress.acknowledged > before + 3 * WRITERS), writing]);
        await pair.addStandby();
      }
      progress.isOver = true;
      const revisions = await writing;

      const { events } = await stores[0].readAll({ limit: 0, filter: { streams: 'writer-*' } });
      for (const [writer, revision] of revisions.entries()) {
        expect(dataOf(await stores[0].readStream(`writer-${writer}`))).toEqual(
          Array.from({ length: revision }, (_, index) => index + 1),
        );
      }
      const read = () => reader.items.map(({ id }) => id);
      await eventually('the last event', () => new Set(read()).size >= events.length);
      // A server that dies may show others, for a moment, a commit that its standby has not got. Then the log goes back, and
      // who has seen that is told, and gets again what follows the place up to which both logs are the same.
      const ids = read().filter((id, index, all) => forks === 0 || all.lastIndexOf(id) === index);
      expect(ids).toEqual(events.map(({ id }) => id));
      const ledger = async () =>
        (await pair.primary.run('SELECT stream, number FROM ledger')).map(
          ({ stream, number }) => `${String(stream)}/${String(number)}`,
        );
      await eventually('the ledger', async () => (await ledger()).length >= events.length);
      expect((await ledger()).sort()).toEqual(events.map(({ streamId, data }) => `${streamId}/${Number(data)}`).sort());
      await stores[1].close();
      await app.close();
    },
    scaledTimeLimit(180_000),
  );

  it('appends can be refused while commits do not wait for it, and nothing of them is kept', async () => {
    const open = () =>
      openEventStore({
        engine: postgresEngine({ connectionString: pair.url, schema: 'demanding', requireSynchronousStandby: true }),
        logger,
      });
    const store = await open();
    await store.append('a', numbered(1, 2));

    await pair.waitForStandby("''");
    await eventually('the refusal', () =>
      store.append('b', numbered(1, 1)).then(
        () => false,
        () => true,
      ),
    );
    const error = await rejectionOf(store.append('a', numbered(3, 3), { expectedRevision: 2 }));

    expect(error).toMatchObject({ code: 'STORAGE_UNAVAILABLE', isOutcomeUnknown: false });
    expect((error as Error).message).toContain('requireSynchronousStandby');
    await pair.waitForStandby("'*'");
    await eventually('the acceptance', () =>
      store.append('a', numbered(4, 4), { expectedRevision: 2 }).then(
        () => true,
        () => false,
      ),
    );
    expect(dataOf(await store.readStream('a'))).toEqual([1, 2, 4]);
    await store.close();
  });

  it('a commit whose wait for it was cancelled is in doubt, neither kept nor failed', async () => {
    const store = await openEventStore({
      engine: postgresEngine({ connectionString: pair.url, schema: 'doubt' }),
      logger,
    });
    await store.append('a', numbered(1, 1));
    await pair.waitForStandby("'nobody'");
    const appending = rejectionOf(store.append('a', numbered(2, 2)));
    const waiting = async () =>
      (await pair.primary.run("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))[0]?.pid;
    await eventually('the wait', async () => (await waiting()) !== undefined);

    await pair.primary.run('SELECT pg_cancel_backend($1)', [await waiting()]);

    expect(await appending).toMatchObject({ code: 'STORAGE_UNAVAILABLE', isOutcomeUnknown: true });
    await pair.waitForStandby("'*'");
    await store.close();
  });
});

here('with a standby that lags behind', () => {
  let pair: PostgresPair;
  beforeAll(async () => {
    pair = await startPair();
  }, 120_000);
  afterAll(() => pair?.stop(), 60_000);

  it(
    `each loss is told when the primary dies ${LOSSES} times, and nothing that comes then is passed over`,
    async () => {
      await pair.primary.run('CREATE TABLE ledger (number int)');
      const handled: number[] = [];
      class Handlers {
        @OnStreamEvent({ stream: 'a' }, { durable: 'durable', leaseDurationMs: 3_000 })
        take({ data }: RecordedEvent): void {
          handled.push(Number(data));
        }

        @OnStreamEvent({ stream: 'a' }, { durable: 'ledger', transaction: true, leaseDurationMs: 3_000 })
        async write({ data }: RecordedEvent, { transaction }: StreamEventContext): Promise<void> {
          await (transaction as PostgresTransaction).query('INSERT INTO ledger VALUES ($1)', [data]);
        }
      }
      const forks: string[] = [];
      const metricsCollector: MetricsCollector = { onLogFork: ({ subscription }) => void forks.push(subscription) };
      const engine = postgresEngine({ connectionString: pair.url });
      @Module({ imports: [EventStoreModule.forRoot({ engine, logger, metricsCollector })], providers: [Handlers] })
      class AppModule {}
      const app = await (
        await Test.createTestingModule({ imports: [AppModule] })
          .setLogger(logger)
          .compile()
      ).init();
      const store = app.get(EventStore);
      let liveForks = 0;
      const live = collect(store.subscribe({ stream: 'a' }, START, { onFork: () => liveForks++ }));
      const ledger = async () =>
        (await pair.primary.run('SELECT number FROM ledger')).map(({ number }) => Number(number)).sort((a, b) => a - b);
      const seenByAll = async (number: number): Promise<void> => {
        await eventually('the live reader', () => live.items.some(({ data }) => data === number));
        await eventually('the durable handler', () => handled.includes(number));
        await eventually('the transactional handler', async () => (await ledger()).includes(number));
      };
      let last = 0;
      const append = async (count: number): Promise<void> => {
        const begin = last + 1;
        last += count;
        // What the old primary has not answered it has not kept: it was dead before.
        const events = Array.from({ length: count }, (_, n) => createEvent('counted', begin + n));
        await eventually('the append', () =>
          store.append('a', events).then(
            () => true,
            (error: unknown) => {
              if (error instanceof StorageUnavailableError) return false;
              throw error;
            },
          ),
        );
        await seenByAll(last);
      };

      for (let round = 0; round < LOSSES; round++) {
        await append(3);
        await pair.caughtUp();
        await pair.stopReplication();
        // Everybody has seen what is lost now. What comes then takes fewer, the same, or more positions.
        await append(3);
        const told = { live: liveForks, all: forks.length };
        await pair.failOver();
        await append(1 + (round % 6));

        const kept = (await store.readStream('a')).map(({ data }) => Number(data));
        await eventually('what is told', () => liveForks > told.live && forks.length >= told.all + 3);
        expect(await ledger()).toEqual(kept);
        expect(kept.filter((number) => !handled.includes(number))).toEqual([]);
        const read = new Set(live.items.map(({ id }) => id));
        expect((await store.readStream('a')).filter(({ id }) => !read.has(id))).toEqual([]);
        await pair.addStandby();
      }
      await app.close();
    },
    scaledTimeLimit(180_000),
  );
});

here('with several hosts', () => {
  let pair: PostgresPair;
  beforeAll(async () => {
    pair = await startPair();
  }, 120_000);
  afterAll(() => pair?.stop(), 60_000);

  const open = (schema: string, hosts: readonly string[]) =>
    openEventStore({
      engine: postgresEngine({ connectionString: 'postgres://postgres:postgres@ignored/postgres', hosts, schema }),
      logger,
      startTimeoutMs: 0,
    });

  it('a store works with the primary, wherever it stands in the list', async () => {
    const hosts = [pair.standby.port, pair.primary.port].map((port) => `127.0.0.1:${port}`);

    const store = await open('anywhere', hosts);
    await store.append('a', numbered(1, 1));

    expect(await pair.primary.run('SELECT count(*)::int AS count FROM anywhere.events')).toEqual([{ count: 1 }]);
    await store.close();
  });

  it('it is said once, at the start, that a failover can take what was acknowledged', async () => {
    const warningsOf = async (requireSynchronousStandby: boolean): Promise<string[]> => {
      const recorded = new RecordingLogger();
      const connectionString = `postgres://postgres:postgres@127.0.0.1:${pair.primary.port}/postgres`;
      const engine = postgresEngine({ connectionString, schema: 'told', requireSynchronousStandby });
      await (await openEventStore({ engine, logger: recorded })).close();
      return recorded.warnings.filter((warning) => warning.includes('failover'));
    };

    expect(await warningsOf(false)).toEqual([expect.stringContaining('no commit waits for a standby')]);
    expect(await warningsOf(true)).toEqual([]);
    await pair.waitForStandby("'*'");
    expect(await warningsOf(false)).toEqual([]);
    await pair.waitForStandby("''");
  });

  it('where there is only a standby, it does not open, and says what each of them is', async () => {
    const error = await rejectionOf(open('only_standby', [`127.0.0.1:${pair.standby.port}`, '127.0.0.1:1']));

    expect(error).toBeInstanceOf(StorageUnavailableError);
    expect((error as Error).message).toContain(`127.0.0.1:${pair.standby.port} cannot be used: it is a standby`);
    expect((error as Error).message).toContain('127.0.0.1:1: connect ECONNREFUSED');
  });

  it('a server that was the primary before a promotion, and comes back as one, is not written to', async () => {
    const store = await open('fenced', pair.hosts);
    await store.append('a', numbered(1, 1));
    await pair.caughtUp();
    const old = pair.primary;
    await pair.failOver();
    await eventually('the new primary', () =>
      store.append('a', numbered(2, 2)).then(
        () => true,
        () => false,
      ),
    );

    await old.start();
    await pair.primary.kill();
    const answers: unknown[] = [];
    for (let n = 0; n < 5; n++) answers.push(await rejectionOf(store.append('a', numbered(3, 3))));

    expect(String(answers.at(-1))).toContain('another server was promoted since');
    expect(await old.run('SELECT count(*)::int AS count FROM fenced.events')).toEqual([{ count: 1 }]);
    await store.close();
  });
});
