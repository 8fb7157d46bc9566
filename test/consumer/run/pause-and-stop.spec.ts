import { describe, expect, it } from '@jest/globals';
import { HandlerTimeoutError } from 'nestjs-stream-store';
import { until } from '../../support/waiting/collect.js';
import { rejectionOf } from '../../support/events.js';
import { lateEngine } from '../../support/engines/late-engine.js';
import { Machine } from '../../support/worlds/machine.js';
import { settled } from '../../support/waiting/manual-clock.js';
import { ScriptedHandler } from '../../support/worlds/scripted-handler.js';

const AT_ONCE = { initialDelayMs: 0 };

describe('a handler that is paused', () => {
  it('gets no further event until it is resumed, and then every one, once', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', handle: handler.handle });
    await machine.append('a1');
    await consumer.settled();

    await consumer.pause();
    await machine.append('a2', 'b1');
    await settled();
    expect([handler.handled, consumer.state]).toEqual([['a1'], 'paused']);
    await consumer.resume();
    await consumer.settled();

    expect([handler.handled, consumer.state]).toEqual([['a1', 'a2', 'b1'], 'live']);
  });

  it('has finished what it was at when pausing resolves, and has not begun what was waiting', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1', 'b1');
    const consumer = await machine.run({ durable: 'd', concurrency: 2, handle: handler.handle });
    await machine.append('a1', 'b1', 'a2', 'c1');
    await handler.hasBegun('b1');
    let isPaused = false;
    const paused = consumer.pause().then(() => (isPaused = true));

    handler.release('a1');
    await settled();
    expect([isPaused, handler.handled]).toEqual([false, ['a1']]);
    handler.release('b1');
    await paused;
    expect(handler.begun).toEqual(['a1', 'b1']);
    expect(machine.checkpoints.at(-1)?.position).toBe(2);
    await consumer.resume();
    await consumer.settled();

    expect([...handler.handled].sort()).toEqual(['a1', 'a2', 'b1', 'c1']);
  });

  it('does not get again what it had handled ahead of a slow stream', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1').fail('a1', 1);
    const consumer = await machine.run({ durable: 'd', concurrency: 2, handle: handler.handle });
    await machine.append('a1', 'b1', 'c1', 'a2');
    await until(() => handler.handled.length === 2, 'the second event');

    const paused = consumer.pause();
    handler.release('a1');
    await paused;
    expect(consumer.position).toBe(0);
    await consumer.resume();
    await consumer.settled();

    expect(handler.handled).toEqual(['b1', 'c1', 'a1', 'a2']);
  });

  it('leaves an event that waits for its next attempt as it is', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1', 1);
    const consumer = await machine.run({ durable: 'd', handle: handler.handle });
    await machine.append('a1');
    await handler.hasBegun('a1');
    await settled();

    await consumer.pause();
    await machine.clock.advance(60_000);
    expect(handler.begun).toEqual(['a1']);
    await consumer.resume();
    await consumer.settled();

    expect([handler.begun, handler.handled]).toEqual([['a1', 'a1'], ['a1']]);
  });

  it('may be paused and resumed again and again, also at the same time', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', concurrency: 2, handle: handler.handle });
    const names = Array.from({ length: 60 }, (_, index) => `${'ab'[index % 2]}${Math.floor(index / 2) + 1}`);

    for (const [index, name] of names.entries()) {
      await machine.append(name);
      if (index % 3 === 0) await Promise.all([consumer.pause(), consumer.pause()]);
      if (index % 3 === 1) await Promise.all([consumer.resume(), consumer.resume(), consumer.resume()]);
      if (index % 7 === 0) await Promise.all([consumer.pause(), consumer.resume()]);
    }
    await consumer.resume();
    await consumer.settled();

    expect([...handler.handled].sort()).toEqual([...names].sort());
    expect((await machine.store.stats()).subscriptionsActive).toBe(1);
  });

  it('stays paused when it is paused while it is being resumed', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', handle: handler.handle });
    await consumer.pause();

    await Promise.all([consumer.resume(), consumer.pause()]);
    await machine.append('a1');
    await settled();

    expect([consumer.state, handler.begun]).toEqual(['paused', []]);
  });

  it('before it was started does not begin, until it is resumed', async () => {
    const machine = await Machine.start();
    await machine.append('a1');
    const handler = new ScriptedHandler();
    const consumer = machine.consumer({ durable: 'd', handle: handler.handle });
    await consumer.open();

    await consumer.pause();
    consumer.start();
    await settled();
    expect([handler.begun, consumer.state]).toEqual([[], 'paused']);
    await consumer.resume();
    await consumer.settled();

    expect(handler.handled).toEqual(['a1']);
  });

  it('while it looks for its checkpoint does not save over it', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'a2');
    await (await machine.run({ durable: 'd', handle: new ScriptedHandler().handle })).settled();
    await machine.shutDown();

    await machine.boot();
    machine.around = (verb, ask) => (verb === 'loadCheckpoint' ? settled().then(settled).then(ask) : ask());
    const handler = new ScriptedHandler();
    const consumer = machine.consumer({ durable: 'd', handle: handler.handle });
    await Promise.all([consumer.open(), consumer.pause()]);
    await machine.append('a3');
    await consumer.resume();
    await consumer.settled();

    expect(handler.handled).toEqual(['a3']);
    expect(machine.checkpoints.map(({ position }) => position).slice(1)).not.toContain(0);
  });

  it('is stopped in the end as any other, and goes on after a restart', async () => {
    const machine = await Machine.start();
    const consumer = await machine.run({ durable: 'd', handle: new ScriptedHandler().handle });
    await consumer.pause();
    await machine.append('a1');
    await machine.shutDown();

    await machine.boot();
    const handler = new ScriptedHandler();
    await (await machine.run({ durable: 'd', handle: handler.handle })).settled();

    expect(handler.handled).toEqual(['a1']);
  });

  it('can be a live one: it gets what was appended meanwhile', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ handle: handler.handle });
    await consumer.pause();
    await machine.append('a1');

    await consumer.resume();
    await consumer.settled();

    expect(handler.handled).toEqual(['a1']);
  });

  it('is not resumed by a failure of what it was at', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1').fail('a1', 1);
    const consumer = await machine.run({
      durable: 'd',
      onFailure: 'stop',
      retry: { attempts: 1 },
      handle: handler.handle,
    });
    await machine.append('a1', 'a2');
    await handler.hasBegun('a1');

    const paused = consumer.pause();
    handler.release('a1');
    await paused;
    expect([consumer.state, consumer.lastError]).toEqual(['paused', new Error('no a1')]);
    await consumer.resume();
    await consumer.settled();

    expect(handler.handled).toEqual(['a1', 'a2']);
  });
});

