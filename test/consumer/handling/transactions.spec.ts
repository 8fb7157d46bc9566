import { describe, expect, it } from '@jest/globals';
import { type RecordedEvent, StorageUnavailableError, type StreamEventContext } from 'nestjs-stream-store';
import type { Consumer } from '../../../lib/consumer/consumer.js';
import { Cluster, type Instance } from '../../support/worlds/cluster.js';
import { microtasks, until } from '../../support/waiting/collect.js';
import { rejectionOf } from '../../support/events.js';
import type { HandlerParts } from '../../support/worlds/machine.js';
import type { SharedMemoryClient } from '../../support/engines/shared-memory-engine.js';
import { lettersIn } from '../../support/letters-in.js';

const LEASE = 15_000;
/** Long enough for a lease to end, and for pauses between attempts. */
const LONG = 4 * LEASE;

type Context = StreamEventContext<SharedMemoryClient>;
type Act = (name: string, context: Context, insert: () => void) => unknown;

/** Inserts a row with the name of the event, unless the test says otherwise. */
async function run(
  instance: Instance,
  act: Act = (_name, _context, insert) => insert(),
  parts: Partial<HandlerParts> = {},
): Promise<Consumer> {
  return instance.run({
    durable: 'd',
    transaction: true,
    ...parts,
    handle: (event: RecordedEvent, context) => {
      const name = event.data as string;
      const { transaction } = context as Context;
      return act(name, context as Context, () => transaction.insert(name));
    },
  });
}

const forever = (): Promise<never> => new Promise(() => undefined);
const unavailable = (isOutcomeUnknown: boolean): Error =>
  new StorageUnavailableError('the server', isOutcomeUnknown, new Error('it is gone'));

/** One that goes on appending when the processes that handle events end. */
async function clusterThatAppends(): Promise<Cluster> {
  const cluster = new Cluster();
  await cluster.instance('x');
  return cluster;
}

/** Does something instead of the transaction of this number, from 1, of an instance. */
function atTransaction(instance: Instance, number: number, act: (ask: () => unknown) => unknown): void {
  let count = 0;
  instance.around = (verb, ask) => (verb === 'transact' && ++count === number ? act(ask) : ask());
}

describe('a handler with transactions', () => {
  it('has its rows and its checkpoint in one transaction', async () => {
    const cluster = new Cluster();
    const a = await cluster.instance('a');
    const consumer = await run(a);

    await cluster.append('a1', 'b1', 'a2');
    await consumer.settled();

    expect(cluster.memory.rows).toEqual(['a1', 'b1', 'a2']);
    const { position, ahead } = cluster.memory.checkpoints.get('d')!;
    expect([position, ...ahead].at(-1)).toBe(3);
  });

  it('has no transaction unless it wants one', async () => {
    const cluster = new Cluster();
    const contexts: unknown[] = [];
    const handle = (_event: RecordedEvent, { transaction }: StreamEventContext): void =>
      void contexts.push(transaction);
    const consumer = await (await cluster.instance('a')).run({ durable: 'd', handle });

    await cluster.append('a1');
    await consumer.settled();

    expect(contexts).toEqual([undefined]);
  });

  it('leaves nothing of an attempt that fails', async () => {
    const cluster = new Cluster();
    const attempts: number[] = [];
    const consumer = await run(await cluster.instance('a'), (_name, { attempt }, insert) => {
      attempts.push(attempt);
      insert();
      if (attempt < 3) throw new Error('not yet');
    });

    await cluster.append('a1');
    await cluster.clock.advance(LONG);
    await consumer.settled();

    expect(attempts).toEqual([1, 2, 3]);
    expect(cluster.memory.rows).toEqual(['a1']);
  });

  it('counts attempts that were rolled back, also across a crash', async () => {
    const cluster = new Cluster();
    const attempts: string[] = [];
    const act: Act = (name, { attempt }) => {
      attempts.push(`${name} ${attempt}`);
      throw new Error('never');
    };
    const a = await cluster.instance('a');
    await run(a, act, { retry: { attempts: 3 } });
    await cluster.append('a1');
    await until(() => attempts.length === 1, 'the first attempt');
    await until(() => cluster.memory.checkpoints.get('d')!.attempts.length === 0, 'the pause');
    await cluster.clock.advance(200);
    a.crash();

    const b = await cluster.instance('b');
    await run(b, act, { retry: { attempts: 3 } });
    await cluster.clock.advance(LONG);

    expect(attempts.at(-1)).toBe('a1 3');
    expect((await lettersIn(b.deadLetters)).map(({ event }) => event.data)).toEqual(['a1']);
    expect(cluster.memory.rows).toEqual([]);
  });

  it('leaves nothing of an attempt that takes too long, and refuses what it writes later', async () => {
    const cluster = new Cluster();
    let refusal: unknown;
    let goOn!: () => void;
    const consumer = await run(
      await cluster.instance('a'),
      async (_name, { attempt }, insert) => {
        insert();
        if (attempt > 1) return;
        await new Promise<void>((resolve) => (goOn = resolve));
        refusal = await rejectionOf(Promise.resolve().then(insert));
      },
      { timeoutMs: 1_000 },
    );

    await cluster.append('a1');
    await cluster.clock.advance(LONG);
    await consumer.settled();
    goOn();
    await until(() => refusal !== undefined, 'the refusal');

    expect(refusal).toMatchObject({ message: 'the transaction is over' });
    expect(cluster.memory.rows).toEqual(['a1']);
  });

  it('leaves nothing of an event that becomes a dead letter; a retry of it is a transaction as well', async () => {
    const cluster = new Cluster();
    const a = await cluster.instance('a');
    let isMended = false;
    const consumer = await run(
      a,
      (name, _context, insert) => {
        insert();
        if (name === 'a2' && !isMended) throw new Error('no a2');
      },
      { retry: { attempts: 2, initialDelayMs: 0 } },
    );

    await cluster.append('a1', 'a2', 'a3');
    await consumer.settled();
    expect(cluster.memory.rows).toEqual(['a1', 'a3']);
    await rejectionOf(consumer.retry(await a.deadLetterOf('a2')));
    expect(cluster.memory.rows).toEqual(['a1', 'a3']);
    isMended = true;
    await consumer.retry(await a.deadLetterOf('a2'));

    expect(cluster.memory.rows).toEqual(['a1', 'a3', 'a2']);
    expect(await lettersIn(a.deadLetters)).toEqual([]);
  });
});

