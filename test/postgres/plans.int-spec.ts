import { describe, expect, it } from '@jest/globals';
import { type EventStore, openEventStore, WrongExpectedRevisionError } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { numbered, rejectionOf } from '../support/events.js';
import {
  type FilledStream,
  fillStreams,
  PLANNER_SETTINGS,
  STATISTICS,
  withSettings,
} from '../support/engines/postgres-plans.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { Random } from '../support/worlds/random.js';
import { SCALE } from '../support/scale.js';
import { RecordingLogger } from '../support/recorders.js';

const { server } = usePostgres();

const STREAMS = 20_000;
const COMMITS = 10 * SCALE;

// Which plan the server takes depends on how many streams there are, on what it knows of them, and on its settings. What the
// store answers must not.
describe.each(STATISTICS)('with twenty thousand streams and %s statistics', (statistics) => {
  let schema: string | undefined;
  let filled: FilledStream[];

  /** Opens a store in which the planner does as it is told, for as long as the test takes. */
  async function withStore(settings: string, test: (store: EventStore) => Promise<void>): Promise<void> {
    const isNew = schema === undefined;
    schema ??= server().newSchema();
    const connectionString = withSettings(server().url, PLANNER_SETTINGS[settings]);
    const engine = postgresEngine({ connectionString, schema });
    const store = await openEventStore({ engine, maxStreams: 0, logger: new RecordingLogger() });
    try {
      if (isNew) filled = await fillStreams(server(), schema, STREAMS, statistics);
      await test(store);
    } finally {
      await store.close();
    }
  }

  /** Streams that no test has appended to yet. */
  const take = (count: number): FilledStream[] => filled.splice(0, count);

  it.each(Object.keys(PLANNER_SETTINGS))(
    'appends that share a commit get the revisions of their own streams under %s',
    (settings) =>
      withStore(settings, async (store) => {
        const random = new Random(1);
        for (let commit = 0; commit < COMMITS; commit++) {
          const streams = [...take(4), { streamId: `new ${settings} ${commit}`, revision: 0 }, ...take(3)];
          const appends = streams.map(({ streamId, revision }) => ({
            streamId,
            revision,
            events: numbered(1, 1 + random.below(3)),
            expectedRevision: random.below(2) === 0 ? revision : ('any' as const),
          }));

          const answers = await Promise.allSettled(
            appends.map(({ streamId, events, expectedRevision }) =>
              store.append(streamId, events, { expectedRevision }),
            ),
          );

          const right = appends.map(({ revision, events }) => revision + events.length);
          expect(
            answers.map((each) => (each.status === 'fulfilled' ? each.value.revision : String(each.reason))),
          ).toEqual(right);
          for (const [index, { streamId }] of appends.entries()) {
            const positions = (await store.readStream(streamId)).map(({ position }) => position);
            expect(positions).toEqual(Array.from({ length: right[index] }, (_, before) => before + 1));
          }
        }
      }),
    60_000 * SCALE,
  );

  it.each(Object.keys(PLANNER_SETTINGS))(
    'who expects a wrong revision is told that of its own stream, and nobody else is refused, under %s',
    (settings) =>
      withStore(settings, async (store) => {
        const [one, wrong, other] = take(3);

        const answers = await Promise.all([
          store.append(one.streamId, numbered(1, 1), { expectedRevision: one.revision }),
          rejectionOf(store.append(wrong.streamId, numbered(1, 1), { expectedRevision: wrong.revision + 7 })),
          store.append(other.streamId, numbered(1, 1), { expectedRevision: other.revision }),
        ]);

        expect(answers[0]).toMatchObject({ revision: one.revision + 1 });
        expect(answers[1]).toBeInstanceOf(WrongExpectedRevisionError);
        expect(answers[1]).toMatchObject({ streamId: wrong.streamId, actual: wrong.revision });
        expect(answers[2]).toMatchObject({ revision: other.revision + 1 });
      }),
    60_000,
  );
});
