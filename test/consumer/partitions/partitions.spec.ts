import { describe, expect, it } from '@jest/globals';
import { END, HandlerStoppedError, type RecordedEvent, ValidationError } from 'nestjs-stream-store';
import type { Consumer } from '../../../lib/consumer/consumer.js';
import { partitionOf } from '../../../lib/consumer/partitions/partition.js';
import { shareOf } from '../../../lib/consumer/partitions/partition-balancer.js';
import { Cluster, type Instance } from '../../support/worlds/cluster.js';
import { until } from '../../support/waiting/collect.js';
import { rejectionOf } from '../../support/events.js';
import { type HandlerParts, streamOf } from '../../support/worlds/machine.js';
import { ScriptedHandler } from '../../support/worlds/scripted-handler.js';
import { lettersIn } from '../../support/letters-in.js';

const LEASE = 15_000;
const ALONE = { snapshot: false, leases: false, transactions: false };

interface Runner {
  readonly name: string;
  readonly instance: Instance;
  readonly handler: ScriptedHandler;
  readonly consumer: Consumer;
}

async function runOne(cluster: Cluster, name: string, parts: Partial<HandlerParts> = {}): Promise<Runner> {
  const instance = await cluster.instance(name);
  const handler = new ScriptedHandler();
  const consumer = await instance.run({ durable: 'd', partitions: 4, timeoutMs: 0, ...parts, handle: handler.handle });
  return { name, instance, handler, consumer };
}

async function run(cluster: Cluster, names: string, parts: Partial<HandlerParts> = {}): Promise<Runner[]> {
  const runners: Runner[] = [];
  for (const name of names.split(' ')) runners.push(await runOne(cluster, name, parts));
  return runners;
}

/** How many partitions each process has. */
function shares(cluster: Cluster, partitions = 4): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let number = 0; number < partitions; number++) {
    const holder = cluster.memory.holderOf(`d/${number}`) ?? 'nobody';
    counts[holder] = (counts[holder] ?? 0) + 1;
  }
  return counts;
}

/** `count` events in `streams` streams: a1, b1, …, a2, … */
function names(count: number, streams = 8, first = 0): string[] {
  return Array.from({ length: count }, (_, index) => {
    const number = first + index;
    return `${'abcdefghijklmnopqrstuvwxyz'[number % streams]}${Math.floor(number / streams) + 1}`;
  });
}

const inOrderPerStream = (handled: readonly unknown[]): boolean => {
  const last = new Map<string, number>();
  return handled.every((name) => {
    const stream = streamOf(String(name));
    const number = Number(String(name).slice(stream.length));
    const isNext = number > (last.get(stream) ?? 0);
    last.set(stream, number);
    return isNext;
  });
};

describe('the partition of a stream', () => {
  it('is the FNV-1a hash of its id', () => {
    // The test vectors of draft-eastlake-fnv, modulo the largest number of partitions.
    expect(partitionOf('', 1_024)).toBe(0x811c9dc5 % 1_024);
    expect(partitionOf('a', 1_024)).toBe(0xe40c292c % 1_024);
    expect(partitionOf('foobar', 1_024)).toBe(0xbf9cf968 % 1_024);
    expect(partitionOf('é', 1_024)).toBe(partitionOf(Buffer.from('é').toString(), 1_024));
  });

  it.each([2, 3, 7, 64])('is one of %i that get about as many streams each', (count) => {
    const streams = Array.from({ length: 200 * count }, (_, index) => partitionOf(`order-${index}`, count));
    const counts = Array.from({ length: count }, (_, number) => streams.filter((each) => each === number).length);

    expect(Math.min(...counts)).toBeGreaterThan(120);
    expect(Math.max(...counts)).toBeLessThan(280);
  });
});

it.each([
  [4, 1],
  [4, 2],
  [4, 3],
  [4, 9],
  [1, 3],
  [1_024, 7],
])('%i partitions are shared fairly among %i', (count, members) => {
  const all = Array.from({ length: members }, (_, place) => shareOf(count, members, place));

  expect(all.reduce((sum, share) => sum + share, 0)).toBe(count);
  expect(Math.max(...all)).toBeLessThanOrEqual(Math.ceil(count / members));
  expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(1);
});

