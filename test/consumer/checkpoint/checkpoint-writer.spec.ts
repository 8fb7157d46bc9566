import { describe, expect, it } from '@jest/globals';
import type { Checkpoint, MaybePromise } from 'nestjs-stream-store';
import { CheckpointWriter } from '../../../lib/consumer/checkpoint/checkpoint-writer.js';
import { rejectionOf } from '../../support/events.js';
import { ManualClock, settled } from '../../support/waiting/manual-clock.js';
import { Random } from '../../support/worlds/random.js';

const checkpoint = (position: number): Checkpoint => ({
  position,
  ahead: [],
  attempts: [],
  parked: [],
  isRunning: true,
});

const DISK_FULL = new Error('disk full');

/** A keeper whose changes are counted in the position, with a disk whose answers a test can keep back. */
class Desk {
  readonly clock = new ManualClock();
  readonly saved: number[] = [];
  readonly failures: unknown[] = [];
  readonly keeper: CheckpointWriter;
  position = 0;
  /** How the disk answers. */
  answer: () => MaybePromise<void> = () => undefined;
  /** The saves that have begun and have not been answered. */
  unanswered: { readonly position: number; readonly succeed: () => void; readonly fail: () => void }[] = [];

  constructor(every: number, intervalMs = 1_000) {
    this.keeper = new CheckpointWriter(
      () => checkpoint(this.position),
      async ({ position }) => {
        await this.answer();
        this.saved.push(position);
      },
      every,
      intervalMs,
      this.clock,
      (error) => this.failures.push(error),
    );
  }

  /** From now on every save waits for its answer. */
  hold(): void {
    this.answer = () =>
      new Promise<void>((resolve, reject) => {
        const leave = (): void => void this.unanswered.shift();
        this.unanswered.push({
          position: this.position,
          succeed: () => [leave(), resolve()],
          fail: () => [leave(), reject(DISK_FULL)],
        });
      });
  }

  async change(times = 1): Promise<void> {
    for (let index = 0; index < times; index++) this.changeOnce();
    await settled();
  }

  changeOnce(): void {
    this.position++;
    this.keeper.changed();
  }

  async succeed(): Promise<void> {
    this.unanswered[0].succeed();
    await settled();
  }

  async fail(): Promise<void> {
    this.unanswered[0].fail();
    await settled();
  }
}

describe('a checkpoint is saved', () => {
  it('after so many changes, and not before', async () => {
    const desk = new Desk(3, 60_000);

    await desk.change(2);
    expect(desk.saved).toEqual([]);
    await desk.change();
    await desk.change(2);
    expect(desk.saved).toEqual([3]);
    await desk.change();

    expect(desk.saved).toEqual([3, 6]);
  });

  it('some time after the first of fewer changes', async () => {
    const desk = new Desk(100, 1_000);

    await desk.change();
    await desk.clock.advance(600);
    await desk.change();
    await desk.clock.advance(399);
    expect(desk.saved).toEqual([]);
    await desk.clock.advance(1);

    expect(desk.saved).toEqual([2]);
    expect(desk.clock.pendingTimers).toBe(0);
  });

  it('at once when the time is nothing', async () => {
    const desk = new Desk(100, 0);

    await desk.change();
    await desk.clock.advance(0);

    expect(desk.saved).toEqual([1]);
  });

  it('no more while nothing changes', async () => {
    const desk = new Desk(2, 1_000);

    await desk.change(3);
    await desk.clock.advance(100_000);

    expect(desk.saved).toEqual([2, 3]);
    expect(desk.clock.pendingTimers).toBe(0);
  });

  it('as it is when the save begins', async () => {
    const desk = new Desk(2, 1_000);
    desk.hold();

    await desk.change(2);
    expect(desk.unanswered.map(({ position }) => position)).toEqual([2]);
    await desk.change();
    await desk.succeed();

    expect(desk.unanswered).toEqual([]);
    await desk.clock.advance(1_000);
    expect(desk.unanswered.map(({ position }) => position)).toEqual([3]);
  });

  it('one at a time', async () => {
    const desk = new Desk(1, 1_000);
    desk.hold();

    await desk.change(5);
    void desk.keeper.flush();
    await desk.clock.advance(5_000);
    expect(desk.unanswered).toHaveLength(1);
    await desk.succeed();

    expect(desk.unanswered).toHaveLength(1);
    await desk.succeed();
    expect(desk.unanswered).toEqual([]);
  });

  it('once more at once when too many changes came while it was being saved', async () => {
    const desk = new Desk(2, 60_000);
    desk.hold();

    await desk.change(5);
    await desk.succeed();

    expect(desk.unanswered.map(({ position }) => position)).toEqual([5]);
    await desk.succeed();
    expect(desk.keeper.isFull).toBe(false);
  });
});

