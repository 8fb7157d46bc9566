import { expect } from '@jest/globals';
import fc from 'fast-check';
import { openEventStore, type StorageEngine } from 'nestjs-stream-store';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { RecordingLogger } from '../support/recorders.js';
import type { Real } from './checks.js';
import { ReferenceModel } from './reference-model.js';
import { BEGIN, STEPS } from './steps.js';

type Step = fc.AsyncCommand<ReferenceModel, Real>;

/** How a store is opened; 0 is no limit. */
export interface ModelOptions {
  readonly retention: number;
  readonly maxEventsPerStream: number;
  readonly maxStreams: number;
}

/** That a store does what the model does, whatever is asked of it. */
export function storeDoesWhatTheModelDoes(createEngine: () => StorageEngine | undefined) {
  const steps = fc.commands(STEPS, { maxCommands: 40, size: 'max' });
  const options = fc.record({
    retention: fc.constantFrom(0, 0, 60_000, 200_000),
    maxEventsPerStream: fc.constantFrom(0, 6),
    maxStreams: fc.constantFrom(0, 3),
  });
  return fc.asyncProperty(options, steps, (options, steps) => followTheModel(createEngine(), options, steps));
}

/** Takes steps with a store and with the model, and compares them after each. */
export async function followTheModel(
  engine: StorageEngine | undefined,
  { retention: retentionDuration, maxEventsPerStream, maxStreams }: ModelOptions,
  steps: Iterable<Step>,
): Promise<void> {
  const clock = new ManualClock(BEGIN);
  const store = await openEventStore({
    engine,
    retentionDuration,
    maxEventsPerStream,
    maxStreams,
    clock,
    logger: new RecordingLogger(),
    snapshotInterval: 0,
  });
  const model = new ReferenceModel(BEGIN, {
    retention: retentionDuration,
    maxEventsPerStream: maxEventsPerStream || Infinity,
    maxStreams: maxStreams || Infinity,
  });
  const real: Real = { store, clock, subscriptions: [], appends: [], seenFrozen: new Set(), steps: 0 };
  await fc.asyncModelRun(() => ({ model, real }), steps);
  await store.close();
  expect(clock.pendingTimers).toBe(0);
}