describe('a handler with partitions in one process', () => {
  it.each([ALONE, undefined])('handles every event once, in the order of its stream (engine: %p)', async (supports) => {
    const cluster = new Cluster(supports);
    const [{ handler, consumer }] = await run(cluster, 'a', { concurrency: 2 });
    const events = names(60);

    await cluster.append(...events);
    await consumer.settled();

    expect([...handler.handled].sort()).toEqual([...events].sort());
    expect(inOrderPerStream(handler.handled)).toBe(true);
    expect(await consumer.status()).toMatchObject({ state: 'live', position: 60, lag: 0, failures: 0 });
  });

  it('has a checkpoint for each partition, and goes on at all of them', async () => {
    const cluster = new Cluster(ALONE);
    const [{ instance, consumer }] = await run(cluster, 'a');
    await cluster.append(...names(20));
    await consumer.settled();
    await instance.shutDown();

    const [again] = await run(cluster, 'b');
    await cluster.append(...names(5, 8, 20));
    await again.consumer.settled();

    expect([...cluster.memory.checkpoints.keys()].sort()).toEqual(['d', 'd/0', 'd/1', 'd/2', 'd/3']);
    expect([...again.handler.handled].sort()).toEqual([...names(5, 8, 20)].sort());
  });

  it('goes on with the others while one partition waits', async () => {
    const cluster = new Cluster(ALONE);
    const [{ handler, consumer }] = await run(cluster, 'a');
    const slow = names(1)[0];
    handler.hold(slow);
    const events = names(24);
    await cluster.append(...events);
    const isWaiting = (name: string): boolean => partitionOf(streamOf(name), 4) === partitionOf(streamOf(slow), 4);
    const others = events.filter((name) => !isWaiting(name));
    await until(() => handler.handled.length === others.length, 'the others');

    expect([...handler.handled].sort()).toEqual([...others].sort());
    const { partitions, position, state } = await consumer.status();
    expect([position, state]).toEqual([0, expect.stringMatching(/live|catching-up/)]);
    expect(partitions!.filter(({ position: at }) => at === 24)).toHaveLength(3);
    handler.release(slow);
    await consumer.settled();
  });

  it('is paused, resumed and stopped as one', async () => {
    const cluster = new Cluster(ALONE);
    const [{ handler, consumer }] = await run(cluster, 'a');
    await consumer.pause();
    await cluster.append(...names(8));
    expect(await consumer.status()).toMatchObject({ state: 'paused', position: 0, lag: 8 });
    expect(await rejectionOf(consumer.settled())).toBeInstanceOf(HandlerStoppedError);

    await consumer.resume();
    await consumer.settled();
    expect(handler.handled).toHaveLength(8);
    await consumer.stop();

    expect((await consumer.status()).state).toBe('ended');
  });

  it('that stops after a failure shows it, and is resumed', async () => {
    const cluster = new Cluster(ALONE);
    const [{ handler, consumer }] = await run(cluster, 'a', { onFailure: 'stop', retry: { attempts: 1 } });
    handler.fail('c1', 1);
    await cluster.append(...names(8));
    await until(() => handler.begun.includes('c1') && handler.atWork.length === 0, 'the failure');
    await until(() => handler.handled.length >= 4, 'the other partitions');

    expect(await consumer.status()).toMatchObject({ state: 'halted', failures: 1, lastError: new Error('no c1') });
    await consumer.resume();
    await consumer.settled();

    expect([...handler.handled].sort()).toEqual(names(8));
  });

  it.each(['retry', 'discard'] as const)('does a %s of a dead letter where its stream is', async (act) => {
    const cluster = new Cluster(ALONE);
    const parts = { onFailure: 'park-stream', retry: { attempts: 1 } } as const;
    const [{ instance, handler, consumer }] = await run(cluster, 'a', parts);
    handler.fail('a1', 1);
    await cluster.append(...names(16));
    await consumer.settled();
    expect(handler.handled).not.toContain('a2');

    await consumer[act](await instance.deadLetterOf('a1'));

    expect(handler.handled).toContain('a2');
    expect(await lettersIn(instance.deadLetters)).toEqual([]);
  });

  it('begins where it is told, at one place in all partitions', async () => {
    const cluster = new Cluster();
    await cluster.instance('x');
    await cluster.append(...names(10));
    const [a] = await run(cluster, 'a', { from: END });
    a.instance.crash();
    await cluster.append(...names(10, 8, 10));

    const [b] = await run(cluster, 'b', { from: END });
    await cluster.clock.advance(2 * LEASE);
    await b.consumer.settled();

    expect([...b.handler.handled].sort()).toEqual([...names(10, 8, 10)].sort());
  });
});

