import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { scaled, scaledTimeLimit } from '../scale.js';

/** Something that runs in an order of its own for each seed, and fails when a promise is not kept. */
export interface SeededWorld {
  /** How often what happened. */
  readonly stats: object;
  run(): Promise<void>;
}

/** What a test is to go through. */
export interface SeededWorlds {
  /** How many, to be enlarged by `SCALE`. */
  readonly count: number;
  /** Everything that counts has to happen in one of so many worlds: those in which nothing goes wrong prove nothing. */
  readonly oneIn: number;
  readonly create: (seed: number, trace?: (line: string) => void) => SeededWorld;
}

/** Which of so many files run beside each other: the seeds are dealt out among them. */
export interface Shard {
  /** From 1. */
  readonly number: number;
  readonly of: number;
}

/** A test of many worlds. `SEED=17 npm test -- <file>` runs one of them again, and tells what happens in it. */
export function itHoldsInEveryWorld(
  promise: string,
  { count, oneIn, create }: SeededWorlds,
  shard: Shard = { number: 1, of: 1 },
): void {
  jest.setTimeout(scaledTimeLimit(600_000));
  const onlySeed = process.env.SEED === undefined ? undefined : Number(process.env.SEED);
  const seeds = scaled(count / shard.of);
  const { stackTraceLimit } = Error;

  beforeAll(() => {
    // A loop that has worked for some milliseconds gives the event loop back, which would depend on the machine.
    jest.spyOn(performance, 'now').mockReturnValue(0);
    // The stacks of some hundred thousand failures would take most of the time, and nobody reads them.
    Error.stackTraceLimit = 0;
  });

  afterAll(() => {
    jest.restoreAllMocks();
    Error.stackTraceLimit = stackTraceLimit;
  });

  const statsOf = async (seed: number, trace?: (line: string) => void): Promise<object> => {
    const world = create(seed, trace);
    try {
      await world.run();
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message} (SEED=${seed} tells more)`, { cause: error });
    }
    return world.stats;
  };

  it(promise, async () => {
    if (onlySeed !== undefined) return void (await statsOf(onlySeed, (line) => void process.stdout.write(`${line}\n`)));

    const worldsWith: Record<string, number> = {};
    for (let index = 0; index < seeds; index++) {
      const stats = await statsOf(index * shard.of + shard.number);
      for (const [what, times] of Object.entries(stats)) worldsWith[what] = (worldsWith[what] ?? 0) + Number(times > 0);
    }

    const seldom = Object.entries(worldsWith).filter(([, worlds]) => worlds < seeds / oneIn);
    expect(seldom).toEqual([]);
  });
}
