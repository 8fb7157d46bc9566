import pg from 'pg';
import type { Query } from '../../../lib/postgres/query.js';

/** What a statement took. */
export interface StatementCost {
  /** Pages of 8 KiB that were looked at, in memory or on disk. */
  readonly buffers: number;
  /** The tables that were read from one end to the other. */
  readonly wholeTables: readonly string[];
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Loops': number;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly PlanNode[];
}

/** Runs a statement by a plan for whatever values, and undoes it. */
export async function costOf(url: string, query: Pick<Query<unknown>, 'text' | 'values'>): Promise<StatementCost> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query('SET plan_cache_mode = force_generic_plan');
    await client.query(`PREPARE sought AS ${query.text}`);
    const execute = `EXECUTE sought${query.values.length > 0 ? `(${query.values.map(literal).join(', ')})` : ''}`;
    // What is read first by a connection are the tables of the server itself.
    await client.query('BEGIN');
    await client.query(execute);
    await client.query('ROLLBACK');
    await client.query('BEGIN');
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ${execute}`,
    );
    await client.query('ROLLBACK');
    const root = rows[0]['QUERY PLAN'][0].Plan;
    const nodes = nodesOf(root).filter((node) => node['Actual Loops'] > 0);
    const scans = nodes.filter((node) => node['Node Type'].includes('Seq Scan') && node['Relation Name'] !== 'log');
    return {
      buffers: root['Shared Hit Blocks'] + root['Shared Read Blocks'],
      wholeTables: scans.map((node) => node['Relation Name']!),
    };
  } finally {
    await client.end();
  }
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

function literal(value: unknown): string {
  if (value === null) return 'NULL';
  if (Array.isArray(value))
    return `ARRAY[${value.map(literal).join(', ')}]::${typeof value[0] === 'string' ? 'text' : 'bigint'}[]`;
  return pg.escapeLiteral(typeof value === 'string' ? value : JSON.stringify(value));
}