describe('partitions of several processes', () => {
  it('are shared, and no event is handled twice or left out', async () => {
    const cluster = new Cluster();
    const runners = await run(cluster, 'a b');
    await cluster.clock.advance(LEASE);

    expect(shares(cluster)).toEqual({ a: 2, b: 2 });
    await cluster.append(...names(40));
    const waiting = Promise.all(runners.map(({ consumer }) => consumer.settled()));
    await cluster.clock.advance(2_000);
    await waiting;

    const handled = runners.map(({ handler }) => handler.handled);
    expect(handled.flat().sort()).toEqual([...names(40)].sort());
    expect(handled.map((each) => each.length > 0)).toEqual([true, true]);
    expect(handled.every(inOrderPerStream)).toBe(true);
  });

  it.each([
    [2, 'a b c'],
    [5, 'a b'],
    [8, 'a b c'],
    [16, 'a b c d e'],
    [64, 'a b c d e f g'],
  ])('%i are shared fairly among %s', async (partitions, processes) => {
    const cluster = new Cluster();
    await run(cluster, processes, { partitions });
    await cluster.clock.advance(2 * LEASE);

    const counts = shares(cluster, partitions);
    const most = Math.ceil(partitions / processes.split(' ').length);
    expect(counts.nobody).toBeUndefined();
    expect(Math.max(...Object.values(counts))).toBeLessThanOrEqual(most);
  });

  it('move when a process comes, and when one goes, without a repeat', async () => {
    const cluster = new Cluster();
    const a = await runOne(cluster, 'a');
    await cluster.append(...names(16));
    await a.consumer.settled();
    const b = await runOne(cluster, 'b');
    await cluster.clock.advance(LEASE);
    const together = shares(cluster);
    await cluster.append(...names(16, 8, 16));
    await cluster.clock.advance(2_000);

    await a.instance.shutDown();
    await cluster.append(...names(16, 8, 32));
    await cluster.clock.advance(LEASE);
    await b.consumer.settled();

    expect([together, shares(cluster)]).toEqual([{ a: 2, b: 2 }, { b: 4 }]);
    const handled = [...a.handler.handled, ...b.handler.handled];
    expect([...handled].sort()).toEqual([...names(48)].sort());
  });

  it('move when a process crashes, after its leases have ended', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');
    await cluster.clock.advance(LEASE);
    a.instance.crash();
    await cluster.append(...names(24));

    await cluster.clock.advance(2 * LEASE);
    await b.consumer.settled();

    expect(shares(cluster)).toEqual({ b: 4 });
    expect([...b.handler.handled].sort()).toEqual([...names(24)].sort());
  });

  it('are finished before they move', async () => {
    const cluster = new Cluster();
    const a = await runOne(cluster, 'a');
    const events = names(16, 16);
    a.handler.hold(...events);
    await cluster.append(...events);
    await until(() => a.handler.atWork.length === 4, 'one event of each partition');

    const b = await runOne(cluster, 'b');
    await cluster.clock.advance(6_000);
    expect(b.handler.begun).toEqual([]);
    for (const name of events) a.handler.release(name);
    await cluster.clock.advance(LEASE);
    await Promise.all([a.consumer.settled(), b.consumer.settled()]);

    expect([...a.handler.handled, ...b.handler.handled].sort()).toEqual([...events].sort());
    expect(shares(cluster)).toEqual({ a: 2, b: 2 });
  });

  it('stay with a process that is paused, which takes no others', async () => {
    const cluster = new Cluster();
    const [a, b, c] = await run(cluster, 'a b c');
    await cluster.clock.advance(LEASE);
    await a.consumer.pause();
    const { a: kept } = shares(cluster);
    await b.instance.shutDown();
    await cluster.clock.advance(2 * LEASE);

    expect(shares(cluster)).toEqual({ a: kept, c: 4 - kept });
    await a.consumer.resume();
    await cluster.clock.advance(LEASE);
    expect(shares(cluster)).toEqual({ a: 2, c: 2 });
    await cluster.append(...names(16));
    await cluster.clock.advance(2_000);
    expect([...a.handler.handled, ...c.handler.handled].sort()).toEqual([...names(16)].sort());
  });

  it('leave no trace of processes that have gone, however many come', async () => {
    const cluster = new Cluster();
    await runOne(cluster, 'stays');
    for (let number = 0; number < 5; number++) {
      const [a, b] = await run(cluster, `a${number} b${number}`);
      await cluster.clock.advance(LEASE);
      expect(Object.keys(shares(cluster)).sort()).toEqual([`a${number}`, `b${number}`, 'stays']);
      a.instance.crash();
      await b.instance.shutDown();
      await cluster.clock.advance(2 * LEASE);
    }

    const seats = [...cluster.memory.leases.keys()].filter((name) => name.includes('member'));
    expect(seats.sort()).toEqual(['d/member/0', 'd/member/1', 'd/member/2']);
    expect(shares(cluster)).toEqual({ stays: 4 });
  });

  it('are listed with who has them', async () => {
    const cluster = new Cluster();
    const [a] = await run(cluster, 'a b');
    await cluster.clock.advance(LEASE);
    await cluster.append(...names(12));
    await cluster.clock.advance(2_000);

    const { partitions, ...status } = await a.consumer.status();

    expect(status).toMatchObject({ state: 'live', failures: 0, lastError: undefined });
    expect(partitions!.map(({ number, state, holder }) => `${number} ${holder} ${state}`).sort()).toEqual(
      partitions!.map(({ number, holder }) => `${number} ${holder} ${holder === 'a' ? 'live' : 'standby'}`).sort(),
    );
  });

  it('go on although nobody can see who else there is for a while', async () => {
    const cluster = new Cluster();
    const [a] = await run(cluster, 'a b');
    await cluster.clock.advance(LEASE);
    a.instance.around = (verb, ask) => {
      if (verb === 'listLeases') throw new Error('no way');
      return ask();
    };
    await cluster.clock.advance(5 * LEASE);

    expect(shares(cluster)).toEqual({ a: 2, b: 2 });
    expect(a.instance.logger.errors).toEqual([expect.stringMatching(/^d could not see who else runs it: .*no way/)]);
  });
});

