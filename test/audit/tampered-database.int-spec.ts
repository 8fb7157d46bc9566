import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EventStore, EventStoreModule } from 'nestjs-stream-store';
import { AuditTrail, AuditTrailModule } from 'nestjs-stream-store/audit';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { startApp } from '../support/servers/nest-app.js';
import { startPostgres, type PostgresServer } from '../support/engines/postgres-server.js';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
}, 60_000);

afterAll(() => server.stop());

const about = { action: 'x', handler: 'X.x', transport: 'http', outcome: 'success', durationMs: 1 } as const;
const DAY = "stream_id = 'audit-2024-01-01'";

describe('a trail of two days in PostgreSQL', () => {
  // Whether heads of before are needed to find it. The last day has nothing after it that would tell of it.
  it.each<[string, boolean, (schema: string) => string]>([
    [
      'a day that names somebody else, without its hashes',
      false,
      (s) => `UPDATE ${s}.events SET data = replace(data, 'ada', 'eve'), metadata = '' WHERE ${DAY}`,
    ],
    ['a day without its beginning', false, (s) => `DELETE FROM ${s}.events WHERE ${DAY} AND position <= 4`],
    [
      'a day without its beginning, which retention is said to have removed',
      false,
      (s) =>
        `DELETE FROM ${s}.events WHERE ${DAY} AND position <= 4; UPDATE ${s}.streams SET trimmed_to = 4 WHERE ${DAY}`,
    ],
    ['a day without a record in the middle', false, (s) => `DELETE FROM ${s}.events WHERE ${DAY} AND position = 5`],
    ['a day without its end', false, (s) => `DELETE FROM ${s}.events WHERE ${DAY} AND position > 7`],
    ['a day without records', false, (s) => `DELETE FROM ${s}.events WHERE ${DAY}`],
    [
      'a day without records, which retention is said to have removed',
      false,
      (s) => `DELETE FROM ${s}.events WHERE ${DAY}; UPDATE ${s}.streams SET trimmed_to = 10 WHERE ${DAY}`,
    ],
    ['no trace of a day', false, (s) => `DELETE FROM ${s}.events WHERE ${DAY}; DELETE FROM ${s}.streams WHERE ${DAY}`],
    [
      'no trace of the last day',
      true,
      (s) => `DELETE FROM ${s}.events WHERE NOT ${DAY}; DELETE FROM ${s}.streams WHERE NOT ${DAY}`,
    ],
    ['records that are no JSON', false, (s) => `UPDATE ${s}.events SET data = '{' WHERE ${DAY} AND position = 3`],
  ])('is not intact with %s', async (_what, needsHeads, forge) => {
    const schema = server.newSchema();
    const app = await startApp({
      imports: [
        EventStoreModule.forRoot({ engine: postgresEngine({ connectionString: server.url, schema }) }),
        AuditTrailModule.register({ hashChain: true }),
      ],
    });
    const trail = app.get(AuditTrail);
    for (const day of ['2024-01-01', '2024-01-02']) {
      for (let number = 1; number <= 10; number++) {
        await trail.record({ ...about, actor: 'ada', correlationId: String(number) }, new Date(`${day}T12:00:00Z`));
      }
    }
    const { isIntact, heads } = await trail.verify();
    expect(isIntact).toBe(true);
    await server.run(forge(schema));

    expect(await trail.verify({ heads })).toMatchObject({ isIntact: false });
    expect(await trail.verify()).toMatchObject({ isIntact: needsHeads });
  });
});

it('names a day of streams that the application names, whose beginning is gone, beside damage that is none of its own', async () => {
  const schema = server.newSchema();
  const app = await startApp({
    imports: [
      EventStoreModule.forRoot({ engine: postgresEngine({ connectionString: server.url, schema }) }),
      AuditTrailModule.register({ hashChain: true, stream: (at) => `of-${at.getUTCDate()}` }),
    ],
  });
  const trail = app.get(AuditTrail);
  for (let number = 1; number <= 5; number++) {
    await trail.record({ ...about, actor: 'ada', correlationId: String(number) }, new Date('2024-01-01T12:00:00Z'));
    await app.get(EventStore).append('orders', { type: 'order.placed' });
  }
  await server.run(`DELETE FROM ${schema}.events WHERE stream_id = 'orders' AND position < 3`);
  expect(await trail.verify()).toMatchObject({ isIntact: true, verified: 5 });

  await server.run(`DELETE FROM ${schema}.events WHERE stream_id = 'of-1' AND position < 3`);

  expect(await trail.verify()).toMatchObject({ isIntact: false, problem: { kind: 'missing', streamId: 'of-1' } });
});
