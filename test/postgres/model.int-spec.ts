import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { openEventStore } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { ReferenceModel } from '../model/reference-model.js';
import { ASKING_STEPS, BEGIN } from '../model/steps.js';
import type { Real } from '../model/checks.js';
import { ManualClock } from '../support/manual-clock.js';
import { usePostgres } from '../support/postgres-stores.js';
import { RecordingLogger } from '../support/recorders.js';
import { SCALE } from '../support/scale.js';

const { server } = usePostgres();

it(
  'a store on PostgreSQL does what the model does, whatever is asked of it',
  async () => {
    const steps = fc.commands(ASKING_STEPS, { maxCommands: 60, size: 'max' });
    const options = fc.record({
      retention: fc.constantFrom(0, 60_000, 200_000),
      maxEventsPerStream: fc.constantFrom(0, 6),
      maxStreams: fc.constantFrom(0, 3),
    });
    const property = fc.asyncProperty(options, steps, async (options, steps) => {
      const clock = new ManualClock(BEGIN);
      const { retention: retentionDuration, maxEventsPerStream, maxStreams } = options;
      const schema = server().newSchema();
      const store = await openEventStore({
        retentionDuration,
        maxEventsPerStream,
        maxStreams,
        clock,
        logger: new RecordingLogger(),
        engine: postgresEngine({ connectionString: server().url, schema }),
      });
      const model = new ReferenceModel(BEGIN, {
        retention: retentionDuration,
        maxEventsPerStream: maxEventsPerStream || Infinity,
        maxStreams: maxStreams || Infinity,
      });
      const real: Real = { store, clock, subscriptions: [], appends: [], seenFrozen: new Set(), steps: 0 };
      await fc.asyncModelRun(() => ({ model, real }), steps);
      await store.close();
      await server().run(`DROP SCHEMA "${schema}" CASCADE`);
      expect(clock.pendingTimers).toBe(0);
    });
    await fc.assert(property, { numRuns: 30 * SCALE });
  },
  120_000 * SCALE,
);
