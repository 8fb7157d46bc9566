import { describe, expect, it } from '@jest/globals';
import { Random } from '../../support/worlds/random.js';
import { scaled } from '../../support/scale.js';
import { found, type Life, live } from './lives.js';
import { SimulatedDisk } from './simulated-disk.js';

/** A moment at which the power may fail. */
interface Moment {
  readonly where: string;
  readonly left: SimulatedDisk;
  /** What may be found then. */
  readonly states: readonly string[];
}

/** Lives a life, and notes what a power loss before each disk call would leave. */
async function momentsOf(disk: SimulatedDisk, random: Random, perCall: number, begin: string): Promise<Moment[]> {
  const life: Life = { states: [begin], acknowledged: 0 };
  const moments: Moment[] = [];
  disk.before = ({ number, name }) => {
    for (let n = 0; n < perCall; n++) {
      const states = life.states.slice(life.acknowledged);
      moments.push({ where: `before call ${number}, ${name}`, left: disk.crashed(random), states });
    }
  };
  await live(disk, life);
  return moments;
}

describe('a power loss', () => {
  it('between any two disk calls leaves the state before or the new one, whole', async () => {
    const random = new Random(1);
    const moments = await momentsOf(new SimulatedDisk(), random, scaled(10), await found(new SimulatedDisk()));

    const seen = new Set<number>();
    for (const { where, left, states } of moments) {
      const state = states.indexOf(await found(left));
      expect([where, state >= 0]).toEqual([where, true]);
      seen.add(state);
    }
    // Both happen, or the test would not test.
    expect([...seen].sort()).toEqual([0, 1]);
  });

  it('after power loss after power loss leaves the state before or the new one, whole', async () => {
    for (let seed = 1; seed <= scaled(20); seed++) {
      const random = new Random(seed);
      let disk = new SimulatedDisk();
      let state = await found(new SimulatedDisk());
      for (let life = 1; life <= 6; life++) {
        const { where, left, states } = random.pick(await momentsOf(disk, random, 1, state));
        const after = await found(left.copy());
        expect([seed, life, where, states.includes(after)]).toEqual([seed, life, where, true]);
        [disk, state] = [left, after];
      }
    }
  });

  it('after a snapshot was acknowledged never loses it', async () => {
    for (let seed = 1; seed <= scaled(50); seed++) {
      const disk = new SimulatedDisk();
      const life: Life = { states: [await found(new SimulatedDisk())], acknowledged: 0 };
      await live(disk, life);

      expect(await found(disk.crashed(new Random(seed)))).toBe(life.states.at(-1));
    }
  });
});
