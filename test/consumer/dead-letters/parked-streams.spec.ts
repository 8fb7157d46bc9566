import { describe, expect, it } from '@jest/globals';
import { type ConsumerOptions, StorageCorruptedError } from 'nestjs-stream-store';
import type { EventConsumer } from '../../../lib/consumer/run/event-consumer.js';
import { until } from '../../support/waiting/collect.js';
import { rejectionOf } from '../../support/events.js';
import { Machine } from '../../support/worlds/machine.js';
import { settled } from '../../support/waiting/manual-clock.js';
import { ScriptedHandler } from '../../support/worlds/scripted-handler.js';

const PARKING = {
  durable: 'd',
  onFailure: 'park-stream',
  retry: { attempts: 2, initialDelayMs: 0 },
} as const satisfies ConsumerOptions;

describe('a stream whose event failed for good is parked', () => {
  it('its later events wait, and other streams go on', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a2');
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });

    await machine.append('a1', 'a2', 'a3', 'b1', 'a4', 'b2');
    await consumer.settled();

    expect(handler.begun).toEqual(['a1', 'a2', 'a2', 'b1', 'b2']);
    expect(await machine.deadLetterOf('a2')).toMatchObject({ attempts: 2, isParked: true });
    expect(machine.logger.errors).toEqual([expect.stringMatching(/^d failed 2 times.*its stream waits.*no a2/)]);
    await settled();
    expect([await consumer.lag(), consumer.state]).toEqual([0, 'live']);
  });

  it('after a retry that works, what waited is handled in order before the retry resolves', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ ...PARKING, concurrency: 4, handle: handler.handle });
    await machine.append('a1', 'a2', 'b1', 'a3', 'a4');
    await consumer.settled();

    handler.fix('a1');
    await consumer.retry(await machine.deadLetterOf('a1'));

    expect(handler.handled).toEqual(['b1', 'a1', 'a2', 'a3', 'a4']);
    expect(await machine.deadEvents()).toEqual([]);
    await machine.append('a5', 'b2');
    await consumer.settled();
    expect(handler.handled.slice(5)).toEqual(['a5', 'b2']);
  });

  it('a retry that fails leaves it as it is', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });
    await machine.append('a1', 'a2');
    await consumer.settled();
    handler.fail('a1', 1, new Error('still no'));

    const failure = await rejectionOf(consumer.retry(await machine.deadLetterOf('a1')));

    expect(failure).toMatchObject({ code: 'HANDLER_FAILED', handler: 'd', cause: new Error('still no') });
    expect(await machine.deadLetterOf('a1')).toMatchObject({ attempts: 3, error: { message: 'still no' } });
    expect(handler.begun).toEqual(['a1', 'a1', 'a1']);
    expect(handler.calls.at(-1)!.context.attempt).toBe(3);
    expect(consumer.failures).toBe(3);
  });

  it('after a discard, what waited is handled without the event', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3');
    await consumer.settled();

    await consumer.discard(await machine.deadLetterOf('a1'));

    expect(handler.handled).toEqual(['a2', 'a3']);
    expect(await machine.deadEvents()).toEqual([]);
  });

  it('events that are appended while it is being released follow in order', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1').hold('a3');
    const consumer = await machine.run({ ...PARKING, concurrency: 3, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3', 'a4');
    await consumer.settled();

    const discarded = consumer.discard(await machine.deadLetterOf('a1'));
    await handler.hasBegun('a3');
    await machine.append('a5', 'b1', 'a6');
    await until(() => handler.handled.includes('b1'), 'the other stream');
    handler.release('a3');
    await discarded;
    await consumer.settled();

    expect(handler.handled).toEqual(['a2', 'b1', 'a3', 'a4', 'a5', 'a6']);
  });

  it('an event that waited and fails for good parks it again', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1').fail('a3');
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3', 'a4');
    await consumer.settled();

    await consumer.discard(await machine.deadLetterOf('a1'));
    await machine.append('a5', 'b1');
    await consumer.settled();
    expect(handler.handled).toEqual(['a2', 'b1']);
    expect(await machine.deadEvents()).toEqual(['a3']);
    handler.fix('a3');
    await consumer.retry(await machine.deadLetterOf('a3'));

    expect(handler.handled).toEqual(['a2', 'b1', 'a3', 'a4', 'a5']);
    expect(await machine.deadEvents()).toEqual([]);
  });

  it('an event that waited and fails is tried as often as any other', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1').fail('a2', 1);
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3');
    await consumer.settled();

    await consumer.discard(await machine.deadLetterOf('a1'));

    expect(handler.begun).toEqual(['a1', 'a1', 'a2', 'a2', 'a3']);
    expect(await machine.deadEvents()).toEqual([]);
  });

  it('beside others that are parked, each by itself', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1').fail('b1').fail('c1');
    const consumer = await machine.run({ ...PARKING, concurrency: 2, handle: handler.handle });
    await machine.append('a1', 'b1', 'c1', 'a2', 'b2', 'c2', 'd1');
    await consumer.settled();
    expect(handler.handled).toEqual(['d1']);

    await consumer.discard(await machine.deadLetterOf('b1'));
    expect(handler.handled).toEqual(['d1', 'b2']);
    await Promise.all([
      consumer.discard(await machine.deadLetterOf('a1')),
      consumer.discard(await machine.deadLetterOf('c1')),
    ]);

    expect([...handler.handled].sort()).toEqual(['a2', 'b2', 'c2', 'd1']);
  });

  it('only events of the types of the target wait', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1');
    const target = { streams: '*', types: ['wanted'] };
    const consumer = await machine.run({ ...PARKING, target, handle: handler.handle });
    const events = ['a1', 'a2', 'a3', 'a4'].map((data, index) => ({ type: index === 1 ? 'other' : 'wanted', data }));
    await machine.store.append('a', events);
    await machine.store.append('a', { type: 'other', data: 'a5' });
    await consumer.settled();

    await consumer.discard(await machine.deadLetterOf('a1'));
    await machine.store.append('a', { type: 'wanted', data: 'a6' });
    await consumer.settled();

    expect(handler.handled).toEqual(['a3', 'a4', 'a6']);
  });

  it('also when it is the one stream of the target', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ ...PARKING, target: 'a', handle: handler.handle });
    await machine.append('b1', 'a1', 'a2', 'a3');
    await consumer.settled();
    expect(handler.begun).toEqual(['a1', 'a1']);

    handler.fix('a1');
    await consumer.retry(await machine.deadLetterOf('a1'));

    expect(handler.handled).toEqual(['a1', 'a2', 'a3']);
  });

  it('with more events waiting than are read at a time', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });
    const names = Array.from({ length: 350 }, (_, index) => `a${index + 1}`);
    await machine.append(...names);
    await consumer.settled();

    await consumer.discard(await machine.deadLetterOf('a1'));

    expect(handler.handled).toEqual(names.slice(1));
  });

  it('and its events are passed over also while the checkpoint is slow to be saved', async () => {
    const machine = await Machine.start();
    machine.around = (verb, ask) => (verb === 'saveCheckpoint' ? settled().then(ask) : ask());
    const handler = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ ...PARKING, checkpointEvery: 1, handle: handler.handle });
    const names = Array.from({ length: 60 }, (_, index) => `a${index + 1}`);

    await machine.append(...names, 'b1');
    await until(() => handler.handled.includes('b1'), 'the other stream');
    await consumer.settled();

    expect(await consumer.lag()).toBe(0);
  });

  it('is released also when the engine fails after it has kept that the letter was discarded', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });
    await machine.append('a1', 'a2');
    await consumer.settled();
    machine.around = async (verb, ask) => {
      const answer = await ask();
      if (verb === 'append') throw new Error('connection lost');
      return answer;
    };

    const failure = await rejectionOf(consumer.discard(await machine.deadLetterOf('a1')));

    expect(failure).toEqual(new Error('connection lost'));
    expect(handler.handled).toEqual(['a2']);
  });

  it('is released once, however many ask for it at a time', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1').hold('a2');
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3');
    await consumer.settled();
    handler.fix('a1');
    const letter = await machine.deadLetterOf('a1');

    const both = [consumer.discard(letter), consumer.discard(letter)];
    await handler.hasBegun('a2');
    for (let turn = 0; turn < 10; turn++) await settled();
    expect(handler.atWork).toEqual(['a2']);
    handler.release('a2');
    await Promise.all(both);

    expect(handler.handled).toEqual(['a2', 'a3']);
  });
});

