import { expect, it } from '@jest/globals';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { numbered } from '../support/events.js';
import { eventually } from '../support/waiting/eventually.js';
import { countingEngine, openIdle } from '../support/waiting/idle-subscriptions.js';
import { openTestStore } from '../support/open-test-store.js';
import { usePostgres } from '../support/engines/postgres-stores.js';

const { server, openStore } = usePostgres();

it.each([
  ['hears hints', false],
  ['loses all hints', true],
])(
  '200 subscriptions of all kinds that rest ask one question a second where the store %s',
  async (_what, losesHints) => {
    const schema = server().newSchema();
    const { engine, calls } = countingEngine(postgresEngine({ connectionString: server().url, schema }), losesHints);
    const store = await openTestStore({ engine, logger: { warn: () => undefined, error: console.error } });
    const other = await openStore({ schema });
    for (let index = 0; index < 7; index++) await store.append(`order-${index}`, numbered(1, 3));
    const idle = await openIdle(store, 200);
    const settledAt = calls('streamEnds');
    await eventually('a first look', () => calls('streamEnds') > settledAt);
    const [before, looks] = [calls(), calls('readAll')];

    await eventually('three more', () => calls('readAll') >= looks + 3);

    expect(calls() - before).toBeLessThanOrEqual(4);
    await other.append('order-0', numbered(4, 4));
    await eventually('the event', () => idle[0].reader.items.length === 4 && idle[2].reader.items.length === 22);
  },
);
