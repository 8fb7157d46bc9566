import { describe, expect, it } from '@jest/globals';
import { HandlerStoppedError, LeaseLostError, ValidationError } from 'nestjs-stream-store';
import { Cluster, type Instance, stateOf } from '../../support/worlds/cluster.js';
import { until } from '../../support/waiting/collect.js';
import { rejectionOf } from '../../support/events.js';
import { settled } from '../../support/waiting/manual-clock.js';
import { ScriptedHandler } from '../../support/worlds/scripted-handler.js';
import type { Consumer } from '../../../lib/consumer/consumer.js';
import type { HandlerParts } from '../../support/worlds/machine.js';
import { lettersIn } from '../../support/letters-in.js';

const LEASE = 15_000;
const ONE_ATTEMPT = { retry: { attempts: 1 } };

interface Runner {
  readonly instance: Instance;
  readonly handler: ScriptedHandler;
  readonly consumer: Consumer;
}

/** Runs the handler `d` in processes with these names, of which the first gets the lease. */
async function run(cluster: Cluster, names: string, parts: Partial<HandlerParts> = {}): Promise<Runner[]> {
  const runners: Runner[] = [];
  for (const name of names.split(' ')) {
    const instance = await cluster.instance(name);
    const handler = new ScriptedHandler();
    const consumer = await instance.run({ durable: 'd', timeoutMs: 0, ...parts, handle: handler.handle });
    runners.push({ instance, handler, consumer });
  }
  return runners;
}

describe('a durable handler of several processes', () => {
  it('is run by one of them, and the others stand by', async () => {
    const cluster = new Cluster();
    const [a, b, c] = await run(cluster, 'a b c');

    await cluster.append('a1', 'b1', 'a2');
    await a.consumer.settled();
    await cluster.clock.advance(10 * LEASE);

    expect(a.handler.handled).toEqual(['a1', 'b1', 'a2']);
    expect([b.handler.begun, c.handler.begun]).toEqual([[], []]);
    expect(await stateOf(a.consumer)).toEqual({ state: 'live', holder: 'a', position: 3 });
    expect(await stateOf(b.consumer)).toEqual({ state: 'standby', holder: 'a', position: 3 });
    expect([a.instance.leaseChanges, b.instance.leaseChanges]).toEqual([['d gained'], []]);
  });

  it('says in the log that it stands by, who has it and for how long at most: once for each who has it', async () => {
    const cluster = new Cluster();
    const [a, b, c] = await run(cluster, 'a b c');
    const bySaid = (holder: string): unknown =>
      expect.stringMatching(new RegExp(`^d stands by: ${holder} has its lease\\. .* at most 20000 ms `));
    await cluster.clock.advance(10 * LEASE);
    expect([a, b, c].map(({ instance }) => instance.logger.logs)).toEqual([[], [bySaid('a')], [bySaid('a')]]);

    await a.instance.shutDown();
    await cluster.clock.advance(10 * LEASE);

    const isB = (await stateOf(b.consumer)).holder === 'b';
    expect((isB ? b : c).instance.logger.logs).toEqual([bySaid('a')]);
    expect((isB ? c : b).instance.logger.logs).toEqual([bySaid('a'), bySaid(isB ? 'b' : 'c')]);
    expect(b.instance.logger.warnings).toEqual([]);
  });

  it('is taken over when the one ends gracefully, without a repeat', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');
    await cluster.append('a1', 'a2');
    await a.consumer.settled();

    await a.instance.shutDown();
    await cluster.append('a3');
    await cluster.clock.advance(LEASE / 3);
    await b.consumer.settled();

    expect(b.handler.handled).toEqual(['a3']);
    expect(await stateOf(b.consumer)).toEqual({ state: 'live', holder: 'b', position: 3 });
    expect(a.instance.leaseChanges).toEqual(['d gained', 'd released']);
  });

  it('finishes what it is at under its lease when it ends', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b', { leaseDurationMs: 3_000 });
    a.handler.hold('a1');
    await cluster.append('a1', 'a2');
    await a.handler.hasBegun('a1');

    const ended = a.instance.shutDown();
    await cluster.clock.advance(9_000);
    expect(b.handler.begun).toEqual([]);
    a.handler.release('a1');
    await ended;
    await cluster.clock.advance(1_000);
    await b.consumer.settled();

    expect([a.handler.handled, b.handler.handled]).toEqual([['a1'], ['a2']]);
  });

  it('is taken over when the one has crashed and its lease has ended, and goes on at the checkpoint', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');
    await cluster.append('a1', 'a2');
    await a.consumer.settled();
    await cluster.clock.advance(1_000);
    await cluster.append('a3');
    await until(() => a.handler.handled.length === 3, 'the third event');

    a.instance.crash();
    await cluster.clock.advance(LEASE - 2_000);
    expect(b.handler.begun).toEqual([]);
    await cluster.clock.advance(LEASE);
    await b.consumer.settled();

    // The third event was not in the checkpoint.
    expect(b.handler.handled).toEqual(['a3']);
  });

  it('moves through many processes and misses nothing', async () => {
    const cluster = new Cluster();
    const runners = await run(cluster, 'a b c d e f');
    const names = Array.from({ length: 60 }, (_, index) => `${'xyz'[index % 3]}${index}`);

    for (const [index, { instance }] of runners.entries()) {
      await cluster.append(...names.slice(index * 10, index * 10 + 10));
      await cluster.clock.advance(index * 3_000);
      if (index === 5) break;
      if (index % 2) instance.crash();
      else await instance.shutDown();
    }
    await cluster.clock.advance(2 * LEASE);
    await runners[5].consumer.settled();

    const handled = runners.flatMap(({ handler }) => handler.handled);
    expect([...new Set(handled)].sort()).toEqual([...names].sort());
  });

  it('is run in each of them when it is live', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b', { durable: undefined });

    await cluster.append('a1');
    await Promise.all([a.consumer.settled(), b.consumer.settled()]);

    expect([a.handler.handled, b.handler.handled]).toEqual([['a1'], ['a1']]);
    expect(await stateOf(a.consumer)).toEqual({ state: 'live', holder: undefined, position: 1 });
  });

  it('needs no lease on an engine that one process has for itself', async () => {
    const cluster = new Cluster({ snapshot: false, leases: false, transactions: false });
    const asked: string[] = [];
    const instance = await cluster.instance('a');
    instance.around = (verb, ask) => (asked.push(verb), ask());
    const consumer = await instance.run({ durable: 'd', handle: () => undefined });
    await cluster.append('a1');
    await consumer.settled();
    await instance.shutDown();

    expect(asked.filter((verb) => verb.endsWith('Lease'))).toEqual([]);
    expect(instance.leaseChanges).toEqual([]);
  });
});

