import { describe, expect, it } from '@jest/globals';
import { HandlerTimeoutError, StorageCorruptedError, StorageUnavailableError } from 'nestjs-stream-store';
import { until } from '../../support/waiting/collect.js';
import { rejectionOf } from '../../support/events.js';
import { Machine } from '../../support/worlds/machine.js';
import { settled } from '../../support/waiting/manual-clock.js';
import { ScriptedHandler } from '../../support/worlds/scripted-handler.js';
import { lettersIn } from '../../support/letters-in.js';

const AT_ONCE = { initialDelayMs: 0 };

const DAMAGE = new StorageCorruptedError('log', 'no page at 4096');

describe('an event that fails', () => {
  it('is tried again after a pause, and its stream waits for it while others go on', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1', 2);
    const consumer = await machine.run({ durable: 'd', concurrency: 2, handle: handler.handle });
    await machine.append('a1', 'a2', 'b1');

    await until(() => handler.handled.includes('b1'), 'the other stream');
    // Half of the longest wait, as this clock draws it: 50 ms, then 100 ms.
    await machine.clock.advance(49);
    expect(handler.begun).toEqual(['a1', 'b1']);
    await machine.clock.advance(1);
    expect(handler.begun).toEqual(['a1', 'b1', 'a1']);
    await machine.clock.advance(100);
    await consumer.settled();

    expect(handler.begun).toEqual(['a1', 'b1', 'a1', 'a1', 'a2']);
    expect(handler.calls.map(({ context }) => context.attempt)).toEqual([1, 1, 2, 3, 1]);
    expect(handler.handled).toEqual(['b1', 'a1', 'a2']);
    expect(await machine.deadEvents()).toEqual([]);
  });

  it('keeps the place of a handler of one stream at a time', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1', 1);
    const consumer = await machine.run({ durable: 'd', handle: handler.handle });
    await machine.append('a1', 'b1');
    await handler.hasBegun('a1');
    await settled();
    expect(handler.begun).toEqual(['a1']);

    await machine.clock.advance(50);
    await consumer.settled();

    expect(handler.begun).toEqual(['a1', 'a1', 'b1']);
  });

  it('because it takes too long is tried again, too', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({ durable: 'd', timeoutMs: 1_000, retry: AT_ONCE, handle: handler.handle });
    await machine.append('a1', 'a2');
    await handler.hasBegun('a1');
    const [{ context }] = handler.calls;

    handler.release('nothing');
    await machine.clock.advance(1_000);
    await handler.hasBegun('a1', 2);
    expect(context.signal.reason).toBeInstanceOf(HandlerTimeoutError);
    // Now both attempts end; only the second counts.
    handler.release('a1');
    await consumer.settled();

    expect(handler.begun).toEqual(['a1', 'a1', 'a2']);
    expect([consumer.failures, consumer.lastError]).toEqual([1, context.signal.reason]);
  });

  it('goes on counting its attempts after a restart', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler().fail('a1');
    await machine.run({ durable: 'd', retry: { attempts: 4 }, handle: before.handle });
    await machine.append('a1');
    await before.hasBegun('a1');
    await machine.clock.advance(50);
    await before.hasBegun('a1', 2);
    await machine.shutDown();

    await machine.boot();
    const after = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ durable: 'd', retry: { attempts: 4, ...AT_ONCE }, handle: after.handle });
    await consumer.settled();

    expect(after.calls.map(({ context }) => context.attempt)).toEqual([3, 4]);
    expect(await machine.deadLetterOf('a1')).toMatchObject({ attempts: 4, error: { message: 'no a1' } });
  });

  it('while the checkpoint cannot be saved is tried again when it can', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1', 2);
    const consumer = await machine.run({ durable: 'd', retry: AT_ONCE, handle: handler.handle });
    let isBroken = true;
    machine.around = (verb, ask) => {
      if (isBroken && verb === 'saveCheckpoint') throw new Error('disk full');
      return ask();
    };

    await machine.append('a1', 'a2');
    await handler.hasBegun('a1');
    await machine.clock.advance(5_000);
    // The attempt that follows a failure is counted before it begins.
    expect(handler.begun).toEqual(['a1']);
    isBroken = false;
    await machine.clock.advance(1_000);
    await consumer.settled();

    expect(handler.handled).toEqual(['a1', 'a2']);
    expect(handler.begun).toEqual(['a1', 'a1', 'a1', 'a2']);
  });
});

