import { costPerCallInTurns } from '../measure.mjs';
import { withPostgres } from '../postgres-server.mjs';
import { openOursOnPostgres } from '../stores.mjs';

export const title = 'PostgreSQL with many streams';

export const about = `\
What one append costs with more and more streams of three events, while the server has no statistics of its tables, those of an
empty store, or those of today. All stores are on one server, and take turns. Commits do not wait for the disk here, which
would hide what is measured. With \`SCALE=1\` there are a million streams as well.`;

const STATISTICS = ['no', 'stale', 'fresh'];
const SIZES = [100, 5_000, 60_000, ...(Number(process.env.SCALE ?? 0) >= 1 ? [1_000_000] : [])];
const nameOf = (size, statistics) => `${size} streams, ${statistics} statistics`;

export const rows = SIZES.slice(1).flatMap((size) =>
  STATISTICS.map((statistics) => ({
    number: 28,
    work: `append one event, ${size} streams, ${statistics} statistics`,
    ours: nameOf(size, statistics),
    against: '100 streams',
    theirs: nameOf(100, statistics),
    goal: { atMost: 1.5 },
  })),
);

export const cases = {
  'by streams': ({ scaled }) =>
    withPostgres(async (url) => {
      const address = `${url}?options=${encodeURIComponent('-c synchronous_commit=off')}`;
      const { default: pg } = await import('pg');
      const client = new pg.Client(url);
      await client.connect();
      // What fails ends the server, and this connection with it: that is not what is to be said.
      client.on('error', () => {});
      const stores = [];
      for (const size of SIZES) {
        for (const statistics of STATISTICS) {
          const schema = `streams_${size}_${statistics}`;
          const store = await openOursOnPostgres(address, { schema, maxConnections: 3, listen: false });
          await fill(client, schema, size, statistics);
          stores.push({ name: nameOf(size, statistics), size, store, appends: 0 });
        }
      }
      await client.query('CHECKPOINT');
      const one = [{ type: 'order.placed', data: { orderId: 'order-4711', total: 129.95 } }];
      // Another stream each time, and never one twice in a short while.
      const calls = Object.fromEntries(
        stores.map((each) => [
          each.name,
          () => each.store.append(`customer-${1 + ((each.appends++ * 7_919) % each.size)}`, one),
        ]),
      );
      await costPerCallInTurns(2, scaled(200), calls);
      const costs = await costPerCallInTurns(9, scaled(200), calls);
      for (const { store } of stores) await store.close();
      await client.end();
      return costs;
    }),
};

async function fill(client, schema, streams, statistics) {
  const tables = ['events', 'streams', 'log'].map((table) => `${schema}.${table}`);
  // Autovacuum would take statistics some time during the run.
  for (const table of tables) await client.query(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`);
  if (statistics === 'stale') await client.query(`ANALYZE ${tables.join(', ')}`);
  await client.query(
    `INSERT INTO ${schema}.streams (stream_id) SELECT 'customer-' || n FROM generate_series(1, ${streams}) AS n`,
  );
  await client.query(
    `INSERT INTO ${schema}.events
       SELECT g, 'customer-' || 1 + (g - 1) % ${streams}, 1 + (g - 1) / ${streams}, 'event-' || g, 'order.placed',
         '{"number":' || g || '}', '', 1700000000000, 1700000000000
       FROM generate_series(1, ${streams} * 3::bigint) AS g`,
  );
  await client.query(`UPDATE ${schema}.log SET stream_count = ${streams}`);
  if (statistics === 'fresh') await client.query(`ANALYZE ${tables.join(', ')}`);
}