describe('a process that cannot renew its lease', () => {
  it('begins no event once another one could take over, and aborts what it is at', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');
    a.handler.hold('a1');
    await cluster.append('a1', 'a2');
    await a.handler.hasBegun('a1');
    const { signal } = a.handler.calls[0].context;
    a.instance.around = (verb, ask) => {
      if (verb === 'acquireLease') throw new Error('no way');
      return ask();
    };

    await cluster.clock.advance(0.9 * LEASE - 1);
    expect(signal.aborted).toBe(false);
    await cluster.clock.advance(1);
    expect(signal.reason).toBeInstanceOf(LeaseLostError);
    expect(signal.reason).toMatchObject({ code: 'LEASE_LOST', lease: 'd' });
    expect(b.handler.begun).toEqual([]);
    a.handler.release('a1');
    await cluster.clock.advance(LEASE);
    await b.consumer.settled();

    expect([a.handler.begun, b.handler.handled]).toEqual([['a1'], ['a1', 'a2']]);
    expect(await stateOf(a.consumer)).toMatchObject({ state: 'standby', holder: 'b' });
  });

  it('says so, and does not count it as a failure', async () => {
    const cluster = new Cluster();
    const [a] = await run(cluster, 'a b');
    a.handler.hold('a1');
    await cluster.append('a1');
    await a.handler.hasBegun('a1');
    a.instance.around = (verb, ask) => {
      if (verb === 'acquireLease') throw new Error('no way');
      return ask();
    };

    await cluster.clock.advance(5 * LEASE);

    expect(await a.consumer.status()).toMatchObject({ state: 'standby', failures: 0, lastError: undefined });
    expect(a.instance.failures).toEqual([]);
    expect(a.instance.logger.warnings).toEqual([expect.stringMatching(/^d: The lease of "d" was not renewed in time/)]);
    expect(a.instance.logger.errors).toEqual([expect.stringMatching(/lease of "d" could not be asked for.*no way/)]);
    expect(a.instance.backgroundFailures).toEqual(['lease']);
    expect(a.instance.leaseChanges).toEqual(['d gained', 'd lost']);
    a.handler.release('a1');
  });

  it('keeps it when some renewals fail', async () => {
    const cluster = new Cluster();
    const [a] = await run(cluster, 'a b');
    let asked = 0;
    a.instance.around = (verb, ask) => {
      if (verb === 'acquireLease' && ++asked % 6 !== 0) throw new Error('no way');
      return ask();
    };

    await cluster.clock.advance(20 * LEASE);

    expect(await stateOf(a.consumer)).toMatchObject({ state: 'live', holder: 'a' });
    expect(a.instance.leaseChanges).toEqual(['d gained']);
  });

  it('takes it again when it can be asked for, and nobody else has it', async () => {
    const cluster = new Cluster();
    const [a] = await run(cluster, 'a');
    let isCutOff = true;
    a.instance.around = (verb, ask) => {
      if (isCutOff && verb === 'acquireLease') throw new Error('no way');
      return ask();
    };
    await cluster.append('a1');
    await cluster.clock.advance(2 * LEASE);
    isCutOff = false;
    await cluster.append('a2');
    await cluster.clock.advance(LEASE);
    await a.consumer.settled();

    expect(a.handler.handled).toEqual(['a1', 'a2']);
    expect(a.instance.leaseChanges).toEqual(['d gained', 'd lost', 'd gained']);
  });

  it.each([
    ['', () => undefined],
    [', also when it is resumed', (consumer: Consumer) => void consumer.resume()],
  ])(
    'waits for the answer to a checkpoint that it was saving%s, so that it cannot save over a later one',
    async (_, act) => {
      const cluster = new Cluster();
      const [a] = await run(cluster, 'a', { checkpointEvery: 1 });
      let answer!: () => void;
      let isCutOff = true;
      a.instance.around = (verb, ask) => {
        if (isCutOff && verb === 'acquireLease') throw new Error('no way');
        if (isCutOff && verb === 'saveCheckpoint') return new Promise<void>((resolve) => (answer = resolve)).then(ask);
        return ask();
      };
      await cluster.append('a1');
      await cluster.clock.advance(0.9 * LEASE);
      expect(a.instance.leaseChanges).toEqual(['d gained', 'd lost']);
      isCutOff = false;
      act(a.consumer);

      await cluster.clock.advance(2 * LEASE);
      expect(a.instance.leaseChanges).toHaveLength(2);
      answer();
      await cluster.clock.advance(LEASE);
      await a.consumer.settled();

      expect(a.instance.leaseChanges).toHaveLength(3);
      expect(cluster.memory.checkpoints.get('d')!.position).toBe(1);
    },
  );
});