describe('with the policy dead-letter', () => {
  it('an event whose attempts all failed is dead-lettered, and the next of its stream follows', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a2');
    const consumer = await machine.run({ durable: 'd', retry: { attempts: 3, ...AT_ONCE }, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3', 'b1');

    await consumer.settled();

    expect(handler.begun).toEqual(['a1', 'a2', 'a2', 'a2', 'a3', 'b1']);
    expect(await lettersIn(machine.deadLetters)).toEqual([
      {
        id: 'd:2',
        subscription: 'd',
        event: (await machine.store.readStream('a'))[1],
        error: { name: 'Error', message: 'no a2', stack: expect.stringContaining('no a2') },
        attempts: 3,
        failedAt: new Date(machine.clock.now()),
        isParked: false,
      },
    ]);
    expect(machine.logger.errors).toHaveLength(1);
    expect(machine.logger.errors[0]).toMatch(
      /^d failed 3 times on event .*position 2 of stream "a".*dead letter.*no a2/,
    );
  });

  it('an event is handled when it is dead-lettered: it is not delivered again after a restart', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler().fail('a1');
    const parts = { durable: 'd', retry: { attempts: 2, ...AT_ONCE } };
    await machine.append('a1', 'a2');
    await (await machine.run({ ...parts, handle: before.handle })).settled();
    await machine.shutDown();

    await machine.boot();
    const after = new ScriptedHandler();
    await (await machine.run({ ...parts, handle: after.handle })).settled();

    expect(after.begun).toEqual([]);
    expect(await machine.deadEvents()).toEqual(['a1']);
  });

  it('poison among many events ends there once each, and all others are handled', async () => {
    const machine = await Machine.start();
    const names = Array.from({ length: 300 }, (_, index) => `${'abcdef'[index % 6]}${Math.floor(index / 6) + 1}`);
    const poison = names.filter((_, index) => index % 37 === 5);
    const handler = new ScriptedHandler();
    for (const name of poison) handler.fail(name);
    const parts = { durable: 'd', concurrency: 4, retry: { attempts: 2, ...AT_ONCE } };
    const consumer = await machine.run({ ...parts, handle: handler.handle });

    await machine.append(...names);
    await consumer.settled();

    expect((await machine.deadEvents()).sort()).toEqual([...poison].sort());
    expect([...handler.handled].sort()).toEqual(names.filter((name) => !poison.includes(name)).sort());
  });

  it('an event that cannot be dead-lettered because the storage is damaged stops the handler before it, and nothing is lost', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a2');
    const consumer = await machine.run({ durable: 'd', retry: { attempts: 2, ...AT_ONCE }, handle: handler.handle });
    let isBroken = true;
    machine.around = (verb, ask, request) => {
      const isLetter = verb === 'append' && (request as { streamId: string }).streamId.startsWith('$');
      if (isBroken && isLetter) throw DAMAGE;
      return ask();
    };

    await machine.append('a1', 'a2', 'a3');
    await until(() => consumer.state === 'halted', 'the stop');
    expect([handler.handled, consumer.position]).toEqual([['a1'], 1]);
    expect(consumer.lastError).toBe(DAMAGE);
    expect(machine.logger.errors.at(-1)).toMatch(/^d has stopped: .*no page at 4096/);
    isBroken = false;
    await consumer.resume();
    await consumer.settled();

    expect(handler.handled).toEqual(['a1', 'a3']);
    expect(await machine.deadLetterOf('a2')).toMatchObject({ error: { message: 'no a2' } });
  });

  it('an event that cannot be dead-lettered while the storage is away is dead-lettered when it is back', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a2');
    const consumer = await machine.run({ durable: 'd', retry: { attempts: 1 }, handle: handler.handle });
    let isAway = true;
    machine.around = (verb, ask, request) => {
      const isLetter = verb === 'append' && (request as { streamId: string }).streamId.startsWith('$');
      if (isAway && isLetter) throw new StorageUnavailableError('the server', false, new Error('it starts'));
      return ask();
    };

    await machine.append('a1', 'a2', 'a3');
    await machine.clock.advance(10_000);
    expect([handler.begun, consumer.state]).toEqual([['a1', 'a2'], 'live']);
    isAway = false;
    await machine.clock.advance(1_000);
    await consumer.settled();

    expect(handler.handled).toEqual(['a1', 'a3']);
    expect(await machine.deadEvents()).toEqual(['a2']);
  });

  it('what could not be dead-lettered is dead-lettered after a restart', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler().fail('a1');
    const parts = { durable: 'd', retry: { attempts: 2, ...AT_ONCE } };
    const consumer = await machine.run({ ...parts, handle: before.handle });
    machine.around = (verb, ask, request) => {
      if (verb === 'append' && (request as { streamId: string }).streamId.startsWith('$')) throw DAMAGE;
      return ask();
    };
    await machine.append('a1', 'a2');
    await until(() => consumer.state === 'halted', 'the stop');
    await machine.shutDown();

    machine.around = (_verb, ask) => ask();
    await machine.boot();
    const after = new ScriptedHandler().fail('a1');
    await (await machine.run({ ...parts, handle: after.handle })).settled();

    expect(after.handled).toEqual(['a2']);
    expect(await machine.deadEvents()).toEqual(['a1']);
  });

  it('whatever a handler throws can be dead-lettered', async () => {
    const thrown: unknown[] = [
      undefined,
      null,
      'a text',
      'half a pair: \ud800',
      Symbol('s'),
      10n,
      Object.create(null),
      Object.assign(new Error('no stack'), { stack: undefined }),
      new AggregateError([new Error('one')], 'several'),
      Object.assign(new Error(), { cause: new Error('cause') }),
      { message: 'an object that looks like an error' },
    ];
    const machine = await Machine.start();
    const handler = new ScriptedHandler();
    thrown.forEach((error, index) => handler.fail(`a${index + 1}`, Infinity, error));
    const consumer = await machine.run({ durable: 'd', retry: { attempts: 1 }, handle: handler.handle });

    await machine.append(...thrown.map((_, index) => `a${index + 1}`));
    await consumer.settled();

    const letters = await lettersIn(machine.deadLetters);
    expect(letters).toHaveLength(thrown.length);
    for (const { error } of letters) {
      expect(typeof error.name).toBe('string');
      expect(typeof error.message).toBe('string');
    }
  });

  it('an event as deep as an event may be can be dead-lettered', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler();
    const deep = JSON.parse('[{"a":'.repeat(64) + '0' + '}]'.repeat(64)) as never;
    let deepest: unknown;
    const consumer = await machine.run({
      durable: 'd',
      retry: { attempts: 1 },
      handle: ({ data }) => {
        deepest = data;
        throw new Error('too deep for me');
      },
    });

    await machine.store.append('a', { type: 'deep', data: deep, metadata: { deep: { deep: true } } });
    await consumer.settled();

    expect(deepest).toEqual(deep);
    const [letter] = await lettersIn(machine.deadLetters);
    expect(letter.event).toEqual((await machine.store.readStream('a'))[0]);
    expect(handler.begun).toEqual([]);
  });
});