describe('a durable handler that is stopped', () => {
  it('begins nothing more, finishes what it is at, and saves how far it came', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1', 'b1');
    const consumer = await machine.run({ durable: 'd', concurrency: 2, handle: handler.handle });
    await machine.append('a1', 'b1', 'a2', 'c1');
    await handler.hasBegun('b1');
    let hasStopped = false;
    const stopped = consumer.stop().then(() => (hasStopped = true));

    handler.release('b1');
    await settled();
    expect(hasStopped).toBe(false);
    handler.release('a1');
    await stopped;

    expect([handler.begun, consumer.state]).toEqual([['a1', 'b1'], 'ended']);
    expect(machine.checkpoints.at(-1)).toMatchObject({ position: 2, ahead: [], isRunning: false });
    expect(machine.clock.pendingTimers).toBe(0);
  });

  it('handles nothing twice: the next process goes on with the rest', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler().hold('a3');
    const consumer = await machine.run({ durable: 'd', concurrency: 3, handle: before.handle });
    await machine.append('a1', 'a2', 'a3', 'b1', 'a4', 'c1');
    await until(() => before.handled.length === 4, 'the fourth event');
    const stopped = consumer.stop();
    before.release('a3');
    await stopped;
    await machine.shutDown();

    await machine.boot();
    const after = new ScriptedHandler();
    await (await machine.run({ durable: 'd', concurrency: 3, handle: after.handle })).settled();

    expect([...before.handled].sort()).toEqual(['a1', 'a2', 'a3', 'b1', 'c1']);
    expect(after.handled).toEqual(['a4']);
  });

  it('does not wait for the pause before the next attempt', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ durable: 'd', handle: handler.handle });
    await machine.append('a1');
    await handler.hasBegun('a1');
    await settled();

    await consumer.stop();

    expect(handler.begun).toEqual(['a1']);
    expect(machine.clock.pendingTimers).toBe(0);
  });

  it('waits for what is at work only as long as the store allows, then aborts it and says so', async () => {
    const machine = await Machine.start({ shutdownTimeoutMs: 5_000 });
    const before = new ScriptedHandler().hold('a2');
    const parts = { durable: 'd', timeoutMs: 0 };
    const consumer = await machine.run({ ...parts, handle: before.handle });
    await machine.append('a1', 'a2', 'a3');
    await before.hasBegun('a2');
    let hasStopped = false;
    const stopped = consumer.stop().then(() => (hasStopped = true));

    await machine.clock.advance(4_999);
    expect(hasStopped).toBe(false);
    await machine.clock.advance(1);
    await stopped;
    expect(before.calls.at(-1)!.context.signal.aborted).toBe(true);
    expect(machine.logger.errors).toEqual([
      expect.stringMatching(/^d did not finish within shutdownTimeoutMs \(5000 ms\)\. Its attempts were aborted\.$/),
    ]);
    expect(machine.checkpoints.at(-1)).toMatchObject({ position: 1, isRunning: false });
    expect(consumer.failures).toBe(0);
    before.release('a2');
    await machine.shutDown();

    await machine.boot();
    const after = new ScriptedHandler();
    await (await machine.run({ ...parts, handle: after.handle })).settled();
    expect(after.calls.map(({ event, context }) => [event.data, context.attempt])).toEqual([
      ['a2', 1],
      ['a3', 1],
    ]);
  });

  it('does not count the attempt that it aborted', async () => {
    const machine = await Machine.start({ shutdownTimeoutMs: 5_000 });
    const before = new ScriptedHandler().fail('a1', 1);
    const parts = { durable: 'd', timeoutMs: 0, retry: { attempts: 2 } };
    const consumer = await machine.run({ ...parts, handle: before.handle });
    await machine.append('a1');
    await before.hasBegun('a1');
    before.hold('a1');
    await machine.clock.advance(50);
    await before.hasBegun('a1', 2);
    const stopped = consumer.stop();
    await machine.clock.advance(5_000);
    await stopped;
    await machine.shutDown();

    await machine.boot();
    const after = new ScriptedHandler();
    await (await machine.run({ ...parts, handle: after.handle })).settled();

    expect(after.calls.map(({ context }) => context.attempt)).toEqual([2]);
    expect(await machine.deadEvents()).toEqual([]);
  });

  it('stays stopped: resuming it does nothing', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', handle: handler.handle });
    await consumer.stop();

    await consumer.resume();
    await machine.append('a1');
    await settled();
    await settled();

    expect([consumer.state, handler.begun]).toEqual(['ended', []]);
    expect((await machine.store.stats()).subscriptionsActive).toBe(0);
  });

  it('may be stopped twice, and at once', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({ durable: 'd', handle: handler.handle });
    await machine.append('a1');
    await handler.hasBegun('a1');

    const both = [consumer.stop(), consumer.stop()];
    handler.release('a1');
    await Promise.all(both);
    await consumer.stop();

    expect(machine.checkpoints.at(-1)).toMatchObject({ position: 1, isRunning: false });
    expect(machine.clock.pendingTimers).toBe(0);
  });

  it('before it was started has a checkpoint all the same', async () => {
    const machine = await Machine.start();
    await machine.append('a1');
    const consumer = machine.consumer({ durable: 'd', handle: new ScriptedHandler().handle });
    await consumer.open();

    await consumer.stop();

    expect(machine.checkpoints.at(-1)).toMatchObject({ position: 0, isRunning: false });
  });

  it('that was never opened saves nothing over the checkpoint there is', async () => {
    const machine = await Machine.start();
    const consumer = machine.consumer({ durable: 'd', handle: new ScriptedHandler().handle });

    await consumer.stop();

    expect(machine.checkpoints).toEqual([]);
  });

  it('that could not load its checkpoint saves nothing over it', async () => {
    const machine = await Machine.start();
    machine.around = (verb, ask) => {
      if (verb === 'loadCheckpoint') throw new Error('disk on fire');
      return ask();
    };
    const consumer = machine.consumer({ durable: 'd', handle: new ScriptedHandler().handle });
    expect(await rejectionOf(consumer.open())).toEqual(new Error('disk on fire'));

    await consumer.stop();

    expect(machine.checkpoints).toEqual([]);
  });

  it('that cannot save its last checkpoint says so, and the next process repeats what was not saved', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler();
    await (await machine.run({ durable: 'd', handle: before.handle })).settled();
    await machine.append('a1', 'a2');
    await until(() => before.handled.length === 2, 'the second event');
    machine.around = (verb, ask) => {
      if (verb === 'saveCheckpoint') throw new Error('disk full');
      return ask();
    };

    await machine.shutDown();

    expect(machine.logger.errors.at(-1)).toMatch(/^d could not save its last checkpoint.*disk full/);
    machine.around = (_verb, ask) => ask();
    await machine.boot();
    const after = new ScriptedHandler();
    await (await machine.run({ durable: 'd', handle: after.handle })).settled();
    expect(after.handled).toEqual(['a1', 'a2']);
  });

  it('waits for a dead letter that is being retried', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1', 1);
    const consumer = await machine.run({ durable: 'd', retry: { attempts: 1 }, handle: handler.handle });
    await machine.append('a1');
    await consumer.settled();
    handler.hold('a1');
    const retried = consumer.retry(await machine.deadLetterOf('a1'));
    await handler.hasBegun('a1', 2);

    let isDown = false;
    const down = machine.shutDown().then(() => (isDown = true));
    for (let turn = 0; turn < 5; turn++) await settled();
    expect(isDown).toBe(false);
    handler.release('a1');
    await retried;
    await down;

    await machine.boot();
    expect(await machine.deadEvents('d')).toEqual([]);
  });

  it('aborts a retry of a dead letter that takes too long; the letter stays as it was', async () => {
    const machine = await Machine.start({ shutdownTimeoutMs: 5_000 });
    const handler = new ScriptedHandler().fail('a1', 1);
    const consumer = await machine.run({
      durable: 'd',
      timeoutMs: 0,
      retry: { attempts: 1 },
      handle: handler.handle,
    });
    await machine.append('a1');
    await consumer.settled();
    handler.hold('a1');
    const retried = rejectionOf(consumer.retry(await machine.deadLetterOf('a1')));
    await handler.hasBegun('a1', 2);

    const down = machine.shutDown();
    await machine.clock.advance(5_000);
    await down;

    expect(await retried).toMatchObject({ code: 'HANDLER_STOPPED', handler: 'd' });
    expect(machine.logger.errors.at(-1)).toMatch(/^d did not finish/);
    await machine.boot();
    expect(await machine.deadLetterOf('a1')).toMatchObject({ attempts: 1, error: { message: 'no a1' } });
    handler.release('a1');
  });
});

