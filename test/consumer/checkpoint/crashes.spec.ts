import { describe, expect, it } from '@jest/globals';
import type { ConsumerOptions, RecordedEvent, StreamEventContext } from 'nestjs-stream-store';
import { microtasks, until } from '../../support/waiting/collect.js';
import { Machine } from '../../support/worlds/machine.js';
import { Random } from '../../support/worlds/random.js';
import { ScriptedHandler } from '../../support/worlds/scripted-handler.js';

/**
 * Runs a handler in one process after the other, until everything was handled. An event that `kills` ends the process
 * when it is handed over.
 *
 * @returns how often each event was handed over, by its data
 */
async function superviseUntilSettled(
  machine: Machine,
  options: ConsumerOptions,
  kills: (data: unknown) => boolean,
): Promise<{ readonly begun: Map<unknown, number>; readonly crashes: number; readonly last: ScriptedHandler }> {
  const begun = new Map<unknown, number>();
  for (let crashes = 0; crashes < 50; crashes++) {
    let isKilled = false;
    const last = new ScriptedHandler();
    const consumer = await machine.run({
      ...options,
      handle: async (event, context) => {
        begun.set(event.data, (begun.get(event.data) ?? 0) + 1);
        if (kills(event.data)) {
          isKilled = true;
          await machine.crash();
          return new Promise(() => undefined);
        }
        // Something is always at work beside it.
        await microtasks(20);
        return last.handle(event, context);
      },
    });
    await Promise.race([consumer.settled().catch(() => undefined), until(() => isKilled, 'the end')]);
    if (!isKilled) return { begun, crashes, last };
    await machine.boot();
  }
  throw new Error('it crashed again and again');
}

describe('an event that ends the process', () => {
  it.each([1, 2, 3, 5])(
    'is dead-lettered after %i counted attempts, and those beside it are handled',
    async (attempts) => {
      const machine = await Machine.start();
      await machine.append('a1', 'b1', 'c1', 'a2', 'b2', 'c2');
      const options = { durable: 'd', concurrency: 3, retry: { attempts, initialDelayMs: 0 } };

      const { begun, crashes } = await superviseUntilSettled(machine, options, (data) => data === 'b1');

      // The first time it was one of several, so nothing was counted.
      expect([crashes, begun.get('b1')]).toEqual([attempts + 1, attempts + 1]);
      expect(await machine.deadEvents()).toEqual(['b1']);
      expect(await machine.deadLetterOf('b1')).toMatchObject({
        attempts,
        error: { message: 'The process ended while the handler was at work on this event.' },
      });
      for (const data of ['a1', 'c1', 'a2', 'b2', 'c2'])
        expect([data, begun.get(data)]).toEqual([data, expect.any(Number)]);
    },
  );

  it('is found out among many, also when each event is done in no time', async () => {
    const machine = await Machine.start();
    const names = Array.from({ length: 120 }, (_, index) => `${'abcdefgh'[index % 8]}${Math.floor(index / 8) + 1}`);
    await machine.append(...names);
    const options = { durable: 'd', concurrency: 4, checkpointEvery: 10, retry: { attempts: 2 } };

    const { begun } = await superviseUntilSettled(machine, options, (data) => data === 'e7');

    expect(await machine.deadEvents()).toEqual(['e7']);
    expect([...begun.keys()].sort()).toEqual([...names].sort());
  });

  it('beside another such: both are dead-lettered, and nothing else', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'b1', 'c1', 'd1', 'a2', 'b2');
    const options = { durable: 'd', concurrency: 4, retry: { attempts: 2 } };

    await superviseUntilSettled(machine, options, (data) => data === 'a1' || data === 'c1');

    expect((await machine.deadEvents()).sort()).toEqual(['a1', 'c1']);
  });

  it('with the policy park-stream parks its stream', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'a2', 'b1');
    const options = { durable: 'd', onFailure: 'park-stream', retry: { attempts: 2 } } as const;

    const { begun } = await superviseUntilSettled(machine, options, (data) => data === 'a1');

    expect([begun.get('a1'), begun.get('a2'), begun.get('b1')]).toEqual([3, undefined, 1]);
    expect(await machine.deadLetterOf('a1')).toMatchObject({ isParked: true });
  });

  it('with the policy skip is passed over in the end', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'a2');
    const options = { durable: 'd', onFailure: 'skip', retry: { attempts: 2 } } as const;

    const { begun } = await superviseUntilSettled(machine, options, (data) => data === 'a1');

    expect([begun.get('a1'), begun.get('a2')]).toEqual([3, 1]);
    expect(machine.logger.errors.at(-1)).toMatch(/^d failed 2 times on event .*The process ended/);
  });

  it('with the policy stop stops the handler in the end, and the process lives', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'a2');
    const options = { durable: 'd', onFailure: 'stop', retry: { attempts: 2 } } as const;

    const { begun } = await superviseUntilSettled(machine, options, (data) => data === 'a1');

    expect([begun.get('a1'), begun.get('a2')]).toEqual([3, undefined]);
    expect(machine.logger.errors.at(-1)).toMatch(/^d has stopped: .*The process ended/);
  });

  it('when it waited in a parked stream is dead-lettered, too', async () => {
    const machine = await Machine.start();
    const options = { durable: 'd', onFailure: 'park-stream', retry: { attempts: 2, initialDelayMs: 0 } } as const;
    let kills = 0;
    const handle = async ({ data }: RecordedEvent): Promise<void> => {
      if (data === 'a1') throw new Error('no a1');
      if (data !== 'a2') return;
      kills++;
      await machine.crash();
      return new Promise(() => undefined);
    };
    const consumer = await machine.run({ ...options, handle });
    await machine.append('a1', 'a2', 'a3', 'b1');
    await consumer.settled();
    await machine.clock.advance(1_000);
    void consumer.discard(await machine.deadLetterOf('a1'));

    for (let crash = 1; crash <= 3; crash++) {
      await until(() => kills === crash, `crash ${crash}`);
      await machine.boot();
      await machine.run({ ...options, handle });
    }
    await until(() => machine.logger.errors.length === 2, 'the dead letter');

    expect(await machine.deadEvents()).toEqual(['a2']);
  });

  it('after it has failed once or twice goes on counting from there', async () => {
    const machine = await Machine.start();
    await machine.append('a1');
    const attempts: number[] = [];
    const options = { durable: 'd', retry: { attempts: 4, initialDelayMs: 0 } };
    let isKilled = false;
    const handle = async (_event: RecordedEvent, { attempt }: StreamEventContext): Promise<void> => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error('not yet');
      isKilled = true;
      await machine.crash();
      return new Promise(() => undefined);
    };
    await machine.run({ ...options, handle });
    await until(() => isKilled, 'the crash');

    await machine.boot();
    isKilled = false;
    await machine.run({ ...options, handle });
    await until(() => isKilled, 'the next crash');
    await machine.boot();
    await (await machine.run({ ...options, handle })).settled();

    expect(attempts).toEqual([1, 2, 3, 4]);
    expect(await machine.deadLetterOf('a1')).toMatchObject({ attempts: 4 });
  });
});