describe('with the policy stop', () => {
  const parts = { durable: 'd', onFailure: 'stop', retry: { attempts: 3, ...AT_ONCE } } as const;

  it('the handler stops before the event, and says why', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a2');
    const consumer = await machine.run({ ...parts, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3', 'b1');

    await until(() => consumer.state === 'halted', 'the stop');
    await settled();

    expect(handler.begun).toEqual(['a1', 'a2', 'a2', 'a2']);
    expect([consumer.position, consumer.failures, consumer.lastError]).toEqual([1, 3, new Error('no a2')]);
    expect(machine.logger.errors).toHaveLength(1);
    expect(machine.logger.errors[0]).toMatch(/^d has stopped: .*no a2/);
    expect(await machine.deadEvents()).toEqual([]);
  });

  it('the event is tried as often again when the handler is resumed', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1', 5);
    const consumer = await machine.run({ ...parts, handle: handler.handle });
    await machine.append('a1', 'a2');
    await until(() => consumer.state === 'halted', 'the stop');

    await consumer.resume();
    await consumer.settled();

    expect(handler.begun).toEqual(['a1', 'a1', 'a1', 'a1', 'a1', 'a1', 'a2']);
    expect(handler.calls.map(({ context }) => context.attempt)).toEqual([1, 2, 3, 1, 2, 3, 1]);
    expect(handler.handled).toEqual(['a1', 'a2']);
  });

  it('the event is tried as often again when the application starts again', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler().fail('a1');
    const consumer = await machine.run({ ...parts, handle: before.handle });
    await machine.append('a1', 'a2');
    await until(() => consumer.state === 'halted', 'the stop');
    await machine.shutDown();

    await machine.boot();
    const after = new ScriptedHandler().fail('a1', 2);
    await (await machine.run({ ...parts, handle: after.handle })).settled();

    expect(after.handled).toEqual(['a1', 'a2']);
  });

  it('events of other streams that were at work are finished, and do not be delivered again', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1', 3).hold('b1');
    const consumer = await machine.run({ ...parts, concurrency: 2, handle: handler.handle });
    await machine.append('a1', 'b1', 'a2', 'b2', 'c1');
    await until(() => consumer.state === 'halted', 'the stop');

    const resumed = consumer.resume();
    handler.release('b1');
    await resumed;
    await consumer.settled();

    expect(handler.begun.filter((data) => data === 'b1')).toHaveLength(1);
    expect([...handler.handled].sort()).toEqual(['a1', 'a2', 'b1', 'b2', 'c1']);
  });

  it('a live handler stops, too, and goes on when it is resumed', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1', 1);
    const consumer = await machine.run({ onFailure: 'stop', handle: handler.handle });
    await machine.append('a1', 'a2');
    await until(() => consumer.state === 'halted', 'the stop');

    await consumer.resume();
    await consumer.settled();

    expect(handler.begun).toEqual(['a1', 'a1', 'a2']);
  });
});

