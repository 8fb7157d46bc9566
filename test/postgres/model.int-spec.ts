import { it } from '@jest/globals';
import fc from 'fast-check';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { followTheModel } from '../model/model-property.js';
import { ASKING_STEPS } from '../model/steps.js';
import { usePostgres } from '../support/postgres-stores.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';

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
      const schema = server().newSchema();
      await followTheModel(postgresEngine({ connectionString: server().url, schema }), options, steps);
      await server().run(`DROP SCHEMA "${schema}" CASCADE`);
    });
    await fc.assert(property, { numRuns: scaled(30) });
  },
  scaledTimeLimit(120_000),
);