describe('another number of partitions', () => {
  it.each<[number | undefined, number | undefined, RegExp]>([
    [undefined, 4, /was run with 1, .*give it 1 again/],
    [4, undefined, /was run with 4/],
    [4, 8, /was run with 4/],
    [8, 4, /was run with 8/],
  ])('than before is refused: %p, then %p', async (before, after, message) => {
    for (const supports of [ALONE, undefined]) {
      const cluster = new Cluster(supports);
      const first = await runOne(cluster, 'a', { partitions: before });
      await first.instance.shutDown();
      const kept = JSON.stringify([...cluster.memory.checkpoints]);

      const failure = await rejectionOf(runOne(cluster, 'b', { partitions: after }));

      expect(failure).toBeInstanceOf(ValidationError);
      expect((failure as Error).message).toMatch(message);
      expect(JSON.stringify([...cluster.memory.checkpoints])).toBe(kept);
    }
  });

  it('is refused also while the first process starts', async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.instance('a'), await cluster.instance('b')];
    const handle = (): void => undefined;

    const opening = Promise.allSettled([
      a.run({ durable: 'd', partitions: 4, handle }),
      b.run({ durable: 'd', partitions: 8, handle }),
    ]);
    await cluster.clock.advance(LEASE);
    const outcomes = await opening;

    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('begins anew when the process has ended before all was kept', async () => {
    const cluster = new Cluster();
    const instance = await cluster.instance('a');
    let saves = 0;
    instance.around = (verb, ask) => {
      if (verb === 'saveCheckpoint' && ++saves > 2) throw new Error('disk full');
      return ask();
    };
    await rejectionOf(instance.run({ durable: 'd', partitions: 4, handle: () => undefined }));
    expect([...cluster.memory.checkpoints.keys()]).toEqual(['d/0', 'd/1']);
    instance.crash();

    const b = await runOne(cluster, 'b', { partitions: 3 });
    await cluster.append(...names(9));
    await b.consumer.settled();

    expect([...b.handler.handled].sort()).toEqual([...names(9)].sort());
  });
});

it('a partition that retention would pass holds it up', async () => {
  const cluster = new Cluster(ALONE);
  const options = { retentionDuration: '10m', retention: { keepForDurable: true } };
  const instance = await cluster.instance('a', options);
  const handler = new ScriptedHandler().hold('a1');
  const handle = (event: RecordedEvent, context: never): Promise<void> => handler.handle(event, context);
  const consumer = await instance.run({ durable: 'd', partitions: 4, timeoutMs: 0, handle: handle as never });
  await cluster.append('b1', 'a1', 'b2', 'b3');

  await cluster.clock.advance(60 * 60_000);
  expect((await instance.store.readAll()).events.map(({ data }) => data)).toEqual(['a1', 'b2', 'b3']);
  handler.release('a1');
  await consumer.settled();
  await cluster.clock.advance(10 * 60_000);

  expect((await instance.store.readAll()).events).toEqual([]);
});