describe('a process that stalls for longer than its lease', () => {
  it('finds the handler taken over, hands nothing out, and saves nothing', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b', { checkpointEvery: 1 });
    await cluster.append('a1');
    await a.consumer.settled();
    a.instance.stall();
    await b.instance.store.append('a', { type: 'named', data: 'a2' });
    await cluster.clock.advance(2 * LEASE);
    await b.consumer.settled();
    const { position } = cluster.memory.checkpoints.get('d')!;

    a.instance.goOn();
    await settled();
    await cluster.append('a3');
    await b.consumer.settled();

    expect([a.handler.begun, b.handler.handled]).toEqual([['a1'], ['a2', 'a3']]);
    expect(position).toBe(2);
    expect(await stateOf(a.consumer)).toMatchObject({ state: 'standby', holder: 'b' });
    expect(a.instance.leaseChanges).toEqual(['d gained', 'd lost']);
  });

  it.each([
    ['goes on', async () => undefined],
    ['ends as soon as it goes on', ({ consumer }: Runner) => consumer.stop()],
    ['is paused as soon as it goes on', ({ consumer }: Runner) => consumer.pause()],
  ])('says so in one warning and nothing else, when it %s', async (_, act) => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b', { checkpointEvery: 10 });
    a.handler.hold('a1');
    await cluster.append('a1', 'b1');
    await a.handler.hasBegun('a1');
    a.instance.stall();
    await cluster.clock.advance(2 * LEASE);
    await b.consumer.settled();

    a.handler.release('a1');
    const acted = act(a);
    a.instance.goOn();
    await acted;
    for (let turn = 0; turn < 20; turn++) await settled();
    await cluster.clock.advance(2 * LEASE);

    expect(a.instance.logger.warnings).toEqual([expect.stringMatching(/^d: The lease of "d" was not renewed in time/)]);
    expect(a.instance.logger.errors).toEqual([]);
    expect(a.instance.backgroundFailures).toEqual([]);
  });

  it('says so in one warning and nothing else, when the engine refuses the last checkpoint of an orderly end', async () => {
    const cluster = new Cluster();
    const [a] = await run(cluster, 'a', { checkpointEvery: 10 });
    await cluster.append('a1');
    await until(() => a.handler.handled.length === 1, 'the event');
    cluster.memory.leases.set('d', { name: 'd', holder: 'x', token: 7, endsAt: cluster.clock.now() + 2 * LEASE });

    await a.consumer.stop();

    expect(a.instance.logger.warnings).toEqual([expect.stringMatching(/^d: The lease of "d"/)]);
    expect(a.instance.logger.errors).toEqual([]);
    expect(a.instance.backgroundFailures).toEqual([]);
  });

  it('does not begin the next event although no timer has told it yet', async () => {
    const cluster = new Cluster();
    const [a] = await run(cluster, 'a');
    a.handler.hold('a1');
    await cluster.append('a1', 'a2');
    await a.handler.hasBegun('a1');

    cluster.clock.jump(LEASE);
    a.handler.release('a1');
    for (let turn = 0; turn < 20; turn++) await settled();
    expect(a.handler.begun).toEqual(['a1']);

    await cluster.clock.advance(LEASE);
    await a.consumer.settled();
    expect(a.handler.handled.at(-1)).toBe('a2');
  });

  it('does not try an event again that failed', async () => {
    const cluster = new Cluster();
    const [a] = await run(cluster, 'a', { retry: { attempts: 3, initialDelayMs: 0 } });
    a.handler.hold('a1').fail('a1', 1);
    await cluster.append('a1');
    await a.handler.hasBegun('a1');

    cluster.clock.jump(LEASE);
    a.handler.release('a1');
    for (let turn = 0; turn < 20; turn++) await settled();

    expect(a.handler.begun).toEqual(['a1']);
    await cluster.clock.advance(LEASE);
    await a.consumer.settled();
  });

  it('does not make a dead letter of what the other process may handle', async () => {
    const cluster = new Cluster();
    const [a] = await run(cluster, 'a', ONE_ATTEMPT);
    a.handler.hold('a1').fail('a1', 1);
    await cluster.append('a1');
    await a.handler.hasBegun('a1');

    cluster.clock.jump(LEASE);
    a.handler.release('a1');
    await cluster.clock.advance(LEASE);
    await a.consumer.settled();

    expect(await lettersIn(a.instance.deadLetters)).toEqual([]);
    expect(a.handler.handled).toEqual(['a1']);
  });

  it('learns it from the engine when its own clock has stood still', async () => {
    const cluster = new Cluster();
    const [a] = await run(cluster, 'a', { checkpointEvery: 1 });
    // Another process has the lease, whatever this one believes.
    cluster.memory.leases.set('d', { name: 'd', holder: 'x', token: 7, endsAt: cluster.clock.now() + 2 * LEASE });
    const before = cluster.memory.checkpoints.get('d');

    await cluster.append('a1', 'a2');
    await until(() => a.instance.leaseChanges.length === 2, 'the loss');

    expect(cluster.memory.checkpoints.get('d')).toBe(before);
    expect(await stateOf(a.consumer)).toMatchObject({ state: 'standby', holder: 'x' });
    expect(a.instance.logger.errors).toEqual([]);
    await cluster.clock.advance(3 * LEASE);
    await a.consumer.settled();
    expect(a.handler.handled.slice(-2)).toEqual(['a1', 'a2']);
  });
});