describe('with the policy skip', () => {
  it('a durable handler logs the failure and goes on', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1');
    const parts = { durable: 'd', onFailure: 'skip', retry: { attempts: 2, ...AT_ONCE } } as const;
    const consumer = await machine.run({ ...parts, handle: handler.handle });
    await machine.append('a1', 'a2');

    await consumer.settled();

    expect(handler.begun).toEqual(['a1', 'a1', 'a2']);
    expect(await machine.deadEvents()).toEqual([]);
    expect(machine.failures).toEqual(['d', 'd']);
    expect(machine.logger.errors).toHaveLength(1);
    expect(machine.logger.errors[0]).toMatch(/^d failed 2 times on event .*goes on.*no a1/);
    expect([consumer.position, await consumer.lag()]).toEqual([2, 0]);
  });

  it('a live handler tries once, and as often as it is told', async () => {
    const machine = await Machine.start();
    const [once, thrice] = [new ScriptedHandler().fail('a1'), new ScriptedHandler().fail('a1')];
    const consumers = [
      await machine.run({ handle: once.handle }),
      await machine.run({ retry: { attempts: 3, ...AT_ONCE }, handle: thrice.handle }),
    ];
    await machine.append('a1', 'a2');

    await Promise.all(consumers.map((consumer) => consumer.settled()));

    expect([once.begun, thrice.begun]).toEqual([
      ['a1', 'a2'],
      ['a1', 'a1', 'a1', 'a2'],
    ]);
  });
});

describe('a checkpoint that cannot be saved', () => {
  it('holds the handler back after so many events, is reported, and is tried again until it works', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', checkpointEvery: 3, handle: handler.handle });
    let isBroken = true;
    machine.around = (verb, ask) => {
      if (isBroken && verb === 'saveCheckpoint') throw new Error('disk full');
      return ask();
    };
    const names = Array.from({ length: 40 }, (_, index) => `a${index + 1}`);
    await machine.append(...names);

    await machine.clock.advance(10_000);
    expect(handler.handled).toEqual(names.slice(0, 3));
    expect(machine.logger.errors).toHaveLength(1);
    expect(machine.logger.errors[0]).toMatch(/^d could not save its checkpoint.*disk full/);
    expect(consumer.state).not.toBe('halted');
    isBroken = false;
    await machine.clock.advance(1_000);
    await consumer.settled();

    expect(handler.handled).toEqual(names);
  });

  it('does not hold back what is at work', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('b1');
    const consumer = await machine.run({ durable: 'd', checkpointEvery: 1, concurrency: 2, handle: handler.handle });
    let isBroken = true;
    machine.around = (verb, ask) => {
      if (isBroken && verb === 'saveCheckpoint') throw new Error('disk full');
      return ask();
    };
    await machine.append('b1', 'a1', 'a2', 'b2');
    await until(() => handler.handled.includes('a1'), 'the first event');

    handler.release('b1');
    await machine.clock.advance(3_000);
    expect(handler.handled).toEqual(['a1', 'b1']);
    isBroken = false;
    await machine.clock.advance(1_000);
    await consumer.settled();

    expect(handler.handled).toEqual(['a1', 'b1', 'a2', 'b2']);
  });

  it('on the first start keeps the handler from starting', async () => {
    const machine = await Machine.start();
    machine.around = (verb, ask) => {
      if (verb === 'saveCheckpoint') throw new Error('disk full');
      return ask();
    };

    const failure = await rejectionOf(machine.run({ durable: 'd', handle: new ScriptedHandler().handle }));

    expect(failure).toEqual(new Error('disk full'));
  });

  it('of many streams at a time that are handled faster than it is saved is saved without waiting for the interval', async () => {
    const machine = await Machine.start();
    machine.around = (verb, ask) => (verb === 'saveCheckpoint' ? settled().then(ask) : ask());
    const handler = new ScriptedHandler();
    const parts = { durable: 'd', checkpointEvery: 1, checkpointIntervalMs: 3_600_000, concurrency: 8 };
    const consumer = await machine.run({ ...parts, handle: handler.handle });
    const names = Array.from({ length: 80 }, (_, index) => `${'abcdefgh'[index % 8]}${Math.floor(index / 8) + 1}`);

    await machine.append(...names);
    await consumer.settled();

    expect(handler.handled).toHaveLength(80);
  });
});