describe('a parked stream outlives the process', () => {
  it.each<[string, (machine: Machine) => Promise<void>]>([
    ['a restart', (machine) => machine.shutDown()],
    ['a crash', (machine) => machine.clock.advance(1_000).then(() => machine.crash())],
  ])('of %s', async (_what, end) => {
    const machine = await Machine.start();
    const before = new ScriptedHandler().fail('a1');
    await machine.append('a1', 'a2', 'b1');
    await (await machine.run({ ...PARKING, handle: before.handle })).settled();
    await end(machine);

    await machine.boot();
    await machine.append('a3', 'b2');
    const after = new ScriptedHandler();
    const consumer = await machine.run({ ...PARKING, handle: after.handle });
    await consumer.settled();
    expect(after.handled).toEqual(['b2']);
    await consumer.retry(await machine.deadLetterOf('a1'));

    expect(after.handled).toEqual(['b2', 'a1', 'a2', 'a3']);
  });

  it('that ended between the discard and what waited: the next process goes on with that', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler().fail('a1').hold('a3');
    const consumer = await machine.run({ ...PARKING, handle: before.handle });
    await machine.append('a1', 'a2', 'a3', 'a4', 'b1');
    await consumer.settled();
    await machine.clock.advance(1_000);
    void consumer.discard(await machine.deadLetterOf('a1'));
    await before.hasBegun('a3');
    await machine.clock.advance(1_000);
    await machine.crash();

    await machine.boot();
    const after = new ScriptedHandler();
    await machine.run({ ...PARKING, handle: after.handle });
    await until(() => after.handled.length === 2, 'the last event');
    await machine.append('a5');
    await until(() => after.handled.length === 3, 'the new event');

    expect(after.handled).toEqual(['a3', 'a4', 'a5']);
    expect(machine.logger.errors).toHaveLength(1);
  });

  it('that was ended while what waited was handled: the next process goes on with the rest', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler().fail('a1').hold('a2');
    const consumer = await machine.run({ ...PARKING, handle: before.handle });
    await machine.append('a1', 'a2', 'a3');
    await consumer.settled();
    const discarded = consumer.discard(await machine.deadLetterOf('a1'));
    await before.hasBegun('a2');

    const ended = machine.shutDown();
    before.release('a2');
    await ended;
    await discarded;
    await machine.boot();
    const after = new ScriptedHandler();
    await machine.run({ ...PARKING, handle: after.handle });
    await until(() => after.handled.length === 1, 'the rest');

    expect([before.handled, after.handled]).toEqual([['a2'], ['a3']]);
  });

  it('that crashed before the dead letter was kept: the event is delivered again, and nothing is passed over', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler().fail('a1');
    await machine.run({ ...PARKING, handle: before.handle });
    let hasAsked = false;
    machine.around = (verb, ask, request) => {
      if (verb === 'append' && (request as { streamId: string }).streamId.startsWith('$')) {
        hasAsked = true;
        return new Promise(() => undefined);
      }
      return ask();
    };
    await machine.append('a1', 'a2');
    await until(() => hasAsked, 'the dead letter');
    await machine.crash();

    machine.around = (_verb, ask) => ask();
    await machine.boot();
    const after = new ScriptedHandler();
    const consumer = await machine.run({ ...PARKING, retry: { attempts: 5 }, handle: after.handle });
    await consumer.settled();

    expect(after.handled).toEqual(['a1', 'a2']);
  });

  it('that crashed after the dead letter was kept and before the checkpoint was: one letter, and the stream is parked', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler().fail('a1');
    await machine.append('a1', 'a2', 'b1');
    await (await machine.run({ ...PARKING, handle: before.handle })).settled();
    await machine.crash();

    await machine.boot();
    const after = new ScriptedHandler().fail('a1');
    await (await machine.run({ ...PARKING, handle: after.handle })).settled();

    expect(after.handled).toEqual(['b1']);
    expect(await machine.deadEvents()).toEqual(['a1']);
  });

  it('of a handler that was paused meanwhile: what waited follows when it is resumed', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3');
    await consumer.settled();
    await consumer.pause();

    await consumer.discard(await machine.deadLetterOf('a1'));
    expect(handler.handled).toEqual([]);
    await consumer.resume();
    await until(() => handler.handled.length === 2, 'what waited');

    expect(handler.handled).toEqual(['a2', 'a3']);
    expect(await machine.deadEvents()).toEqual([]);
  });

  it('of a handler that is paused while what waited is handled: the rest follows when it is resumed', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1').hold('a2');
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3', 'a4');
    await consumer.settled();
    const discarded = consumer.discard(await machine.deadLetterOf('a1'));
    await handler.hasBegun('a2');

    const paused = consumer.pause();
    handler.release('a2');
    await paused;
    await discarded;
    expect(handler.handled).toEqual(['a2']);
    await consumer.resume();
    await until(() => handler.handled.length === 3, 'the rest');

    expect(handler.handled).toEqual(['a2', 'a3', 'a4']);
  });
});

