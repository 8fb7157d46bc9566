import { describe, expect, it } from '@jest/globals';
import { Cursor, END, START, type SubscriptionStart, type SubscriptionTarget } from 'nestjs-stream-store';
import { until } from '../../support/waiting/collect.js';
import { rejectionOf } from '../../support/events.js';
import { Machine } from '../../support/worlds/machine.js';
import { settled } from '../../support/waiting/manual-clock.js';
import { ScriptedHandler } from '../../support/worlds/scripted-handler.js';

describe('a durable handler', () => {
  it('gets every event of its target, in order, and those that are appended later', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'b1', 'a2');
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', handle: handler.handle });

    await consumer.settled();
    await machine.append('b2', 'a3');
    await consumer.settled();

    expect(handler.handled).toEqual(['a1', 'b1', 'a2', 'b2', 'a3']);
  });

  it('is called only after it was started', async () => {
    const machine = await Machine.start();
    await machine.append('a1');
    const handler = new ScriptedHandler();
    const consumer = machine.consumer({ durable: 'd', handle: handler.handle });

    await consumer.open();
    await settled();
    expect([handler.begun, consumer.state]).toEqual([[], 'starting']);
    consumer.start();
    await consumer.settled();

    expect([handler.begun, consumer.state]).toEqual([['a1'], 'live']);
  });

  it('goes on after a restart where it was', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'b1');
    const before = new ScriptedHandler();
    await (await machine.run({ durable: 'd', handle: before.handle })).settled();
    await machine.shutDown();

    await machine.boot();
    await machine.append('a2', 'c1');
    const after = new ScriptedHandler();
    await (await machine.run({ durable: 'd', handle: after.handle })).settled();

    expect([before.handled, after.handled]).toEqual([
      ['a1', 'b1'],
      ['a2', 'c1'],
    ]);
  });

  it('goes on after a restart where it was in its one stream', async () => {
    const machine = await Machine.start();
    await machine.append('b1', 'a1', 'b2', 'a2');
    const before = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', target: 'a', handle: before.handle });
    await consumer.settled();
    expect(consumer.position).toBe(2);
    await machine.shutDown();

    await machine.boot();
    await machine.append('b3', 'a3');
    const after = new ScriptedHandler();
    await (await machine.run({ durable: 'd', target: 'a', handle: after.handle })).settled();

    expect([before.handled, after.handled]).toEqual([['a1', 'a2'], ['a3']]);
  });

  it('goes on after a crash from the last checkpoint, and what was handled since is delivered again', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', checkpointEvery: 3, handle: before.handle });
    await machine.append('a1', 'a2', 'a3', 'a4', 'a5');
    await consumer.settled();

    await machine.crash();
    await machine.boot();
    const after = new ScriptedHandler();
    await (await machine.run({ durable: 'd', checkpointEvery: 3, handle: after.handle })).settled();

    expect([before.handled, after.handled]).toEqual([
      ['a1', 'a2', 'a3', 'a4', 'a5'],
      ['a4', 'a5'],
    ]);
  });

  it('saves its checkpoint some time after it has handled an event', async () => {
    const machine = await Machine.start();
    const consumer = await machine.run({
      durable: 'd',
      checkpointIntervalMs: 500,
      handle: new ScriptedHandler().handle,
    });
    await machine.append('a1', 'a2');
    await consumer.settled();

    await machine.clock.advance(499);
    expect(machine.checkpoints.at(-1)?.position).toBe(0);
    await machine.clock.advance(1);

    expect(machine.checkpoints.at(-1)?.position).toBe(2);
  });

  it('shares no checkpoint with a handler of another name', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'a2');
    const [one, two] = [new ScriptedHandler(), new ScriptedHandler()];
    await (await machine.run({ durable: 'one', handle: one.handle })).settled();
    await machine.shutDown();

    await machine.boot();
    await (await machine.run({ durable: 'two', handle: two.handle })).settled();

    expect([one.handled, two.handled]).toEqual([
      ['a1', 'a2'],
      ['a1', 'a2'],
    ]);
  });

  it('sees nothing of the streams of the store itself', async () => {
    const machine = await Machine.start();
    const failing = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ durable: 'd', retry: { attempts: 1 }, handle: failing.handle });
    await machine.append('a1', 'a2');
    await consumer.settled();

    expect(failing.begun).toEqual(['a1', 'a2']);
    expect(await machine.deadEvents('d')).toEqual(['a1']);
  });
});

