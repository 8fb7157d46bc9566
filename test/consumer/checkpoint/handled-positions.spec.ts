import { describe, expect, it } from '@jest/globals';
import { HandledPositions } from '../../../lib/consumer/checkpoint/handled-positions.js';
import { Random } from '../../support/worlds/random.js';

describe('progress', () => {
  it('moves to an event when it is done', () => {
    const progress = new HandledPositions(4);
    const done = progress.take(7);
    expect(progress.position).toBe(4);

    done();

    expect(progress.position).toBe(7);
  });

  it('never passes an event that is not done, however many after it are', () => {
    const progress = new HandledPositions(0);
    const [first, second, third, fourth] = [1, 2, 3, 4].map((position) => progress.take(position));

    third();
    second();
    expect([progress.position, progress.ahead]).toEqual([0, [2, 3]]);
    first();
    expect([progress.position, progress.ahead]).toEqual([3, []]);
    fourth();

    expect([progress.position, progress.ahead]).toEqual([4, []]);
  });

  it('counts what it would cost to begin again: all between its position and the last event taken', () => {
    const progress = new HandledPositions(0);
    const [first, second] = [progress.take(10), progress.take(20)];
    expect(progress.window).toBe(2);

    second();
    expect(progress.window).toBe(2);
    first();

    expect(progress.window).toBe(0);
  });

  it('does not count an event twice that is done twice', () => {
    const progress = new HandledPositions(0);
    const [first, second] = [progress.take(1), progress.take(2)];

    first();
    first();
    expect(progress.position).toBe(1);
    second();
    second();

    expect([progress.position, progress.window]).toEqual([2, 0]);
  });

  it('passes to where nothing is left for its reader', () => {
    const progress = new HandledPositions(3);

    progress.passTo(9);

    expect(progress.position).toBe(9);
  });

  it('does not go back', () => {
    const progress = new HandledPositions(3);

    progress.passTo(2);

    expect(progress.position).toBe(3);
  });

  it('passes to where nothing is left once the events before that are done', () => {
    const progress = new HandledPositions(0);
    const [first, second] = [progress.take(1), progress.take(5)];

    progress.passTo(9);
    second();
    expect([progress.position, progress.ahead]).toEqual([0, [5]]);
    first();

    expect([progress.position, progress.ahead]).toEqual([9, []]);
  });

  it('stays before events that were taken after it was told of the end', () => {
    const progress = new HandledPositions(0);
    const first = progress.take(1);
    progress.passTo(9);
    const later = progress.take(12);

    first();
    expect(progress.position).toBeLessThan(12);
    later();

    expect(progress.position).toBe(12);
  });

  it('agrees with a plain list of what is done, whatever the order', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed);
      const progress = new HandledPositions(0);
      const open = new Map<number, () => void>();
      const done = new Set<number>();
      let last = 0;
      const [seen, expected]: [unknown[], unknown[]] = [[], []];
      const passed: number[] = [];
      for (let step = 0; step < 60; step++) {
        const choice = random.below(5);
        if (choice < 2) {
          last += 1 + random.below(3);
          open.set(last, progress.take(last));
        } else if (choice < 4 && open.size > 0) {
          const position = random.pick([...open.keys()]);
          open.get(position)!();
          open.delete(position);
          done.add(position);
        } else {
          last += random.below(2);
          passed.push(last);
          progress.passTo(last);
        }

        const firstOpen = Math.min(...open.keys(), Infinity);
        const before = [...done, ...passed].filter((position) => position < firstOpen);
        const position = Math.max(0, ...before);
        const ahead = [...done].filter((doneAhead) => doneAhead > position).sort((a, b) => a - b);
        expected.push([position, ahead]);
        seen.push([progress.position, progress.ahead]);
      }
      expect({ seed, seen }).toEqual({ seed, seen: expected });
    }
  });
});
