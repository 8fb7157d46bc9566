import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import {
  memoryEngine,
  openEventStore,
  type StorageEngine,
  START,
  type SubscriptionGap,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import { microtasks } from '../support/waiting/collect.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';
import { SeededSteps } from '../support/worlds/seeded-steps.js';

jest.setTimeout(scaledTimeLimit(300_000));

/** `SEED=17 npm test -- test/consumer/subscription.seeds` runs one world again, and tells what happens in it. */
const SEED = process.env.SEED === undefined ? undefined : Number(process.env.SEED);
const SEEDS = scaled(3_000);
const POLL_INTERVAL_MS = 1_000;

beforeAll(() => {
  // A loop that has worked for some milliseconds gives the event loop back, which would depend on the machine.
  jest.spyOn(performance, 'now').mockReturnValue(0);
});

afterAll(() => {
  jest.restoreAllMocks();
});

/**
 * One subscription to a log that another process appends to, on an engine whose hints are lost: all of them, or some.
 * Appends of this process, reads, the reader's pauses and retention happen in an order that a seed decides.
 */
async function runWorld(seed: number, trace?: (line: string) => void): Promise<void> {
  const steps = new SeededSteps(seed, trace);
  const { random } = steps;
  const life = { isAlive: true };
  const disk = memoryEngine();
  const hintsLost = random.pick([1, 2, 5]);
  let hint: (streamId?: string) => void = () => undefined;
  const engine: StorageEngine = {
    ...steps.engineOf(life, disk, steps.oneIn(2), () => undefined),
    onAppended: (listener) => {
      hint = (streamId) => (steps.oneIn(hintsLost) ? undefined : listener(streamId));
      return () => (hint = () => undefined);
    },
  };
  const store = await openEventStore({ engine, clock: steps.clockOf(life), snapshotInterval: 0, logger: SILENT });
  const target = random.pick<SubscriptionTarget>(['a', { all: true }, { streams: 'a*' }]);
  const isWanted = (streamId: string): boolean => (target as { all?: true }).all === true || streamId === 'a';
  const placeOf = ({ position, globalPosition }: { position: number; globalPosition: number }): number =>
    target === 'a' ? position : globalPosition;

  const appended: number[] = [];
  const seen: number[] = [];
  const gaps: SubscriptionGap[] = [];
  const appendElsewhere = async (): Promise<void> => {
    const streamId = random.pick(['a', 'a', 'b']);
    const event = { id: undefined, type: 't', data: 'null', metadata: '', timestamp: undefined };
    const events = Array.from({ length: 1 + random.below(3) }, () => event);
    // The engine of the other process is another object on the same disk.
    const answer = await disk.append({ streamId, events, expectedRevision: 'any', recordedSince: -Infinity });
    note(streamId, events.length, answer.firstPosition, answer.globalPosition);
    hint(steps.oneIn(2) ? streamId : undefined);
  };
  const appendHere = async (): Promise<void> => {
    const streamId = random.pick(['a', 'b']);
    const { firstPosition, globalPosition, count } = await store.append(streamId, [{ type: 't' }, { type: 't' }]);
    note(streamId, count, firstPosition, globalPosition);
  };
  const note = (streamId: string, count: number, firstPosition: number, globalPosition: number): void => {
    for (let index = 0; index < count; index++) {
      const position = firstPosition + index;
      const place = placeOf({ position, globalPosition: globalPosition - count + 1 + index });
      if (isWanted(streamId)) appended.push(place);
    }
  };
  const subscription = store.subscribe(target, START, {
    batchSize: random.pick([1, 2, 512]),
    onGap: (gap) => void gaps.push(gap),
  });
  const read = async (): Promise<void> => {
    for await (const event of subscription) {
      seen.push(placeOf(event));
      if (steps.oneIn(3)) await new Promise<void>((resolve) => steps.later(life, 'reader', resolve));
    }
  };
  const reading = read();

  for (let step = 0; step < 50; step++) {
    const choice = random.below(20);
    if (choice < 4) void appendElsewhere();
    else if (choice < 6) void appendHere();
    else if (choice < 7) steps.fireTimer();
    else if (choice < 8) hint();
    else if (choice < 9 && seen.length > 0) {
      void disk.trim({ recordedBefore: Infinity, upTo: random.below(5) + seen.length, limit: Infinity });
    } else if (!steps.goOn()) steps.fireTimer();
    await steps.pause();
  }

  // From here on, nobody appends: the rest comes within one interval of polling.
  const isThere = (place: number): boolean =>
    seen.includes(place) || gaps.some(({ after, trimmedTo }) => place > after && place <= trimmedTo);
  const quietSince = steps.now;
  for (let step = 0; step < 500 && !appended.every(isThere); step++) {
    if (!steps.goOn()) {
      // Time passes only while nobody has anything to do.
      await microtasks(30);
      if (steps.pendingTasks === 0 && !appended.every(isThere)) steps.fireTimer();
    }
    await steps.pause();
  }

  expect(appended.filter((place) => !isThere(place))).toEqual([]);
  expect(seen.every((place, index) => place > (seen[index - 1] ?? 0))).toBe(true);
  expect(steps.now - quietSince).toBeLessThanOrEqual(POLL_INTERVAL_MS);
  await subscription.close();
  while (steps.goOn()) await microtasks(5);
  await reading;
  // It waits for what is being read, such as a look for news.
  let isClosed = false;
  const closing = store.close().then(() => (isClosed = true));
  while (!isClosed) if (!steps.goOn()) await steps.pause();
  await closing;
  expect(steps.pendingTimers).toBe(0);
}

const SILENT = { warn: () => undefined, error: () => undefined };

it('a subscription gets everything in order and once, whatever hints are lost', async () => {
  if (SEED !== undefined) return runWorld(SEED, (line) => void process.stdout.write(`${line}\n`));

  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      await runWorld(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message} (SEED=${seed} tells more)`, { cause: error });
    }
  }
});
