import { describe, expect, it } from '@jest/globals';
import type { RecordedEvent } from 'nestjs-stream-store';
import { Machine, streamOf } from '../../support/worlds/machine.js';
import { microtasks, until } from '../../support/waiting/collect.js';
import { settled } from '../../support/waiting/manual-clock.js';
import { Random } from '../../support/worlds/random.js';
import { ScriptedHandler } from '../../support/worlds/scripted-handler.js';

/** So many names in so many streams, in a random order of the streams: a1, c1, a2, b1, … */
function shuffledNames(random: Random, count: number, streams: number): string[] {
  const last = new Map<string, number>();
  return Array.from({ length: count }, () => {
    const stream = String.fromCharCode(97 + random.below(streams));
    last.set(stream, (last.get(stream) ?? 0) + 1);
    return `${stream}${last.get(stream)}`;
  });
}

function ofStream(names: readonly unknown[], stream: string): unknown[] {
  return names.filter((name) => streamOf(String(name)) === stream);
}

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('a handler of %i streams at a time', (concurrency) => {
  it('keeps the order within each stream, however long each event takes', async () => {
    for (let seed = 1; seed <= 15; seed++) {
      const random = new Random(seed * 100 + concurrency);
      const machine = await Machine.start();
      const names = shuffledNames(random, 60, 1 + random.below(10));
      const atWork = new Set<string>();
      const handled: unknown[] = [];
      let most = 0;
      const handle = async ({ data, streamId }: RecordedEvent): Promise<void> => {
        if (atWork.has(streamId)) throw new Error(`two events of ${streamId} at a time`);
        atWork.add(streamId);
        most = Math.max(most, atWork.size);
        await microtasks(random.below(30));
        if (random.below(8) === 0) await settled();
        atWork.delete(streamId);
        handled.push(data);
      };
      const consumer = await machine.run({ durable: 'd', concurrency, checkpointEvery: 1 + random.below(9), handle });

      for (let index = 0; index < names.length;) {
        const batch = 1 + random.below(12);
        await machine.append(...names.slice(index, index + batch));
        index += batch;
        if (random.below(2)) await settled();
      }
      await consumer.settled();

      expect([...handled].sort()).toEqual([...names].sort());
      for (const stream of new Set(names.map(streamOf))) {
        expect(ofStream(handled, stream)).toEqual(ofStream(names, stream));
      }
      if (concurrency === 1) expect(handled).toEqual(names);
      expect(most).toBeLessThanOrEqual(concurrency);
      await machine.leave();
    }
  });

  it('is at work on so many at a time, and on no more', async () => {
    const machine = await Machine.start();
    const streams = 'abcdefghij'.split('').map((stream) => `${stream}1`);
    const handler = new ScriptedHandler().hold(...streams);
    const consumer = await machine.run({ durable: 'd', concurrency, handle: handler.handle });
    await machine.append(...streams);
    await until(() => handler.atWork.length === concurrency, 'the last place');
    await settled();

    expect(handler.atWork).toEqual(streams.slice(0, concurrency));
    for (const name of streams) handler.release(name);
    await consumer.settled();

    expect(handler.mostAtWork).toBe(concurrency);
  });

  it('saves a checkpoint that never passes an event that is not handled, and lists what lies beyond', async () => {
    for (let seed = 1; seed <= 15; seed++) {
      const random = new Random(seed * 10 + concurrency);
      const machine = await Machine.start();
      const names = shuffledNames(random, 40, 6);
      const dealtWith = new Set<number>();
      const handle = async ({ globalPosition }: RecordedEvent): Promise<void> => {
        await microtasks(random.below(40));
        dealtWith.add(globalPosition);
      };
      const unfinished: number[] = [];
      let isRising = true;
      let saves = 0;
      machine.around = async (verb, ask) => {
        if (verb !== 'saveCheckpoint') return ask();
        await microtasks(random.below(10));
        await ask();
        const { position, ahead } = machine.checkpoints.at(-1)!;
        const covered = [...Array.from({ length: position }, (_, index) => index + 1), ...ahead];
        isRising &&= covered.every((place, index) => place > (covered[index - 1] ?? 0));
        unfinished.push(...covered.filter((place) => !dealtWith.has(place)));
        saves++;
        return undefined;
      };
      const consumer = await machine.run({ durable: 'd', concurrency, checkpointEvery: 1 + random.below(4), handle });

      await machine.append(...names);
      await consumer.settled();

      expect({ seed, unfinished, isRising }).toEqual({ seed, unfinished: [], isRising: true });
      expect(saves).toBeGreaterThan(5);
      await machine.leave();
    }
  });
});