describe('a handler that is paused', () => {
  it('with its lease keeps it, so that nobody goes on in its place', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');

    await a.consumer.pause();
    await cluster.append('a1');
    await cluster.clock.advance(5 * LEASE);
    expect([await stateOf(a.consumer), await stateOf(b.consumer)]).toEqual([
      { state: 'paused', holder: 'a', position: 0 },
      { state: 'standby', holder: 'a', position: 0 },
    ]);
    await a.consumer.resume();
    await a.consumer.settled();

    expect([a.handler.handled, b.handler.begun]).toEqual([['a1'], []]);
  });

  it('while it stands by does not take over, until it is resumed', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');

    await b.consumer.pause();
    await a.instance.shutDown();
    await cluster.append('a1').catch(() => undefined);
    await b.instance.store.append('a', { type: 'named', data: 'a1' });
    await cluster.clock.advance(5 * LEASE);
    expect(await stateOf(b.consumer)).toEqual({ state: 'paused', holder: undefined, position: 0 });
    await b.consumer.resume();
    await b.consumer.settled();

    expect(b.handler.handled.at(-1)).toBe('a1');
  });

  it('before it was opened does not ask for its lease', async () => {
    const cluster = new Cluster();
    const instance = await cluster.instance('a');
    const handler = new ScriptedHandler();
    const consumer = instance.consumer({ durable: 'd', handle: handler.handle });
    await consumer.pause();
    await consumer.open();
    consumer.start();
    await cluster.append('a1');
    await cluster.clock.advance(LEASE);
    expect(await stateOf(consumer)).toEqual({ state: 'paused', holder: undefined, position: 0 });

    await consumer.resume();
    await consumer.settled();

    expect(handler.handled).toEqual(['a1']);
  });

  it('and loses its lease lets others go on, and stays paused', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');
    await a.consumer.pause();
    a.instance.stall();
    await cluster.clock.advance(2 * LEASE);
    a.instance.goOn();
    await cluster.append('a1');
    await b.consumer.settled();
    await b.instance.shutDown();
    await cluster.clock.advance(2 * LEASE);

    expect(await stateOf(a.consumer)).toEqual({ state: 'paused', holder: undefined, position: 1 });
    expect(b.handler.handled).toEqual(['a1']);
  });
});