describe('the first run of a durable handler', () => {
  it.each<[string, SubscriptionTarget, SubscriptionStart, string[]]>([
    ['START', { all: true }, START, ['a1', 'b1', 'a2', 'a3']],
    ['a global position', { all: true }, 2, ['a2', 'a3']],
    ['END', { all: true }, END, ['a3']],
    ['START of a stream', 'a', START, ['a1', 'a2', 'a3']],
    ['a position of a stream', 'a', 1, ['a2', 'a3']],
    ['a cursor', 'a', new Cursor('a', 1), ['a2', 'a3']],
    ['END of a stream', 'a', END, ['a3']],
    ['END of a stream that is not there yet', 'n', END, ['n1']],
  ])('begins where it is told: %s', async (_where, target, from, expected) => {
    const machine = await Machine.start();
    await machine.append('a1', 'b1', 'a2');
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', target, from, handle: handler.handle });

    await machine.append('a3', 'n1');
    await consumer.settled();

    expect(handler.handled.filter((data) => data !== 'n1' || expected.includes('n1'))).toEqual(expected);
  });

  it.each<[string, SubscriptionTarget]>([
    ['all streams', { all: true }],
    ['one stream', 'a'],
    ['a stream that is not there yet', 'n'],
  ])('at the END of %s counts, also when it got no event and ended at once', async (_what, target) => {
    const machine = await Machine.start();
    await machine.append('a1', 'b1');
    const never = new ScriptedHandler();
    await (await machine.run({ durable: 'd', target, from: END, handle: never.handle })).settled();
    await machine.shutDown();

    await machine.boot();
    await machine.append('a2', 'n1');
    const handler = new ScriptedHandler();
    await (await machine.run({ durable: 'd', target, from: END, handle: handler.handle })).settled();

    expect(never.handled).toEqual([]);
    expect(handler.handled).toEqual(target === 'n' ? ['n1'] : target === 'a' ? ['a2'] : ['a2', 'n1']);
  });

  it('at the END counts, also when it crashed at once', async () => {
    const machine = await Machine.start();
    await machine.append('a1');
    await machine.run({ durable: 'd', from: END, handle: new ScriptedHandler().handle });
    await machine.crash();

    await machine.boot();
    await machine.append('a2');
    const handler = new ScriptedHandler();
    await (await machine.run({ durable: 'd', from: END, handle: handler.handle })).settled();

    expect(handler.handled).toEqual(['a2']);
  });

  it('at the END of an empty log begins with the first event there ever is', async () => {
    const machine = await Machine.start();
    await machine.run({ durable: 'd', from: END, handle: new ScriptedHandler().handle });
    await machine.crash();

    await machine.boot();
    await machine.append('a1');
    const handler = new ScriptedHandler();
    await (await machine.run({ durable: 'd', from: END, handle: handler.handle })).settled();

    expect(handler.handled).toEqual(['a1']);
  });

  it('is the only one for which it matters where it is told to begin', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'a2');
    await (await machine.run({ durable: 'd', handle: new ScriptedHandler().handle })).settled();
    await machine.shutDown();

    await machine.boot();
    await machine.append('a3');
    const handler = new ScriptedHandler();
    await (await machine.run({ durable: 'd', from: 1, handle: handler.handle })).settled();

    expect(handler.handled).toEqual(['a3']);
  });
});

