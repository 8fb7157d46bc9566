import { describe, expect, it } from '@jest/globals';
import { END, LogForkedError, type RecordedEvent, type StreamEventContext } from 'nestjs-stream-store';
import type { Consumer } from '../../../lib/consumer/consumer.js';
import { Cluster, type Instance } from '../../support/worlds/cluster.js';
import { until } from '../../support/waiting/collect.js';
import type { HandlerParts } from '../../support/worlds/machine.js';
import { settled } from '../../support/waiting/manual-clock.js';
import { Random } from '../../support/worlds/random.js';
import { scaled } from '../../support/scale.js';
import type { SharedMemoryClient } from '../../support/engines/shared-memory-engine.js';
import { lettersIn } from '../../support/letters-in.js';
import { internalsOf } from '../../../lib/store/store-internals.js';

const ALONE = { snapshot: false, leases: true, transactions: true };

const FIRST = { old: 100, lost: 200, new: 300 };

/** Names of events, by turns of the streams `a`, `b` and `c`: a letter, and a number that tells the times apart. */
const names = (when: keyof typeof FIRST, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${'abc'[index % 3]}${FIRST[when] + index}`);

const isNew = (name: string): boolean => Number(name.slice(1)) >= FIRST.new;

interface Running {
  readonly handled: string[];
  readonly consumer: Consumer;
}

async function run(instance: Instance, parts: Partial<HandlerParts> = {}): Promise<Running> {
  const handled: string[] = [];
  const handle = (event: RecordedEvent, context: StreamEventContext): void => {
    handled.push(event.data as string);
    (context.transaction as SharedMemoryClient | undefined)?.insert(event.data as string);
  };
  const consumer = await instance.run({ durable: 'd', handle, ...parts });
  return { handled, consumer };
}

/** Lets time go by, until nothing happens any more. */
async function calm(cluster: Cluster, rounds = 25): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await cluster.clock.advance(1_000);
    await settled();
  }
}

const KINDS: [string, Partial<HandlerParts>][] = [
  ['a durable handler', {}],
  ['a durable handler that began at the end', { from: END }],
  ['a durable handler of one stream', { target: 'a' }],
  ['a durable handler with concurrency', { concurrency: 4 }],
  ['a durable handler with partitions', { partitions: 3 }],
  ['a durable handler with transactions', { transaction: true }],
  ['a durable handler with transactions and concurrency', { transaction: true, concurrency: 3 }],
  ['a handler that is not durable', { durable: undefined }],
];

describe.each(KINDS)('when the log goes back, %s', (_kind, parts) => {
  const isMine = (name: string): boolean => parts.target === undefined || name.startsWith('a');
  const newOnes = (handled: readonly string[]): string[] => [...new Set(handled)].filter(isNew);

  it.each([
    ['and is shorter', 4],
    ['and has grown past what was seen', 20],
  ])('gets every new event (%s)', async (_how, count) => {
    const cluster = new Cluster(ALONE);
    const instance = await cluster.instance('one');
    const { handled } = await run(instance, parts);
    await cluster.append(...names('old', 6));
    await calm(cluster, 3);
    const copy = cluster.memory.backUp();
    await cluster.append(...names('lost', 9));
    await calm(cluster, 3);
    await cluster.memory.putBack(copy);
    await cluster.append(...names('new', count));
    await calm(cluster);

    expect(newOnes(handled).sort()).toEqual(names('new', count).filter(isMine).sort());
    expect(instance.logger.errors.join('\n')).toMatch(/put back to an earlier state/);
  });

  it.each(['in order', 'by a crash'])('gets every new event after it was ended %s and begun again', async (how) => {
    if (parts.durable === undefined && 'durable' in parts) return;
    const cluster = new Cluster(ALONE);
    await cluster.instance('writer');
    const first = await cluster.instance('one');
    const { consumer } = await run(first, { ...parts, from: 'start' });
    await cluster.append(...names('old', 6));
    await calm(cluster, 3);
    const copy = cluster.memory.backUp();
    await cluster.append(...names('lost', 9));
    await calm(cluster, 3);
    await cluster.memory.putBack(copy);
    if (how === 'in order') await consumer.stop();
    else first.crash();
    await cluster.append(...names('new', 20));
    const { handled } = await run(await cluster.instance('two'), { ...parts, from: 'start' });
    await calm(cluster, 30);

    expect(newOnes(handled).sort()).toEqual(names('new', 20).filter(isMine).sort());
  });
});

describe('when the log goes back, a durable handler', () => {
  it('goes back to its checkpoint, so that what it wrote in transactions is there exactly once', async () => {
    const cluster = new Cluster(ALONE);
    const instance = await cluster.instance('one');
    await run(instance, { transaction: true });
    await cluster.append('a1', 'a2', 'a3', 'a4', 'a5');
    await calm(cluster, 3);
    const before = cluster.memory.backUp();
    await cluster.append('a6', 'a7', 'a8', 'a9');
    await calm(cluster, 3);
    // All events are there, and what was done about the last ones is not.
    const after = cluster.memory.backUp();
    await cluster.memory.putBack({ ...before, events: after.events });
    await cluster.append('a10');
    await calm(cluster);

    expect(cluster.memory.rows).toEqual(['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'a9', 'a10']);
  });

  it('goes back to the newest place that is as it was, when only events were lost', async () => {
    const cluster = new Cluster(ALONE);
    const { handled } = await run(await cluster.instance('one'));
    await cluster.append(...names('old', 6));
    await calm(cluster, 3);
    const before = cluster.memory.backUp();
    await cluster.append(...names('lost', 3));
    await calm(cluster, 3);
    const after = cluster.memory.backUp();
    await cluster.memory.putBack({ ...after, events: before.events });
    await cluster.append(...names('new', 8));
    await calm(cluster);

    expect(handled.slice(9)).toEqual(names('new', 8));
  });

  it('stops when it is told to, and begins at its checkpoint when it is resumed', async () => {
    const cluster = new Cluster(ALONE);
    const { handled, consumer } = await run(await cluster.instance('one'), { onFork: 'stop' });
    await cluster.append(...names('old', 3));
    await calm(cluster, 3);
    const copy = cluster.memory.backUp();
    await cluster.append(...names('lost', 3));
    await calm(cluster, 3);
    await cluster.memory.putBack(copy);
    await cluster.append(...names('new', 5));
    await calm(cluster, 5);

    expect(handled.some(isNew)).toBe(false);
    const { state, lastError } = await consumer.status();
    expect([state, lastError]).toEqual(['halted', expect.any(LogForkedError)]);

    await consumer.resume();
    await until(() => handled.length >= 11, 'the last event');
    expect(handled.slice(-5)).toEqual(names('new', 5));
  });

  it('saves no place beyond the end of the log', async () => {
    const cluster = new Cluster(ALONE);
    const { consumer } = await run(await cluster.instance('one'));
    await cluster.append(...names('old', 3));
    await calm(cluster, 3);
    const copy = cluster.memory.backUp();
    await cluster.append(...names('lost', 3));
    await settled();
    await cluster.memory.putBack(copy);
    await consumer.stop();

    expect(cluster.memory.checkpoints.get('d')!.position).toBeLessThanOrEqual(3);
  });

  it('has the dead letters that are in the log, and not those that were lost', async () => {
    const cluster = new Cluster(ALONE);
    const instance = await cluster.instance('one');
    const handle = (): never => {
      throw new Error('it fails');
    };
    await instance.run({ durable: 'd', retry: { attempts: 1 }, handle });
    await cluster.append(...names('old', 1));
    await calm(cluster, 3);
    const copy = cluster.memory.backUp();
    await cluster.append(...names('lost', 3));
    await calm(cluster, 3);
    const letters = async (): Promise<unknown[]> =>
      (await lettersIn(instance.deadLetters)).map(({ event }) => event.data);
    expect(await letters()).toHaveLength(4);
    await cluster.memory.putBack(copy);
    await cluster.append(...names('new', 4));
    await calm(cluster);

    expect((await letters()).sort()).toEqual([...names('old', 1), ...names('new', 4)].sort());
  });

  it('takes a checkpoint of before places were noted', async () => {
    const cluster = new Cluster(ALONE);
    const instance = await cluster.instance('one');
    await cluster.append(...names('old', 6));
    const nothing = { ahead: [], attempts: [], parked: [], isRunning: false };
    await internalsOf(instance.store).saveCheckpoint('d', { position: 4, ...nothing });
    const { handled } = await run(instance);
    await calm(cluster, 2);

    expect(handled).toEqual(names('old', 6).slice(4));
    expect(cluster.memory.checkpoints.get('d')).toMatchObject({ position: 6, id: expect.any(String) });
  });

  it('gets every event of the log there is in the end, whatever goes back and is begun again', async () => {
    for (let seed = 1; seed <= scaled(15); seed++) {
      const random = new Random(seed);
      const cluster = new Cluster(ALONE);
      const writer = await cluster.instance('writer');
      const handled = new Set<string>();
      const handle = ({ id }: RecordedEvent): void => void handled.add(id);
      const parts = random.pick<Partial<HandlerParts>>([{}, { concurrency: 3 }, { partitions: 2 }, { target: 'a' }]);
      let lives = 0;
      let instance = await cluster.instance(`life ${++lives}`);
      let consumer = await instance.run({ durable: 'd', handle, ...parts });
      let number = 0;
      const copies = [cluster.memory.backUp()];
      for (let step = 0; step < 25; step++) {
        const what = random.below(8);
        if (what < 4)
          for (let n = random.below(5); n >= 0; n--) await cluster.append(`${random.pick(['a', 'b'])}${++number}`);
        else if (what === 4) copies.push(cluster.memory.backUp());
        else if (what === 5) await cluster.memory.putBack(random.pick(copies));
        else if (what === 6) await calm(cluster, 2);
        else {
          if (random.below(2) === 0) instance.crash();
          else await consumer.stop();
          instance = await cluster.instance(`life ${++lives}`);
          consumer = await instance.run({ durable: 'd', handle, ...parts });
        }
      }
      await calm(cluster, 40);
      const { events } = await writer.store.readAll({ limit: 0 });
      const isMine = ({ streamId }: RecordedEvent): boolean => parts.target === undefined || streamId === parts.target;
      const missing = events.filter((event) => isMine(event) && !handled.has(event.id)).map(({ data }) => data);
      expect({ seed, parts, missing }).toEqual({ seed, parts, missing: [] });
    }
  }, 60_000);
});