describe('what a handler writes in its transactions is there once', () => {
  const EVENTS = ['a1', 'b1', 'c1', 'a2', 'd1', 'b2', 'a3', 'c2'];
  const COMMITS = EVENTS.map((_, index) => index + 1);

  const ways: Partial<HandlerParts>[] = [
    { concurrency: 1 },
    { concurrency: 3, checkpointEvery: 1 },
    { concurrency: 4, checkpointEvery: 100 },
    { concurrency: 2, partitions: 2 },
  ];

  /** Another process goes on where the one that ends while it handles them has been. */
  async function expectAllRowsAfterTheEndOf(
    a: Instance,
    cluster: Cluster,
    parts: Partial<HandlerParts>,
  ): Promise<void> {
    await cluster.append(...EVENTS);
    await until(() => !a.isAlive, 'the end of the process');

    const b = await cluster.instance('b');
    const consumer = await run(b, undefined, parts);
    await cluster.clock.advance(LONG);
    await consumer.settled();

    expect([...cluster.memory.rows].sort()).toEqual([...EVENTS].sort());
  }

  it.each(ways)('when the process ends after any commit: %p', async (parts) => {
    for (const number of COMMITS) {
      const cluster = await clusterThatAppends();
      const a = await cluster.instance('a');
      atTransaction(a, number, async (ask) => {
        await ask();
        a.crash();
        return forever();
      });
      await run(a, undefined, parts);
      await expectAllRowsAfterTheEndOf(a, cluster, parts);
    }
  });

  it.each(ways)('when the process ends at work on any event: %p', async (parts) => {
    for (const deadly of EVENTS) {
      const cluster = await clusterThatAppends();
      const a = await cluster.instance('a');
      const act: Act = (name, _context, insert) => {
        insert();
        if (name !== deadly) return undefined;
        a.crash();
        return forever();
      };
      await run(a, act, parts);
      await expectAllRowsAfterTheEndOf(a, cluster, parts);
    }
  });

  it.each(ways)('when nobody knows whether a commit was carried out: %p', async (parts) => {
    for (const number of COMMITS) {
      for (const isCarriedOut of [true, false]) {
        const cluster = new Cluster();
        const a = await cluster.instance('a');
        atTransaction(a, number, async (ask) => {
          if (isCarriedOut) await ask();
          throw unavailable(true);
        });
        const consumer = await run(a, undefined, parts);

        await cluster.append(...EVENTS);
        await cluster.clock.advance(LONG);
        await consumer.settled();

        expect([...cluster.memory.rows].sort()).toEqual([...EVENTS].sort());
        expect(a.failures).toEqual([]);
      }
    }
  });

  it('when another process has taken over meanwhile', async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.instance('a'), await cluster.instance('b')];
    let goOn!: () => void;
    await run(
      a,
      async (name, _context, insert) => {
        insert();
        if (name === 'a2') await new Promise<void>((resolve) => (goOn = resolve));
      },
      { timeoutMs: 0 },
    );
    const consumer = await run(b);
    await cluster.append('a1', 'a2', 'a3');
    await until(() => goOn !== undefined, 'a2');

    a.stall();
    await cluster.clock.advance(2 * LEASE);
    await consumer.settled();
    goOn();
    a.goOn();
    await cluster.clock.advance(LEASE);

    expect(cluster.memory.rows).toEqual(['a1', 'a2', 'a3']);
  });

  it('in a stream that was parked', async () => {
    const events = ['a1', 'a2', 'b1', 'a3', 'a4', 'a5'];
    for (const number of [1, 2, 3, 4, 5, 6]) {
      const cluster = new Cluster();
      let isMended = false;
      const act: Act = (name, _context, insert) => {
        insert();
        if (name === 'a1' && !isMended) throw new Error('no a1');
      };
      const parts = { onFailure: 'park-stream', retry: { attempts: 1 }, concurrency: 2 } as const;
      const a = await cluster.instance('a');
      const before = await run(a, act, parts);
      await cluster.append(...events);
      await before.settled();
      isMended = true;
      atTransaction(a, number, async (ask) => {
        await ask();
        a.crash();
        return forever();
      });
      void before.retry(await a.deadLetterOf('a1')).catch(() => undefined);
      await cluster.clock.advance(1);
      a.crash();

      const b = await cluster.instance('b');
      const consumer = await run(b, act, parts);
      await cluster.clock.advance(LONG);
      const [letter] = await lettersIn(b.deadLetters);
      // The retry itself is not part of it: it may have been kept, and the letter still be there.
      if (letter) await consumer.discard(letter);
      await cluster.clock.advance(LONG);
      await consumer.settled();

      expect(cluster.memory.rows.filter((row) => row !== 'a1').sort()).toEqual(['a2', 'a3', 'a4', 'a5', 'b1']);
    }
  });
});

