import { describe, expect, it } from '@jest/globals';
import { DatabaseSync } from '@photostructure/sqlite';
import { EventStore, EventStoreModule } from 'nestjs-stream-store';
import { AuditTrail, AuditTrailModule } from 'nestjs-stream-store/audit';
import { startApp } from '../support/servers/nest-app.js';
import { engineOn, newFile } from '../sqlite/sqlite-files.js';

const STREAM = 'audit-2024-01-01';
const at = new Date('2024-01-01T12:00:00Z');
const about = { action: 'x', handler: 'X.x', transport: 'http', outcome: 'success', durationMs: 1 } as const;

async function instanceOn(file: string) {
  const app = await startApp({
    imports: [
      EventStoreModule.forRoot({ engine: engineOn(file, { synchronous: 'NORMAL' }) }),
      AuditTrailModule.register({ hashChain: true }),
    ],
  });
  const trail = app.get(AuditTrail);
  const write = (actor: string) => trail.record({ ...about, actor, correlationId: actor }, at);
  return { app, trail, write, store: app.get(EventStore) };
}

describe('a trail in a file of SQLite', () => {
  let file: string;
  const sql = (statement: string): void => {
    const database = new DatabaseSync(file);
    database.exec(statement);
    database.close();
  };

  it.each([
    [`UPDATE events SET data = replace(data, 'bob', 'eve') WHERE position = 2`, 'altered', 2],
    [`UPDATE events SET timestamp = timestamp + 1 WHERE position = 3`, 'altered', 3],
    [`UPDATE events SET metadata = '' WHERE position = 2`, 'altered', 2],
    [`DELETE FROM events WHERE position = 3`, 'missing', 3],
    [`DELETE FROM events WHERE position <= 2`, 'missing', 1],
    [
      `DELETE FROM events WHERE position <= 2; UPDATE streams SET first_position = 3; UPDATE log SET trimmed_to = 2`,
      'missing',
      1,
    ],
    [`DELETE FROM events; UPDATE streams SET first_position = 5; UPDATE log SET trimmed_to = 4`, 'missing', 1],
    [`DELETE FROM events`, 'missing', 1],
    [`UPDATE events SET data = '{' WHERE position = 2`, 'altered', 2],
    [
      `UPDATE events SET position = -position WHERE position IN (2, 3);
       UPDATE events SET position = 5 + position WHERE position < 0;`,
      'reordered',
      2,
    ],
    [
      `DELETE FROM events WHERE position = 2;
       UPDATE events SET position = position - 1 WHERE position > 2;
       UPDATE streams SET revision = revision - 1;`,
      'reordered',
      2,
    ],
  ])('shows what %s has done', async (statement, kind, position) => {
    file = newFile();
    const before = await instanceOn(file);
    for (const actor of ['ada', 'bob', 'cleo', 'dan']) await before.write(actor);
    const { heads, ...verification } = await before.trail.verify();
    expect(verification).toMatchObject({ isIntact: true, verified: 4 });
    await before.app.close();
    sql(statement);

    const { trail } = await instanceOn(file);

    const problem = { kind, streamId: STREAM, position };
    expect(await trail.verify({ heads })).toMatchObject({ isIntact: false, problem });
  });

  it('is one chain, however many processes write to it', async () => {
    file = newFile();
    const instances = [await instanceOn(file), await instanceOn(file)];
    await Promise.all(
      instances.flatMap(({ write }, instance) => Array.from({ length: 40 }, (_, n) => write(`${instance}-${n}`))),
    );

    expect(await instances[0].trail.verify()).toMatchObject({ isIntact: true, verified: 80 });
  });
});