describe('a handler of several streams at a time', () => {
  it('goes on with other streams while one takes long', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({ durable: 'd', concurrency: 2, handle: handler.handle });
    await machine.append('a1', 'a2', 'b1', 'c1', 'a3', 'b2');

    await until(() => handler.handled.length === 3, 'the third event');
    await settled();
    expect(handler.handled).toEqual(['b1', 'c1', 'b2']);
    handler.release('a1');
    await consumer.settled();

    expect(handler.handled).toEqual(['b1', 'c1', 'b2', 'a1', 'a2', 'a3']);
  });

  it('does not handle again after a restart what it had handled ahead of a slow stream', async () => {
    const machine = await Machine.start();
    const before = new ScriptedHandler().hold('a1');
    await machine.run({ durable: 'd', concurrency: 2, handle: before.handle });
    await machine.append('a1', 'a2', 'b1', 'c1', 'b2');
    await until(() => before.handled.length === 3, 'the third event');
    await machine.clock.advance(1_000);
    expect(machine.checkpoints.at(-1)).toMatchObject({ position: 0, ahead: [3, 4, 5] });

    await machine.crash();
    await machine.boot();
    const after = new ScriptedHandler();
    await (await machine.run({ durable: 'd', concurrency: 2, handle: after.handle })).settled();

    expect(after.handled).toEqual(['a1', 'a2']);
    await machine.clock.advance(1_000);
    expect(machine.checkpoints.at(-1)).toMatchObject({ position: 5, ahead: [] });
  });

  it('of one stream only handles one event at a time', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({ durable: 'd', target: 'a', concurrency: 8, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3');
    await handler.hasBegun('a1');
    await settled();

    handler.release('a1');
    await consumer.settled();

    expect([handler.handled, handler.mostAtWork]).toEqual([['a1', 'a2', 'a3'], 1]);
  });

  it('takes no more from the log than it has places for to wait', async () => {
    const machine = await Machine.start();
    const names = Array.from({ length: 500 }, (_, index) => `a${index + 1}`);
    await machine.append(...names);
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({ durable: 'd', concurrency: 2, handle: handler.handle });
    await handler.hasBegun('a1');
    for (let turn = 0; turn < 50; turn++) await settled();

    // A handler of two streams may have 32 events wait for their turn; the subscription itself has read one batch.
    expect(await consumer.lag()).toBe(500);
    expect((await machine.store.stats()).eventsRead).toBeLessThanOrEqual(34);
    handler.release('a1');
    await consumer.settled();

    expect(handler.handled).toEqual(names);
  });

  it('runs ahead of a slow stream only so far, and goes on when that is done', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({
      durable: 'd',
      concurrency: 2,
      checkpointEvery: 10_000,
      handle: handler.handle,
    });
    await machine.append('a1');
    const batch = Array.from({ length: 5_000 }, (_, index) => ({ type: 'named', data: `b${index + 1}` }));
    await machine.store.append('b', batch);
    await until(() => handler.handled.length === 4_095, 'the last event ahead');
    for (let turn = 0; turn < 20; turn++) await settled();

    expect(handler.handled).toHaveLength(4_095);
    handler.release('a1');
    await consumer.settled();

    expect(handler.handled).toHaveLength(5_001);
  });
});

it('a handler on a slow engine keeps order and places as on a fast one', async () => {
  const machine = await Machine.start();
  const names = shuffledNames(new Random(5), 40, 4);
  const handler = new ScriptedHandler();
  machine.around = (_verb, ask) => settled().then(ask);
  const consumer = await machine.run({ durable: 'd', concurrency: 3, checkpointEvery: 2, handle: handler.handle });

  await machine.append(...names);
  await consumer.settled();

  for (const stream of 'abcd') expect(ofStream(handler.handled, stream)).toEqual(ofStream(names, stream));
  expect(handler.mostAtWork).toBeLessThanOrEqual(3);
});