describe('a live handler that is stopped', () => {
  it('first handles everything that was appended until then', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({ handle: handler.handle });
    const names = Array.from({ length: 100 }, (_, index) => `a${index + 1}`);
    await machine.append(...names);
    await handler.hasBegun('a1');

    const stopped = consumer.stop();
    handler.release('a1');
    await stopped;

    expect(handler.handled).toEqual(names);
  });

  it('gets nothing that is appended after that', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ handle: handler.handle });
    await machine.append('a1');

    await consumer.stop();
    await machine.append('a2');
    await settled();

    expect(handler.handled).toEqual(['a1']);
  });

  it('does so only as long as the store allows', async () => {
    const machine = await Machine.start({ shutdownTimeoutMs: 5_000 });
    const handler = new ScriptedHandler().hold('a2');
    const consumer = await machine.run({ timeoutMs: 0, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3');
    await handler.hasBegun('a2');
    let hasStopped = false;
    void consumer.stop().then(() => (hasStopped = true));

    await machine.clock.advance(4_999);
    expect(hasStopped).toBe(false);
    await machine.clock.advance(1);
    await settled();

    expect([hasStopped, handler.begun]).toEqual([true, ['a1', 'a2']]);
    expect(handler.calls.at(-1)!.context.signal.aborted).toBe(true);
    expect(machine.logger.errors).toEqual([
      expect.stringMatching(
        /^Live.handler did not finish within shutdownTimeoutMs \(5000 ms\)\. Its attempts were aborted\.$/,
      ),
    ]);
    handler.release('a2');
  });

  it('does so with its retries, and with the time limit of each attempt', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1').fail('a2', 1);
    const consumer = await machine.run({ timeoutMs: 100, retry: { attempts: 2, ...AT_ONCE }, handle: handler.handle });
    await machine.append('a1', 'a2');
    await handler.hasBegun('a1');

    const stopped = consumer.stop();
    await machine.clock.advance(100);
    await machine.clock.advance(100);
    await stopped;
    handler.release('a1');

    expect(handler.begun).toEqual(['a1', 'a1', 'a2', 'a2']);
    expect(handler.calls[0].context.signal.reason).toBeInstanceOf(HandlerTimeoutError);
    expect(machine.failures).toHaveLength(3);
  });

  it('that stands still is not waited for', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ handle: handler.handle });
    await consumer.pause();
    await machine.append('a1');

    await consumer.stop();

    expect(handler.handled).toEqual([]);
  });
});

it('a store that closes before its handlers were stopped stops them', async () => {
  const machine = await Machine.start();
  const handler = new ScriptedHandler();
  const consumer = await machine.run({ durable: 'd', handle: handler.handle });
  await machine.append('a1');
  await consumer.settled();

  await machine.store.close();
  await until(() => consumer.state === 'ended', 'the stop');

  expect(machine.logger.errors).toEqual([]);
  await consumer.stop();
});

it('a handler can be opened and stopped on an engine that answers late', async () => {
  const machine = await Machine.start({ engine: lateEngine() });
  const handler = new ScriptedHandler();
  const consumer = machine.consumer({ durable: 'd', handle: handler.handle });

  const opened = consumer.open();
  await consumer.stop();
  await opened;

  expect(consumer.state).toBe('ended');
});