describe('how a handler is doing', () => {
  it('is told by its state: starting, catching up, live, paused, stopped', async () => {
    const machine = await Machine.start();
    await machine.append('a1');
    const handler = new ScriptedHandler().hold('a1');
    const consumer = machine.consumer({ durable: 'd', handle: handler.handle });
    const states = [consumer.state];

    await consumer.open();
    states.push(consumer.state);
    consumer.start();
    states.push(consumer.state);
    await handler.hasBegun('a1');
    handler.release('a1');
    await consumer.settled();
    states.push(consumer.state);
    await consumer.pause();
    states.push(consumer.state);
    await consumer.resume();
    await consumer.settled();
    states.push(consumer.state);
    await consumer.stop();
    states.push(consumer.state);

    expect(states).toEqual(['starting', 'starting', 'catching-up', 'live', 'paused', 'live', 'ended']);
  });

  it('is told by a position that does not pass an event at work, and by the lag from there', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'b1', 'b2', 'b3');
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({ durable: 'd', concurrency: 2, handle: handler.handle });
    await until(() => handler.handled.length === 3, 'the third event');

    expect([consumer.position, await consumer.lag()]).toEqual([0, 4]);
    handler.release('a1');
    await consumer.settled();

    expect([consumer.position, await consumer.lag()]).toEqual([4, 0]);
  });

  it('is told by no lag when nothing is left for it, although other events came after its last', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'b1', 'b2');
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({ durable: 'd', target: { streams: 'a*' }, handle: handler.handle });
    await handler.hasBegun('a1');
    await until(() => consumer.state === 'live', 'the end of the log');

    handler.release('a1');
    await consumer.settled();

    expect([consumer.position, await consumer.lag()]).toEqual([3, 0]);
  });

  it('is told by positions of the stream when the target is one stream', async () => {
    const machine = await Machine.start();
    await machine.append('b1', 'b2', 'a1', 'a2');
    const handler = new ScriptedHandler().hold('a2');
    const consumer = await machine.run({ durable: 'd', target: 'a', handle: handler.handle });
    await handler.hasBegun('a2');

    expect([consumer.position, await consumer.lag()]).toEqual([1, 1]);
    handler.release('a2');
    await consumer.settled();
  });

  it('is told by the lag while it is paused, too', async () => {
    const machine = await Machine.start();
    const consumer = await machine.run({ durable: 'd', handle: new ScriptedHandler().handle });
    await machine.append('a1');
    await consumer.settled();
    await consumer.pause();

    await machine.append('a2', 'a3');

    expect([consumer.position, await consumer.lag()]).toEqual([1, 2]);
  });

  it('is told by its failures: how many, and the latest', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1', 2).fail('a2', 1, 'just a text');
    const consumer = await machine.run({ durable: 'd', retry: { initialDelayMs: 0 }, handle: handler.handle });
    expect([consumer.failures, consumer.lastError]).toEqual([0, undefined]);

    await machine.append('a1');
    await consumer.settled();
    expect([consumer.failures, consumer.lastError]).toEqual([2, new Error('no a1')]);
    await machine.append('a2', 'a3');
    await consumer.settled();

    expect([consumer.failures, consumer.lastError]).toEqual([3, 'just a text']);
    expect(machine.failures).toEqual(['d', 'd', 'd']);
    expect(handler.handled).toEqual(['a1', 'a2', 'a3']);
  });
});

describe('settled', () => {
  it('waits until everything appended before was handled, also what is retried', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1', 1).hold('a2');
    const consumer = await machine.run({ durable: 'd', handle: handler.handle });
    await machine.append('a1', 'a2');
    let isSettled = false;
    const whenSettled = consumer.settled().then(() => (isSettled = true));

    await handler.hasBegun('a1');
    await settled();
    expect(isSettled).toBe(false);
    await machine.clock.advance(100);
    await handler.hasBegun('a2');
    await settled();
    expect(isSettled).toBe(false);
    handler.release('a2');
    await whenSettled;

    expect(handler.handled).toEqual(['a1', 'a2']);
  });

  it('waits for a handler that has not been started', async () => {
    const machine = await Machine.start();
    await machine.append('a1');
    const handler = new ScriptedHandler();
    const consumer = machine.consumer({ durable: 'd', handle: handler.handle });
    const whenSettled = consumer.settled();

    await consumer.open();
    consumer.start();
    await whenSettled;

    expect(handler.handled).toEqual(['a1']);
  });

  it.each<[string, (consumer: { pause(): Promise<void>; stop(): Promise<void> }) => Promise<void>]>([
    ['paused', (consumer) => consumer.pause()],
    ['stopped', (consumer) => consumer.stop()],
  ])('rejects when the handler is %s, before and meanwhile', async (_how, end) => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({ durable: 'd', handle: handler.handle });
    await machine.append('a1');
    await handler.hasBegun('a1');
    const meanwhile = rejectionOf(consumer.settled());

    const ended = end(consumer);
    handler.release('a1');
    await ended;

    expect(await meanwhile).toMatchObject({ code: 'HANDLER_STOPPED', handler: 'd' });
    expect(await rejectionOf(consumer.settled())).toMatchObject({ code: 'HANDLER_STOPPED', handler: 'd' });
  });

  it('rejects with the reason when a failure stops the handler', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1', Infinity, new Error('broken'));
    const consumer = await machine.run({
      durable: 'd',
      onFailure: 'stop',
      retry: { attempts: 1 },
      handle: handler.handle,
    });
    await machine.append('a1');

    expect(await rejectionOf(consumer.settled())).toMatchObject({
      code: 'HANDLER_STOPPED',
      cause: new Error('broken'),
    });
  });
});

it('settles when what was appended before is handled, although more comes all the time', async () => {
  const machine = await Machine.start();
  let number = 0;
  const consumer = await machine.run({
    durable: 'd',
    handle: async () => {
      number++;
      if (number < 1_000) await machine.append(`a${number}`);
    },
  });
  await machine.append('a0');

  await consumer.settled();

  expect(number).toBeGreaterThan(0);
  expect(number).toBeLessThan(1_000);
});