it('a handler that has stopped after a failure keeps its lease, so that nobody passes the event', async () => {
  const cluster = new Cluster();
  const [a, b] = await run(cluster, 'a b', { onFailure: 'stop', ...ONE_ATTEMPT });
  a.handler.fail('a1', 1);
  await cluster.append('a1', 'a2');
  await cluster.clock.advance(5 * LEASE);

  expect(await a.consumer.status()).toMatchObject({ state: 'halted', lastError: new Error('no a1'), failures: 1 });
  expect(b.handler.begun).toEqual([]);
  await a.consumer.resume();
  await a.consumer.settled();

  expect(a.handler.handled).toEqual(['a1', 'a2']);
});

describe('waiting until a handler that stands by is settled', () => {
  it('waits until the other process has handled what was appended', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');
    a.handler.hold('a2');
    await cluster.append('a1', 'a2');
    let isSettled = false;
    const waiting = b.consumer.settled().then(() => (isSettled = true));

    await cluster.clock.advance(5_000);
    expect(isSettled).toBe(false);
    a.handler.release('a2');
    await cluster.clock.advance(1_200);
    await waiting;

    expect(a.handler.handled).toEqual(['a1', 'a2']);
  });

  it('does not wait for what is not for the handler, nor for what comes later', async () => {
    const cluster = new Cluster();
    const [, b] = await run(cluster, 'a b', { target: { streams: 'a' } });
    await cluster.append('a1', 'b1', 'c1');
    await cluster.clock.advance(1_000);
    await cluster.append('b2');
    const waiting = b.consumer.settled();
    await settled();
    await cluster.append('a2');

    await cluster.clock.advance(200);

    await waiting;
  });

  it('of one stream, too', async () => {
    const cluster = new Cluster();
    const [, b] = await run(cluster, 'a b', { target: 'a' });
    const empty = b.consumer.settled();
    await cluster.clock.advance(200);
    await empty;
    await cluster.append('b1', 'a1');
    const waiting = b.consumer.settled();

    await cluster.clock.advance(1_200);

    await waiting;
  });

  it('goes on here when the handler is taken over meanwhile', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');
    a.handler.hold('a1');
    await cluster.append('a1');
    const waiting = b.consumer.settled();
    a.instance.crash();

    await cluster.clock.advance(2 * LEASE);
    await waiting;

    expect(b.handler.handled).toEqual(['a1']);
  });

  it('rejects when it is paused or ends meanwhile', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');
    a.handler.hold('a1');
    await cluster.append('a1');
    const waiting = b.consumer.settled();
    await settled();

    await b.consumer.pause();

    expect(await rejectionOf(waiting)).toBeInstanceOf(HandlerStoppedError);
    a.handler.release('a1');
  });
});