describe('after a crash', () => {
  it('suspects are handled one at a time, and then as many as before', async () => {
    const machine = await Machine.start();
    const streams = 'abcdefgh'.split('');
    const names = Array.from({ length: 400 }, (_, index) => `${streams[index % 8]}${Math.floor(index / 8) + 1}`);
    await machine.append(...names);
    await machine.run({
      durable: 'd',
      concurrency: 4,
      checkpointEvery: 5,
      handle: new ScriptedHandler().hold('a1').handle,
    });
    await machine.crash();

    await machine.boot();
    const handler = new ScriptedHandler();
    const mostBy: number[] = [];
    const consumer = await machine.run({
      durable: 'd',
      concurrency: 4,
      checkpointEvery: 5,
      handle: async (event, context) => {
        mostBy.push(handler.atWork.length + 1);
        handler.hold(event.data);
        void microtasks(10).then(() => handler.release(event.data));
        await handler.handle(event, context);
      },
    });
    await consumer.settled();

    const suspects = 5 + 18 * 4;
    expect(Math.max(...mostBy.slice(0, suspects))).toBe(1);
    expect(Math.max(...mostBy.slice(suspects + 4))).toBe(4);
    expect(handler.handled).toHaveLength(400);
  });

  it('an orderly end leaves no suspects', async () => {
    const machine = await Machine.start();
    await (await machine.run({ durable: 'd', concurrency: 3, handle: new ScriptedHandler().handle })).settled();
    await machine.shutDown();

    await machine.boot();
    const handler = new ScriptedHandler().hold('a1', 'b1', 'c1');
    const consumer = await machine.run({ durable: 'd', concurrency: 3, handle: handler.handle });
    await machine.append('a1', 'b1', 'c1');
    await until(() => handler.atWork.length === 3, 'the third place');

    for (const name of ['a1', 'b1', 'c1']) handler.release(name);
    await consumer.settled();
  });

  it.each([1, 3, 8])(
    'no more events come twice than checkpointEvery + %i streams at a time, and none is missing',
    async (concurrency) => {
      for (let seed = 1; seed <= 30; seed++) {
        const random = new Random(seed * 10 + concurrency);
        const machine = await Machine.start();
        const checkpointEvery = 1 + random.below(10);
        const names = Array.from({ length: 60 }, (_, index) => `${'abcdefghijk'[random.below(11)]}${index + 1}`);
        const options = { durable: 'd', concurrency, checkpointEvery };
        const handling = (handled: unknown[]) => async (event: RecordedEvent) => {
          await microtasks(random.below(30));
          handled.push(event.data);
        };
        machine.around = async (verb, ask) => {
          if (verb === 'saveCheckpoint') await microtasks(random.below(20));
          return ask();
        };
        const first: unknown[] = [];
        await machine.run({ ...options, handle: handling(first) });
        await machine.append(...names.slice(0, 40));
        await microtasks(random.below(600));
        await machine.crash();

        const before = new Set(first);
        const handled: unknown[] = [];
        await machine.boot();
        const consumer = await machine.run({ ...options, handle: handling(handled) });
        await machine.append(...names.slice(40));
        await consumer.settled();

        const again = handled.filter((data) => before.has(data));
        expect({ seed, again: again.length <= checkpointEvery + concurrency }).toEqual({ seed, again: true });
        expect(new Set([...before, ...handled]).size).toBe(60);
        expect(new Set(handled).size).toBe(handled.length);
        await machine.leave();
      }
    },
  );
});
