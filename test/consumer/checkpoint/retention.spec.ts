import { describe, expect, it } from '@jest/globals';
import type { SubscriptionTarget } from 'nestjs-stream-store';
import { Machine } from '../../support/worlds/machine.js';
import { ScriptedHandler } from '../../support/worlds/scripted-handler.js';

const MINUTE = 60_000;
const KEEPING = { retentionDuration: '10m' };

const TARGETS: [string, SubscriptionTarget][] = [
  ['all streams', { all: true }],
  ['one stream', 'a'],
];

describe.each(TARGETS)('a handler of %s that retention has passed', (_what, target) => {
  it('while it was paused says so, and goes on with the first event that is kept', async () => {
    const machine = await Machine.start(KEEPING);
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', target, handle: handler.handle });
    await machine.append('a1');
    await consumer.settled();
    await consumer.pause();
    await machine.append('a2', 'a3');
    await machine.clock.advance(11 * MINUTE);
    await machine.append('a4');

    await consumer.resume();
    await consumer.settled();

    expect(handler.handled).toEqual(['a1', 'a4']);
    expect(machine.gaps).toHaveLength(1);
    expect(machine.logger.warnings).toEqual([expect.stringMatching(/retention passed .*position 1.*after 3/)]);
    expect([consumer.position, await consumer.lag()]).toEqual([4, 0]);
  });

  it('says so once, also when it is paused and resumed before the next event', async () => {
    const machine = await Machine.start(KEEPING);
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', target, handle: handler.handle });
    await machine.append('a1');
    await consumer.settled();
    await consumer.pause();
    await machine.append('a2', 'a3');
    await machine.clock.advance(11 * MINUTE);

    for (let time = 0; time < 3; time++) {
      await consumer.resume();
      await consumer.settled();
      expect([consumer.position, await consumer.lag()]).toEqual([3, 0]);
      await consumer.pause();
    }

    expect(machine.gaps).toHaveLength(1);
  });

  it('while no process ran says so', async () => {
    const machine = await Machine.start(KEEPING);
    await machine.append('a1', 'a2');
    await (await machine.run({ durable: 'd', target, handle: new ScriptedHandler().handle })).settled();
    await machine.append('a3');
    await machine.shutDown();
    machine.clock.jump(11 * MINUTE);

    await machine.boot(KEEPING);
    await machine.append('a4');
    const handler = new ScriptedHandler();
    await (await machine.run({ durable: 'd', target, handle: handler.handle })).settled();

    expect(handler.handled).toEqual(['a4']);
    expect(machine.gaps).toHaveLength(1);
  });

  it('before it had handled its first event says so, too', async () => {
    const machine = await Machine.start(KEEPING);
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', target, handle: handler.handle });
    await consumer.pause();
    await machine.append('a1', 'a2');
    await machine.clock.advance(11 * MINUTE);
    await machine.append('a3');

    await consumer.resume();
    await consumer.settled();

    expect(handler.handled).toEqual(['a3']);
    expect(machine.gaps).toHaveLength(1);
    expect(machine.logger.warnings).toEqual([expect.stringMatching(/retention passed .*position 0.*after 2/)]);
    expect(await consumer.lag()).toBe(0);
  });

  it('before it had handled its first event says so after a restart, too', async () => {
    const machine = await Machine.start(KEEPING);
    await machine.run({ durable: 'd', target, handle: new ScriptedHandler().handle });
    await machine.shutDown();
    await machine.boot(KEEPING);
    await machine.append('a1', 'a2');
    machine.clock.jump(11 * MINUTE);

    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', target, handle: handler.handle });
    expect([await consumer.lag(), consumer.position]).toEqual([0, 2]);
    await machine.append('a3');
    await consumer.settled();

    expect(handler.handled).toEqual(['a3']);
    expect(machine.gaps).toHaveLength(1);
  });

  it('is told nothing of what was gone before it first came', async () => {
    const machine = await Machine.start(KEEPING);
    await machine.append('a1', 'a2');
    await machine.clock.advance(11 * MINUTE);
    await machine.append('a3');

    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', target, handle: handler.handle });
    await consumer.settled();

    expect([handler.handled, machine.gaps, machine.logger.warnings]).toEqual([['a3'], [], []]);
    expect(await consumer.lag()).toBe(0);
  });
});

it('an event that expires while its handler is at work on it is handled all the same', async () => {
  const machine = await Machine.start(KEEPING);
  const handler = new ScriptedHandler().hold('a1').fail('a1', 1);
  const consumer = await machine.run({ durable: 'd', timeoutMs: 0, handle: handler.handle });
  await machine.append('a1', 'a2');
  await handler.hasBegun('a1');

  await machine.clock.advance(11 * MINUTE);
  handler.release('a1');
  await machine.clock.advance(MINUTE);
  await consumer.settled();

  expect(handler.handled).toEqual(['a1', 'a2']);
});

it('a checkpoint does not go on listing events ahead that were removed', async () => {
  const machine = await Machine.start(KEEPING);
  const before = new ScriptedHandler().hold('a1');
  await machine.run({ durable: 'd', concurrency: 2, timeoutMs: 0, handle: before.handle });
  await machine.append('a1', 'b1', 'b2', 'b3');
  await machine.clock.advance(1_000);
  expect(machine.checkpoints.at(-1)).toMatchObject({ position: 0, ahead: [2, 3, 4] });
  await machine.crash();
  machine.clock.jump(11 * MINUTE);

  await machine.boot(KEEPING);
  await machine.append('c1');
  const after = new ScriptedHandler();
  await (await machine.run({ durable: 'd', concurrency: 2, handle: after.handle })).settled();
  await machine.clock.advance(1_000);

  expect(after.handled).toEqual(['c1']);
  expect(machine.checkpoints.at(-1)).toMatchObject({ position: 5, ahead: [] });
});

it('what expires while it waits in a parked stream does not come any more, and the rest follows', async () => {
  const machine = await Machine.start(KEEPING);
  const handler = new ScriptedHandler().fail('a1');
  const options = { durable: 'd', onFailure: 'park-stream', retry: { attempts: 1 } } as const;
  const consumer = await machine.run({ ...options, handle: handler.handle });
  await machine.append('a1', 'a2');
  await consumer.settled();
  const letter = await machine.deadLetterOf('a1');
  await machine.clock.advance(9 * MINUTE);
  await machine.append('a3');
  await machine.clock.advance(2 * MINUTE);
  await machine.append('a4');
  await consumer.settled();

  await consumer.discard(letter);

  expect(handler.handled).toEqual(['a3', 'a4']);
});