describe('a dead letter', () => {
  it('can be retried and discarded in a process that stands by', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b', ONE_ATTEMPT);
    a.handler.fail('a1').fail('a2');
    await cluster.append('a1', 'a2');
    await a.consumer.settled();

    await b.consumer.retry(await b.instance.deadLetterOf('a1'));
    await b.consumer.discard(await b.instance.deadLetterOf('a2'));

    expect(b.handler.handled).toEqual(['a1']);
    expect(await lettersIn(a.instance.deadLetters)).toEqual([]);
  });

  it('of a parked stream that ends in another process lets the stream go on where the handler is run', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b', { onFailure: 'park-stream', ...ONE_ATTEMPT });
    a.handler.fail('a1').fail('b1');
    await cluster.append('a1', 'a2', 'b1', 'b2');
    await a.consumer.settled();

    await b.consumer.retry(await b.instance.deadLetterOf('a1'));
    await until(() => a.handler.handled.includes('a2'), 'the parked event');
    await b.consumer.discard(await b.instance.deadLetterOf('b1'));
    await until(() => a.handler.handled.includes('b2'), 'the other parked event');

    expect([a.handler.handled, b.handler.handled]).toEqual([['a2', 'b2'], ['a1']]);
  });
});

describe('when a process starts', () => {
  it('it does not, when the lease cannot be asked for', async () => {
    const cluster = new Cluster();
    const instance = await cluster.instance('a');
    instance.around = (verb, ask) => {
      if (verb === 'acquireLease') throw new Error('no way');
      return ask();
    };

    const failure = await rejectionOf(instance.run({ durable: 'd', handle: () => undefined }));

    expect(failure).toEqual(new Error('no way'));
    expect(cluster.clock.pendingTimers).toBe(0);
  });

  it('it does not, and gives the lease back, when the first checkpoint cannot be kept', async () => {
    const cluster = new Cluster();
    const instance = await cluster.instance('a');
    instance.around = (verb, ask) => {
      if (verb === 'saveCheckpoint') throw new Error('disk full');
      return ask();
    };

    const failure = await rejectionOf(instance.run({ durable: 'd', handle: () => undefined }));

    expect(failure).toEqual(new Error('disk full'));
    expect([cluster.memory.holderOf('d'), cluster.clock.pendingTimers]).toEqual([undefined, 0]);
  });

  it('it does not, when the checkpoint counts in something else, also while another process has the lease', async () => {
    const cluster = new Cluster();
    await run(cluster, 'a');
    const other = await cluster.instance('b');

    const failure = await rejectionOf(other.run({ durable: 'd', target: 'a', handle: () => undefined }));

    expect(failure).toBeInstanceOf(ValidationError);
  });

  it('and could not begin, it waits until its lease has ended before it takes it anew', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');
    let letGo!: () => void;
    const isGiven = new Promise<void>((resolve) => (letGo = resolve));
    let hasFailed = false;
    b.instance.around = async (verb, ask) => {
      if (verb === 'releaseLease') await isGiven;
      if (verb !== 'saveCheckpoint' || hasFailed) return ask();
      hasFailed = true;
      throw new Error('disk full');
    };
    await a.instance.shutDown();
    await cluster.clock.advance(LEASE);
    expect(hasFailed).toBe(true);

    await b.consumer.resume();
    await settled();
    letGo();
    await settled();

    expect(await stateOf(b.consumer)).toEqual({ state: 'live', holder: 'b', position: 0 });
  });

  it('and takes over, but cannot begin, it lets others try, and tries again', async () => {
    const cluster = new Cluster();
    const [a, b] = await run(cluster, 'a b');
    let isBroken = true;
    let failures = 0;
    b.instance.around = (verb, ask) => {
      if (isBroken && verb === 'loadCheckpoint') throw new Error(`no way ${++failures}`);
      return ask();
    };
    await a.instance.shutDown();
    await cluster.clock.advance(4 * LEASE);
    expect(failures).toBeGreaterThan(2);
    expect(failures).toBeLessThan(20);
    expect(b.instance.logger.errors[0]).toMatch(/^d could not begin where it was, and tries again: .*no way 1/);
    isBroken = false;
    await b.instance.store.append('a', { type: 'named', data: 'a1' });
    await cluster.clock.advance(LEASE);
    await b.consumer.settled();

    expect(b.handler.handled).toEqual(['a1']);
  });
});

it('a handler that ends while it asks for its lease leaves none behind', async () => {
  const cluster = new Cluster();
  const instance = await cluster.instance('a');
  let answer!: () => void;
  instance.around = (verb, ask) =>
    verb === 'acquireLease' ? new Promise<void>((resolve) => (answer = resolve)).then(ask) : ask();
  const consumer = instance.consumer({ durable: 'd', handle: () => undefined });
  const opening = consumer.open();
  await settled();

  const stopped = consumer.stop();
  await settled();
  answer();
  await Promise.all([opening, stopped]);

  expect([cluster.memory.holderOf('d'), cluster.clock.pendingTimers]).toEqual([undefined, 0]);
});