describe('what waited in a parked stream, when a dead letter cannot be kept for it', () => {
  // What may pass is waited for.
  const DAMAGE = new StorageCorruptedError('log', 'no page at 4096');

  async function stopInRelease(): Promise<{ machine: Machine; handler: ScriptedHandler; consumer: EventConsumer }> {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1').fail('a2');
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3');
    await consumer.settled();
    machine.around = (verb, ask, request) => {
      const event = (request as { events?: { type: string }[] } | undefined)?.events?.[0];
      if (verb === 'append' && event?.type === 'dead-letter.added') throw DAMAGE;
      return ask();
    };
    expect(await rejectionOf(consumer.discard(await machine.deadLetterOf('a1')))).toBe(DAMAGE);
    machine.around = (_verb, ask) => ask();
    await machine.append('b1', 'a4');
    return { machine, handler, consumer };
  }

  it('stops the handler, and follows when it is resumed', async () => {
    const { machine, handler, consumer } = await stopInRelease();
    expect([consumer.state, consumer.lastError]).toEqual(['halted', DAMAGE]);
    expect(machine.logger.errors.at(-1)).toMatch(/^d has stopped: .*"a".*no page at 4096/);

    await consumer.resume();
    await consumer.settled();
    await until(() => machine.logger.errors.at(-1)!.includes('its stream waits'), 'the dead letter');
    expect(handler.handled).toEqual(['b1']);
    await consumer.discard(await machine.deadLetterOf('a2'));

    expect(handler.handled).toEqual(['b1', 'a3', 'a4']);
  });

  it('follows after a restart', async () => {
    const { machine } = await stopInRelease();
    await machine.shutDown();

    await machine.boot();
    const after = new ScriptedHandler();
    await machine.run({ ...PARKING, handle: after.handle });
    await until(() => after.handled.length === 4, 'the last event');

    expect(after.handled.filter((data) => data !== 'b1')).toEqual(['a2', 'a3', 'a4']);
  });
});

describe('retention and a parked stream', () => {
  it('when its dead letter expires, the stream goes on within a minute, and says what expired behind it', async () => {
    const machine = await Machine.start({ retentionDuration: '1h' });
    const handler = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ ...PARKING, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3');
    await consumer.settled();

    await machine.clock.advance(3_600_001);
    await machine.append('a4', 'a5');
    await machine.clock.advance(60_001);
    await until(() => handler.handled.length === 2, 'what came after');

    expect(handler.handled).toEqual(['a4', 'a5']);
    expect(machine.gaps).toContain('d');
    expect(machine.logger.warnings).toContainEqual(expect.stringMatching(/positions 2 to 3 of stream "a"/));
  });
});
