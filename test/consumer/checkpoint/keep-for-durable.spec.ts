import { describe, expect, it } from '@jest/globals';
import { type Checkpoint, type EventStoreOptions, type RecordedEvent, ValidationError } from 'nestjs-stream-store';
import { dataOf } from '../../support/events.js';
import { Machine } from '../../support/worlds/machine.js';
import { ScriptedHandler } from '../../support/worlds/scripted-handler.js';
import { MINUTE } from '../../support/store-with.js';
import { internalsOf } from '../../../lib/store/store-internals.js';

const KEEPING: EventStoreOptions = { retentionDuration: '10m', retention: { keepForDurable: true } };
const ONE_ATTEMPT = { retry: { attempts: 1 } };

/** What can be read of the whole log, without the store's own streams. */
async function kept(machine: Machine): Promise<unknown[]> {
  return dataOf((await machine.store.readAll({ limit: 0 })).events);
}

describe('retention that waits for durable handlers', () => {
  it('keeps what a slow one has not handled, however old it is, and lets it go afterwards', async () => {
    const machine = await Machine.start(KEEPING);
    const handler = new ScriptedHandler().hold('a2');
    const consumer = await machine.run({ durable: 'd', timeoutMs: 0, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3');

    await machine.clock.advance(60 * MINUTE);
    expect(await kept(machine)).toEqual(['a2', 'a3']);
    expect((await machine.store.stats()).eventsExpired).toBe(1);
    handler.release('a2');
    await consumer.settled();
    await machine.clock.advance(3 * MINUTE);

    expect(handler.handled).toEqual(['a1', 'a2', 'a3']);
    expect([await kept(machine), machine.gaps]).toEqual([[], []]);
    expect((await machine.store.stats()).eventsExpired).toBe(3);
  });

  it('keeps what came while no process ran', async () => {
    const machine = await Machine.start(KEEPING);
    await (await machine.run({ durable: 'd', handle: new ScriptedHandler().handle })).settled();
    await machine.append('a1');
    await machine.crash();
    machine.clock.jump(60 * MINUTE);

    await machine.boot(KEEPING);
    await machine.store.sweep();
    const handler = new ScriptedHandler();
    await (await machine.run({ durable: 'd', handle: handler.handle })).settled();

    expect([handler.handled, machine.gaps]).toEqual([['a1'], []]);
  });

  it('keeps what came after the last sweep, although that is long ago when the computer has slept', async () => {
    const machine = await Machine.start(KEEPING);
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({ durable: 'd', timeoutMs: 0, handle: handler.handle });
    await machine.append('a1', 'a2');
    machine.clock.jump(60 * MINUTE);

    expect(await kept(machine)).toEqual(['a1', 'a2']);
    handler.release('a1');
    await consumer.settled();

    expect([handler.handled, machine.gaps]).toEqual([['a1', 'a2'], []]);
  });

  it('waits for one from its first checkpoint on', async () => {
    const machine = await Machine.start(KEEPING);
    await machine.append('a1');
    await machine.clock.advance(9.5 * MINUTE);
    const handler = new ScriptedHandler().hold('a1');
    const consumer = await machine.run({ durable: 'd', timeoutMs: 0, handle: handler.handle });

    await machine.clock.advance(0.75 * MINUTE);

    expect(await kept(machine)).toEqual(['a1']);
    handler.release('a1');
    await consumer.settled();
  });

  it('hides what nobody needs in the very moment it expires', async () => {
    const machine = await Machine.start(KEEPING);
    const consumer = await machine.run({ durable: 'd', handle: new ScriptedHandler().handle });
    await machine.append('a1');
    await consumer.settled();
    await machine.clock.advance(10 * MINUTE);
    expect(await kept(machine)).toEqual(['a1']);

    machine.clock.jump(1);

    expect(await kept(machine)).toEqual([]);
  });

  it('waits for the slowest of several', async () => {
    const machine = await Machine.start(KEEPING);
    const [slow, slower] = [new ScriptedHandler().hold('a3'), new ScriptedHandler().hold('a2')];
    await machine.run({ durable: 'slow', timeoutMs: 0, handle: slow.handle });
    await machine.run({ durable: 'slower', timeoutMs: 0, handle: slower.handle });
    await machine.append('a1', 'a2', 'a3');

    await machine.clock.advance(30 * MINUTE);
    const before = await kept(machine);
    slower.release('a2');
    await machine.clock.advance(3 * MINUTE);

    expect([before, await kept(machine)]).toEqual([['a2', 'a3'], ['a3']]);
    slow.release('a3');
  });

  it('does not wait for a live handler', async () => {
    const machine = await Machine.start(KEEPING);
    const handler = new ScriptedHandler().hold('a1');
    await machine.run({ timeoutMs: 0, handle: handler.handle });
    await machine.append('a1', 'a2');

    await machine.clock.advance(11 * MINUTE);

    expect(await kept(machine)).toEqual([]);
    handler.release('a1');
  });

  it('does not hold the log back for a handler of one stream that has come to its end', async () => {
    const machine = await Machine.start(KEEPING);
    const consumer = await machine.run({ durable: 'd', target: 'a', handle: new ScriptedHandler().handle });
    await machine.append('a1', 'b1', 'b2');
    await consumer.settled();
    await machine.clock.advance(12 * MINUTE);
    expect(await kept(machine)).toEqual([]);

    await machine.append('b3', 'a2', 'b4');
    await consumer.settled();
    await consumer.pause();
    await machine.clock.advance(12 * MINUTE);

    expect(await kept(machine)).toEqual([]);
  });

  it('holds the log back from the next event of the one stream that a handler is for', async () => {
    const machine = await Machine.start(KEEPING);
    const handler = new ScriptedHandler();
    const consumer = await machine.run({ durable: 'd', target: 'a', handle: handler.handle });
    await consumer.pause();
    await machine.append('b1', 'a1', 'b2', 'a2');

    await machine.clock.advance(30 * MINUTE);
    const before = await kept(machine);
    await consumer.resume();
    await consumer.settled();

    expect([before, handler.handled]).toEqual([
      ['a1', 'b2', 'a2'],
      ['a1', 'a2'],
    ]);
  });

  it('is held up for a minute at most by a handler for which there is nothing', async () => {
    const machine = await Machine.start(KEEPING);
    const target = { all: true, types: ['rare'] } as const;
    const consumer = await machine.run({ durable: 'd', target, handle: new ScriptedHandler().handle });
    const saves = machine.checkpoints.length;
    for (let minute = 0; minute < 30; minute++) {
      await machine.append('a1', 'b1', 'c1');
      await consumer.settled();
      await machine.clock.advance(MINUTE);
    }

    expect((await kept(machine)).length).toBeLessThanOrEqual(3 * 11);
    expect(machine.checkpoints.length - saves).toBeLessThanOrEqual(31);
  });

  it('keeps what waits in a parked stream, and the dead letter it waits behind', async () => {
    const machine = await Machine.start(KEEPING);
    const handler = new ScriptedHandler().fail('a2');
    const parts = { durable: 'd', onFailure: 'park-stream', ...ONE_ATTEMPT, handle: handler.handle } as const;
    const consumer = await machine.run(parts);
    await machine.append('b1', 'a1', 'a2', 'a3', 'b2', 'a4');
    await consumer.settled();

    await machine.clock.advance(60 * MINUTE);
    expect(await kept(machine)).toEqual(['a3', 'b2', 'a4']);
    await consumer.discard(await machine.deadLetterOf('a2'));
    await consumer.settled();
    await machine.clock.advance(13 * MINUTE);

    expect(handler.handled).toEqual(['b1', 'a1', 'b2', 'a3', 'a4']);
    expect([await kept(machine), machine.gaps]).toEqual([[], []]);
  });

  it('keeps what waits in a parked stream over a crash, too', async () => {
    const machine = await Machine.start(KEEPING);
    const before = new ScriptedHandler().fail('a1');
    const parts = { durable: 'd', onFailure: 'park-stream', ...ONE_ATTEMPT } as const;
    await (await machine.run({ ...parts, handle: before.handle })).settled();
    await machine.append('a1', 'a2', 'b1');
    await machine.clock.advance(2 * MINUTE);
    await machine.crash();
    machine.clock.jump(60 * MINUTE);

    await machine.boot(KEEPING);
    await machine.store.sweep();
    const after = new ScriptedHandler();
    const consumer = await machine.run({ ...parts, handle: after.handle });
    await consumer.retry(await machine.deadLetterOf('a1'));

    expect([before.handled, after.handled, machine.gaps]).toEqual([['b1'], ['a1', 'a2'], []]);
  });

  it('hands to onExpire what goes, and nothing that stays', async () => {
    const expired: unknown[] = [];
    const onExpire = (events: readonly RecordedEvent[]): void => void expired.push(...dataOf(events));
    const machine = await Machine.start({ ...KEEPING, onExpire });
    const handler = new ScriptedHandler().hold('a2');
    await machine.run({ durable: 'd', timeoutMs: 0, handle: handler.handle });
    await machine.append('a1', 'a2', 'a3');

    await machine.clock.advance(30 * MINUTE);
    const before = [...expired];
    handler.release('a2');
    await machine.clock.advance(3 * MINUTE);

    expect([before, expired]).toEqual([['a1'], ['a1', 'a2', 'a3']]);
  });

  it('says once for whom it waits, and again when it is another', async () => {
    const machine = await Machine.start(KEEPING);
    const [one, two] = [new ScriptedHandler().hold('a1'), new ScriptedHandler().hold('a2')];
    await machine.run({ durable: 'one', timeoutMs: 0, handle: one.handle });
    await machine.run({ durable: 'two', timeoutMs: 0, handle: two.handle });
    await machine.append('a1', 'a2');

    await machine.clock.advance(9 * MINUTE);
    expect(machine.logger.warnings).toEqual([]);
    await machine.clock.advance(30 * MINUTE);
    one.release('a1');
    await machine.clock.advance(30 * MINUTE);

    expect(machine.logger.warnings).toEqual([
      expect.stringMatching(/retention waits for the durable handler "one"/),
      expect.stringMatching(/retention waits for the durable handler "two"/),
    ]);
    two.release('a2');
  });

  it('does not wait for one whose checkpoint was removed', async () => {
    const machine = await Machine.start(KEEPING);
    const consumer = await machine.run({ durable: 'd', handle: new ScriptedHandler().handle });
    await consumer.pause();
    await machine.append('a1');
    await machine.clock.advance(30 * MINUTE);
    expect(await kept(machine)).toEqual(['a1']);
    await machine.shutDown();
    await machine.boot(KEEPING);

    const removals = [
      await internalsOf(machine.store).removeCheckpoint('d'),
      await internalsOf(machine.store).removeCheckpoint('d'),
    ];
    await machine.store.sweep();

    expect([removals, await kept(machine)]).toEqual([[true, false], []]);
  });

  it('is of no use to a store that keeps everything', async () => {
    const machine = await Machine.start({ retention: { keepForDurable: true } });
    await machine.run({ durable: 'd', handle: new ScriptedHandler().handle });
    await machine.append('a1');
    await machine.clock.advance(60 * MINUTE);

    expect([await kept(machine), await machine.store.sweep()]).toEqual([['a1'], 0]);
  });

  it('takes a checkpoint that an earlier version has kept for what it says at least', async () => {
    const machine = await Machine.start(KEEPING);
    await machine.append('b1', 'a1', 'a2', 'b2');
    const old = { position: 1, ahead: [], attempts: [], isRunning: false };
    await internalsOf(machine.store).saveCheckpoint('of-stream-a', { ...old, parked: [] });
    await machine.clock.advance(11 * MINUTE);
    expect(await kept(machine)).toEqual(['a1', 'a2', 'b2']);

    await internalsOf(machine.store).saveCheckpoint('parking', {
      ...old,
      parked: [{ streamId: 'b', handledTo: 1, skippedTo: 2 }],
    });
    await machine.append('a3');
    await internalsOf(machine.store).removeCheckpoint('of-stream-a');
    await machine.clock.advance(11 * MINUTE);

    expect(await kept(machine)).toEqual(['a1', 'a2', 'b2', 'a3']);
  });
});

describe('a checkpoint', () => {
  it.each<[string, Parameters<Machine['run']>[0]['target'], Partial<Checkpoint>]>([
    ['all streams', { all: true }, { streamId: null, position: 3, globalPosition: 3 }],
    ['one stream', 'a', { streamId: 'a', position: 2, globalPosition: 3 }],
    ['one stream and some types', { stream: 'a', types: ['named'] }, { streamId: 'a', position: 2, globalPosition: 3 }],
  ])('of a handler of %s says what it counts in, and where in the log that is', async (_what, target, expected) => {
    const machine = await Machine.start();
    const consumer = await machine.run({ durable: 'd', target, handle: new ScriptedHandler().handle });
    await machine.append('a1', 'b1', 'a2');
    await consumer.settled();
    await machine.clock.advance(1_000);

    expect(machine.checkpoints.at(-1)).toMatchObject(expected);
  });

  it('of a handler with a parked stream says where that waits', async () => {
    const machine = await Machine.start();
    const handler = new ScriptedHandler().fail('a1');
    const parts = { durable: 'd', onFailure: 'park-stream', ...ONE_ATTEMPT, handle: handler.handle } as const;
    const consumer = await machine.run(parts);
    await machine.append('b1', 'a1', 'a2', 'b2');
    await consumer.settled();
    await consumer.pause();

    expect(machine.checkpoints.at(-1)).toMatchObject({
      globalPosition: 2,
      parked: [{ streamId: 'a', handledTo: 1, globalPosition: 2, skippedTo: 2 }],
    });
  });

  it.each<[string, Parameters<Machine['run']>[0]['target'], Parameters<Machine['run']>[0]['target'], RegExp]>([
    ['from one stream to all', 'a', { all: true }, /position in stream "a".*counted in the whole log/],
    ['from several streams to one', { streams: 'a*' }, 'a', /position in the whole log.*counted in stream "a"/],
    ['from one stream to another', 'a', { stream: 'b' }, /position in stream "a".*counted in stream "b"/],
  ])('is refused when the target has changed %s, and is left as it is', async (_what, before, after, reason) => {
    const machine = await Machine.start();
    await machine.append('a1');
    await (await machine.run({ durable: 'd', target: before, handle: new ScriptedHandler().handle })).settled();
    await machine.shutDown();
    await machine.boot();
    const { length } = machine.checkpoints;

    const refused = machine.consumer({ durable: 'd', target: after, handle: new ScriptedHandler().handle });
    const failure: unknown = await refused.open().catch((error: unknown) => error);
    await refused.stop();

    expect(failure).toBeInstanceOf(ValidationError);
    expect((failure as Error).message).toMatch(reason);
    expect(machine.checkpoints).toHaveLength(length);
  });

  it('is taken when the target has changed from some streams to others', async () => {
    const machine = await Machine.start();
    await machine.append('a1', 'b1');
    await (
      await machine.run({ durable: 'd', target: { streams: 'a' }, handle: new ScriptedHandler().handle })
    ).settled();
    await machine.shutDown();
    await machine.boot();
    await machine.append('a2', 'b2');
    const handler = new ScriptedHandler();

    await (await machine.run({ durable: 'd', target: { all: true }, handle: handler.handle })).settled();

    expect(handler.handled).toEqual(['a2', 'b2']);
  });

  it.each(['a', { streams: 'a' }] as const)(
    'that an earlier version has kept is taken as it is: %p',
    async (target) => {
      const machine = await Machine.start();
      await machine.append('a1', 'a2', 'a3', 'b1');
      const parked = [{ streamId: 'b', handledTo: 1, skippedTo: 1 }];
      await internalsOf(machine.store).saveCheckpoint('d', {
        position: 1,
        ahead: [2],
        attempts: [],
        parked,
        isRunning: false,
      });
      const handler = new ScriptedHandler();

      await (await machine.run({ durable: 'd', target, handle: handler.handle })).settled();

      expect(handler.handled).toEqual(['a3']);
    },
  );
});