describe('a keeper is full', () => {
  it('from the last change that may be unsaved until the save has succeeded', async () => {
    const desk = new Desk(2);
    desk.hold();

    await desk.change();
    expect(desk.keeper.isFull).toBe(false);
    await desk.change();
    expect(desk.keeper.isFull).toBe(true);
    await desk.succeed();

    expect(desk.keeper.isFull).toBe(false);
  });

  it('and lets those go on who waited for room', async () => {
    const desk = new Desk(2);
    desk.hold();
    await desk.change(2);
    let isFree = 0;
    void desk.keeper.room().then(() => isFree++);
    void desk.keeper.room().then(() => isFree++);

    await settled();
    expect(isFree).toBe(0);
    await desk.succeed();

    expect(isFree).toBe(2);
  });

  it('as long as its saves fail', async () => {
    const desk = new Desk(2);
    desk.hold();
    await desk.change(2);
    let isFree = false;
    void desk.keeper.room().then(() => (isFree = true));

    for (let time = 0; time < 5; time++) {
      await desk.fail();
      await desk.clock.advance(1_000);
    }
    expect([desk.keeper.isFull, isFree, desk.saved]).toEqual([true, false, []]);
    await desk.succeed();

    expect([desk.keeper.isFull, isFree, desk.saved]).toEqual([false, true, [2]]);
  });

  it('no more when a flush has saved the changes', async () => {
    const desk = new Desk(2);
    desk.hold();
    await desk.change(2);
    await desk.fail();
    let isFree = false;
    void desk.keeper.room().then(() => (isFree = true));

    const flushed = desk.keeper.flush();
    await settled();
    await desk.succeed();
    await flushed;

    expect([desk.keeper.isFull, isFree]).toEqual([false, true]);
  });

  it('no more once it is closed', async () => {
    const desk = new Desk(1);
    desk.hold();
    await desk.change();
    let isFree = false;
    void desk.keeper.room().then(() => (isFree = true));

    desk.keeper.close();
    await settled();

    expect([desk.keeper.isFull, isFree]).toEqual([false, true]);
  });
});

describe('a save that fails', () => {
  it('is reported once and tried again a second later, until it works', async () => {
    const desk = new Desk(1, 60_000);
    desk.hold();

    await desk.change(4);
    await desk.fail();
    expect(desk.failures).toEqual([DISK_FULL]);
    await desk.clock.advance(999);
    expect(desk.unanswered).toEqual([]);
    await desk.clock.advance(1);
    await desk.fail();
    expect(desk.failures).toEqual([DISK_FULL, DISK_FULL]);
    await desk.clock.advance(1_000);
    await desk.succeed();

    expect(desk.saved).toEqual([4]);
    expect([desk.failures.length, desk.clock.pendingTimers]).toEqual([2, 0]);
  });

  it('is tried again a second later, however long changes may stay unsaved otherwise', async () => {
    const desk = new Desk(100, 3_600_000);
    desk.hold();
    await desk.change();
    await desk.clock.advance(3_600_000);
    expect(desk.unanswered).toHaveLength(1);

    await desk.change();
    await desk.fail();
    await desk.clock.advance(1_000);

    expect(desk.unanswered.map(({ position }) => position)).toEqual([2]);
  });

  it('and throws at once is tried again, too', async () => {
    const clock = new ManualClock();
    const saved: number[] = [];
    const failures: unknown[] = [];
    let isBroken = true;
    const keeper = new CheckpointWriter(
      () => checkpoint(7),
      ({ position }) => {
        if (isBroken) throw DISK_FULL;
        saved.push(position);
      },
      1,
      1_000,
      clock,
      (error) => failures.push(error),
    );

    keeper.changed();
    await settled();
    expect(await rejectionOf(keeper.flush())).toBe(DISK_FULL);
    isBroken = false;
    await clock.advance(1_000);
    await keeper.flush();

    expect(failures).toEqual([DISK_FULL, DISK_FULL]);
    expect(saved).toEqual([7, 7]);
    expect(keeper.isFull).toBe(false);
  });

  it('after the keeper was closed bothers nobody, and is not tried again', async () => {
    const desk = new Desk(1);
    desk.hold();
    await desk.change();

    desk.keeper.close();
    await desk.fail();
    await desk.clock.advance(60_000);

    expect([desk.failures, desk.unanswered, desk.clock.pendingTimers]).toEqual([[], [], 0]);
  });
});

