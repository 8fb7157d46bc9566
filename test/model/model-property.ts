import { expect } from '@jest/globals';
import fc from 'fast-check';
import { openEventStore, type StorageEngine } from 'nestjs-stream-store';
import { ManualClock } from '../support/manual-clock.js';
import { RecordingLogger } from '../support/recorders.js';
import type { Real } from './checks.js';
import { ReferenceModel } from './reference-model.js';
import { BEGIN, STEPS } from './steps.js';

/** That a store does what the model does, whatever is asked of it. */
export function storeDoesWhatTheModelDoes(createEngine: () => StorageEngine | undefined) {
  const steps = fc.commands(STEPS, { maxCommands: 40, size: 'max' });
  const options = fc.record({
    retention: fc.constantFrom(0, 0, 60_000, 200_000),
    maxEventsPerStream: fc.constantFrom(0, 6),
    maxStreams: fc.constantFrom(0, 3),
  });
  return fc.asyncProperty(options, steps, async (options, steps) => {
    const clock = new ManualClock(BEGIN);
    const { retention: retentionDuration, maxEventsPerStream, maxStreams } = options;
    const store = await openEventStore({
      engine: createEngine(),
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
  });
}
