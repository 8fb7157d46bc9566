import type { StorageEngine } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import type { PostgresServer } from './postgres-server.js';
import { SCALE } from '../scale.js';

/** What an administrator may have set, and what makes the planner of the server choose other plans. */
export const PLANNER_SETTINGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'the settings it comes with': {},
  'no nested loops': { enable_nestloop: 'off' },
  'no hash joins': { enable_hashjoin: 'off' },
  'no merge joins': { enable_mergejoin: 'off' },
  'nothing but merge joins': { enable_nestloop: 'off', enable_hashjoin: 'off' },
  'nothing but hash joins': { enable_nestloop: 'off', enable_mergejoin: 'off' },
  'no index scans': { enable_indexscan: 'off', enable_indexonlyscan: 'off' },
  'a fast disk': { random_page_cost: '1.1' },
  'little memory': { work_mem: '64kB' },
  'a fast disk and little memory': { random_page_cost: '1.1', work_mem: '64kB' },
  'parallel plans': { parallel_setup_cost: '0', parallel_tuple_cost: '0', min_parallel_table_scan_size: '0' },
};

/** The address of a server whose sessions begin with these settings. */
export function withSettings(url: string, settings: Readonly<Record<string, string>>): string {
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  return `${url}?options=${encodeURIComponent(options.join(' '))}`;
}

/** What the server knows of its tables: nothing, what was true when they were nearly empty, or what is true. */
export type Statistics = 'no' | 'stale' | 'fresh';

export const STATISTICS: readonly Statistics[] = ['no', 'stale', 'fresh'];

/** What makes the server choose its plans: its settings, and what it knows of the tables. */
export interface Planner {
  readonly settings: string;
  readonly statistics: Statistics;
}

/** Under which long tests are run again; at home only the first one, under which appends had changed places. */
export const PLANNERS: readonly Planner[] = (
  [
    { settings: 'no nested loops', statistics: 'stale' },
    { settings: 'no hash joins', statistics: 'no' },
    { settings: 'no merge joins', statistics: 'no' },
    { settings: 'a fast disk and little memory', statistics: 'no' },
    { settings: 'the settings it comes with', statistics: 'fresh' },
  ] as const
).slice(0, SCALE < 1 ? 1 : undefined);

/** An engine on a schema of which the server makes its plans like this. Stale statistics are those of an empty log. */
export function engineUnder({ settings, statistics }: Planner, server: PostgresServer, schema: string): StorageEngine {
  const engine = postgresEngine({ connectionString: withSettings(server.url, PLANNER_SETTINGS[settings]), schema });
  const analyze = () => server.run(`ANALYZE "${schema}".events, "${schema}".streams, "${schema}".log`);
  const [open, append] = [engine.open.bind(engine), engine.append.bind(engine)];
  let appends = 0;
  return Object.assign(engine, {
    async open(...context: Parameters<StorageEngine['open']>) {
      await open(...context);
      if (statistics !== 'no') await analyze();
    },
    async append(...request: Parameters<StorageEngine['append']>) {
      const answer = await append(...request);
      // The first ones change the plans most.
      if (statistics === 'fresh' && (appends++ < 10 || appends % 100 === 0)) await analyze();
      return answer;
    },
  });
}

export interface FilledStream {
  readonly streamId: string;
  readonly revision: number;
}

/** Fills the tables of a store that is new with streams of one to five events. @returns them in no order */
export async function fillStreams(
  server: PostgresServer,
  schema: string,
  count: number,
  statistics: Statistics,
): Promise<FilledStream[]> {
  const analyze = async (): Promise<void> => {
    for (const table of ['events', 'streams', 'log']) await server.run(`ANALYZE "${schema}".${table}`);
  };
  // Autovacuum would take them some time during the test.
  for (const table of ['events', 'streams', 'log']) {
    await server.run(`ALTER TABLE "${schema}".${table} SET (autovacuum_enabled = off)`);
  }
  const fill = async (first: number, last: number): Promise<void> => {
    await server.run(
      `INSERT INTO "${schema}".streams (stream_id) SELECT ${STREAM_ID} FROM generate_series($1::int, $2::int) AS n`,
      [first, last],
    );
    await server.run(
      `INSERT INTO "${schema}".events
         SELECT (SELECT coalesce(max(global_position), 0) FROM "${schema}".events) + row_number() OVER (ORDER BY p, n),
           ${STREAM_ID}, p, n || '-' || p, 'placed', '{"number":1}', '', 1700000000000, 1700000000000
         FROM generate_series($1::int, $2::int) AS n, generate_series(1, 1 + n % 5) AS p`,
      [first, last],
    );
    await server.run(`UPDATE "${schema}".log SET stream_count = $1`, [last]);
  };
  await fill(1, 100);
  if (statistics === 'stale') await analyze();
  await fill(101, count);
  if (statistics === 'fresh') await analyze();
  const rows = await server.run(
    `SELECT stream_id, max(position) AS revision FROM "${schema}".events GROUP BY stream_id ORDER BY md5(stream_id)`,
  );
  return rows.map(({ stream_id, revision }) => ({ streamId: String(stream_id), revision: Number(revision) }));
}

const STREAM_ID = `'customer-' || lpad(n::text, 8, '0') || '-orders-of-the-year-2024'`;

/** Fills the tables of a store that is new with events one millisecond apart, of one stream after the other. */
export async function fillLog(
  server: PostgresServer,
  schema: string,
  { streams, events, begin, statistics }: FilledLog,
): Promise<void> {
  const tables = ['events', 'streams', 'log'].map((table) => `"${schema}".${table}`);
  for (const table of tables) await server.run(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`);
  if (statistics === 'stale') await server.run(`ANALYZE ${tables.join(', ')}`);
  await server.run(
    `INSERT INTO "${schema}".streams (stream_id) SELECT 'customer-' || lpad(n::text, 8, '0') FROM generate_series(1, $1::int) AS n`,
    [streams],
  );
  await server.run(
    `INSERT INTO "${schema}".events
       SELECT g, 'customer-' || lpad((1 + (g - 1) % $1)::text, 8, '0'), 1 + (g - 1) / $1, 'event-' || g, 'placed',
         '{"number":' || g || '}', '', $3::bigint + g, $3::bigint + g
       FROM generate_series(1, $2::bigint) AS g`,
    [streams, events, begin],
  );
  await server.run(`UPDATE "${schema}".log SET stream_count = $1`, [streams]);
  if (statistics === 'fresh') await server.run(`ANALYZE ${tables.join(', ')}`);
}

interface FilledLog {
  readonly streams: number;
  readonly events: number;
  /** The time before the first event, in milliseconds since 1970. */
  readonly begin: number;
  readonly statistics: Statistics;
}
