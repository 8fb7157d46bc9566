import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { ConsumerWorld, type WorldStats } from '../support/consumer-world.js';
import { SCALE } from '../support/scale.js';

jest.setTimeout(600_000 * Math.max(1, SCALE));

/** `SEED=17 npm test -- test/consumer/event-consumer.seeds` runs one world again, and tells what happens in it. */
const SEED = process.env.SEED === undefined ? undefined : Number(process.env.SEED);
const SEEDS = Math.ceil(10_000 * SCALE);

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

async function statsOf(seed: number, trace?: (line: string) => void): Promise<WorldStats> {
  const world = new ConsumerWorld(seed, trace);
  try {
    await world.run();
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message} (SEED=${seed} tells more)`, { cause: error });
  }
  return world.stats;
}

it('a durable handler keeps its promises, whatever happens in whatever order', async () => {
  if (SEED !== undefined) return void (await statsOf(SEED, (line) => void process.stdout.write(`${line}\n`)));

  const worldsWith: Record<string, number> = {};
  for (let seed = 1; seed <= SEEDS; seed++) {
    const stats = await statsOf(seed);
    for (const [what, times] of Object.entries(stats)) worldsWith[what] = (worldsWith[what] ?? 0) + Number(times > 0);
  }

  // Worlds in which nothing goes wrong prove nothing.
  const seldom = Object.entries(worldsWith).filter(([, worlds]) => worlds < SEEDS / 20);
  expect(seldom).toEqual([]);
});
