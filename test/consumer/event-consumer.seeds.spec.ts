import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { ConsumerWorld, noStats, type WorldStats } from '../support/consumer-world.js';
import { SCALE } from '../support/scale.js';

jest.setTimeout(600_000 * Math.max(1, SCALE));

/** `SEED=17 npm test -- test/consumer/event-consumer.seeds` runs one world again, and tells what happens in it. */
const SEED = process.env.SEED === undefined ? undefined : Number(process.env.SEED);
const SEEDS = Math.ceil(20_000 * SCALE);

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

async function runWorld(seed: number, stats: WorldStats, trace?: (line: string) => void): Promise<void> {
  try {
    await new ConsumerWorld(seed, stats, trace).run();
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message} (SEED=${seed} tells more)`, { cause: error });
  }
}

it('a durable handler keeps its promises, whatever happens in whatever order', async () => {
  const stats = noStats();
  if (SEED !== undefined) return runWorld(SEED, stats, (line) => void process.stdout.write(`${line}\n`));

  for (let seed = 1; seed <= SEEDS; seed++) await runWorld(seed, stats);

  // Worlds in which nothing goes wrong prove nothing.
  for (const [what, times] of Object.entries(stats)) {
    expect({ what, isOften: times > SEEDS / 20 }).toEqual({ what, isOften: true });
  }
});