describe('a checkpoint that is kept', () => {
  /** What a process that takes over does again. */
  async function repeatsAfter(a: Instance, cluster: Cluster): Promise<string[]> {
    await until(() => !a.isAlive, 'the end of the process');
    const repeats: string[] = [];
    const b = await cluster.instance('b');
    const consumer = await run(b, (name, _context, insert) => {
      if (cluster.memory.rows.includes(name)) repeats.push(name);
      insert();
    });
    await cluster.clock.advance(LONG);
    await consumer.settled();
    return repeats;
  }

  it('is not undone by a transaction that began before and takes longer', async () => {
    const cluster = await clusterThatAppends();
    const a = await cluster.instance('a');
    let commits = 0;
    cluster.memory.beforeCommit = async () => {
      if (++commits === 1) await microtasks(100);
    };
    await cluster.append('a1', 'b1');
    await run(a, undefined, { concurrency: 2 });
    await until(() => cluster.memory.rows.length === 2, 'both rows');
    a.crash();

    expect(await repeatsAfter(a, cluster)).toEqual([]);
  });

  it('is not undone by one that is saved now and then, and takes longer', async () => {
    const cluster = await clusterThatAppends();
    const a = await cluster.instance('a');
    let saves = 0;
    a.around = async (verb, ask) => {
      // The first one says that the handler runs.
      if (verb !== 'saveCheckpoint' || ++saves !== 2) return ask();
      await microtasks(100);
      await ask();
      a.crash();
    };
    await cluster.append('a1', 'b1');
    const act: Act = async (name, _context, insert) => {
      insert();
      // It is done while the save is on its way.
      if (name === 'b1') await microtasks(40);
    };
    await run(a, act, { checkpointEvery: 1, concurrency: 2 });

    expect(await repeatsAfter(a, cluster)).toEqual([]);
  });

  it('does not say that an event was handled whose transaction was refused', async () => {
    const cluster = await clusterThatAppends();
    const a = await cluster.instance('a');
    let commits = 0;
    cluster.memory.beforeCommit = () => {
      if (++commits === 1) throw new Error('a constraint');
    };
    await cluster.append('a1', 'b1');
    await run(a, undefined, { concurrency: 2, retry: { initialDelayMs: 10_000 } });
    await until(() => cluster.memory.rows.length === 1, 'the other row');
    a.crash();

    expect(await repeatsAfter(a, cluster)).toEqual([]);
    expect([...cluster.memory.rows].sort()).toEqual(['a1', 'b1']);
  });
});

it('a storage that is away is waited for, and is no failure of the handler', async () => {
  const cluster = new Cluster();
  const a = await cluster.instance('a');
  let isAway = true;
  a.around = (verb, ask) => {
    if (verb === 'transact' && isAway) throw unavailable(false);
    return ask();
  };
  const consumer = await run(a, undefined, { retry: { attempts: 1 } });

  await cluster.append('a1');
  await cluster.clock.advance(10_000);
  expect([cluster.memory.rows, a.failures]).toEqual([[], []]);
  isAway = false;
  await cluster.clock.advance(1_000);
  await consumer.settled();

  expect(cluster.memory.rows).toEqual(['a1']);
  expect(await lettersIn(a.deadLetters)).toEqual([]);
});

it('a commit that the engine refuses is a failed attempt', async () => {
  const cluster = new Cluster();
  const a = await cluster.instance('a');
  atTransaction(a, 1, () => {
    throw new Error('a constraint');
  });
  const consumer = await run(a);

  await cluster.append('a1');
  await cluster.clock.advance(LONG);
  await consumer.settled();

  expect(a.failures).toEqual(['d']);
  expect(cluster.memory.rows).toEqual(['a1']);
});