describe('a flush', () => {
  it('saves what is true now', async () => {
    const desk = new Desk(100);
    await desk.change(3);

    await desk.keeper.flush();

    expect(desk.saved).toEqual([3]);
  });

  it('saves also when nothing has changed', async () => {
    const desk = new Desk(100);

    await desk.keeper.flush();

    expect(desk.saved).toEqual([0]);
  });

  it('waits for the save that runs, which may have begun too early, and saves again', async () => {
    const desk = new Desk(1);
    desk.hold();
    await desk.change();
    desk.position = 5;
    let isFlushed = false;
    const flushed = desk.keeper.flush().then(() => (isFlushed = true));

    await desk.succeed();
    expect([isFlushed, desk.saved, desk.unanswered.map(({ position }) => position)]).toEqual([false, [1], [5]]);
    await desk.succeed();
    await flushed;

    expect(desk.saved).toEqual([1, 5]);
  });

  it('shares its save with others that came before it began', async () => {
    const desk = new Desk(1);
    desk.hold();
    await desk.change();
    const flushes = Promise.all([desk.keeper.flush(), desk.keeper.flush(), desk.keeper.flush()]);

    await desk.succeed();
    await desk.succeed();
    await flushes;

    expect(desk.saved).toHaveLength(2);
  });

  it('throws what saving fails with, and not what a save before it failed with', async () => {
    const desk = new Desk(1);
    desk.hold();
    await desk.change();
    const flushed = desk.keeper.flush();
    await desk.fail();
    await desk.succeed();
    await flushed;
    await settled();

    const failed = rejectionOf(desk.keeper.flush());
    await settled();
    await desk.fail();

    expect(await failed).toBe(DISK_FULL);
  });
});

it('closing a keeper ends its timers', async () => {
  const desk = new Desk(100);
  await desk.change();

  desk.keeper.close();
  await desk.change(200);
  await desk.clock.advance(60_000);

  expect([desk.saved, desk.clock.pendingTimers]).toEqual([[], 0]);
});

it('whatever comes when, no more than `every` changes and those under way are unsaved, and in the end none', async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    const every = 1 + random.below(5);
    const desk = new Desk(every, 100 * random.below(20));
    desk.hold();
    for (let step = 0; step < 60; step++) {
      const choice = random.below(6);
      if (choice < 3 && !desk.keeper.isFull) desk.changeOnce();
      else if (choice === 3) desk.unanswered[0]?.succeed();
      else if (choice === 4 && random.below(2)) desk.unanswered[0]?.fail();
      else await desk.clock.advance(100 * random.below(20));
      if (random.below(2)) await settled();
      expect(desk.position - (desk.saved.at(-1) ?? 0)).toBeLessThanOrEqual(every);
    }
    for (let step = 0; step < 10 && desk.saved.at(-1) !== desk.position; step++) {
      desk.unanswered[0]?.succeed();
      await desk.clock.advance(2_000);
    }

    expect({ seed, saved: desk.saved.at(-1) ?? 0 }).toEqual({ seed, saved: desk.position });
    expect(desk.saved).toEqual([...desk.saved].sort((a, b) => a - b));
  }
});

describe('that there was nothing to handle', () => {
  const MINUTE = 60_000;

  it('is saved within a minute, once', async () => {
    const desk = new Desk(3, 1_000);

    for (let time = 0; time < 5; time++) desk.keeper.passed();
    await desk.clock.advance(MINUTE - 1);
    expect(desk.saved).toEqual([]);
    await desk.clock.advance(10 * MINUTE);

    expect(desk.saved).toEqual([0]);
    expect(desk.clock.pendingTimers).toBe(0);
  });

  it('is saved with the next change, and does not delay it', async () => {
    const desk = new Desk(3, 1_000);

    desk.keeper.passed();
    await desk.change();
    await desk.clock.advance(10 * MINUTE);

    expect(desk.saved).toEqual([1]);
    expect(desk.clock.pendingTimers).toBe(0);
  });

  it('is reported and tried again when it cannot be saved', async () => {
    const desk = new Desk(3, 1_000);
    desk.hold();

    desk.keeper.passed();
    await desk.clock.advance(MINUTE);
    await desk.fail();
    expect(desk.failures).toEqual([DISK_FULL]);
    await desk.clock.advance(1_000);
    await desk.succeed();

    expect(desk.saved).toEqual([0]);
    expect(desk.clock.pendingTimers).toBe(0);
  });

  it('stays unsaved when the keeper is closed', async () => {
    const desk = new Desk(3, 1_000);

    desk.keeper.passed();
    desk.keeper.close();
    desk.keeper.passed();

    expect(desk.clock.pendingTimers).toBe(0);
  });
});
