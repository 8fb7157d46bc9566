import { it } from '@jest/globals';
import fc from 'fast-check';
import { followTheModel } from '../model/model-property.js';
import { ASKING_STEPS } from '../model/steps.js';
import { engineUnder, type Planner, PLANNERS } from '../support/engines/postgres-plans.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';

const { server } = usePostgres();

const AS_IT_COMES: Planner = { settings: 'the settings it comes with', statistics: 'no' };

it.each([AS_IT_COMES, ...PLANNERS])(
  'a store on PostgreSQL does what the model does, whatever is asked of it, under $settings, with $statistics statistics',
  async (planner) => {
    const steps = fc.commands(ASKING_STEPS, { maxCommands: 60, size: 'max' });
    const options = fc.record({
      retention: fc.constantFrom(0, 60_000, 200_000),
      maxEventsPerStream: fc.constantFrom(0, 6),
      maxStreams: fc.constantFrom(0, 3),
    });
    const property = fc.asyncProperty(options, steps, async (options, steps) => {
      const schema = server().newSchema();
      await followTheModel(engineUnder(planner, server(), schema), options, steps);
      await server().run(`DROP SCHEMA "${schema}" CASCADE`);
    });
    await fc.assert(property, { numRuns: scaled(30) });
  },
  scaledTimeLimit(120_000),
);
