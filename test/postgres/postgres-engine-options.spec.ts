import { describe, expect, it } from '@jest/globals';
import {
  DEFAULT_POSTGRES_ENGINE_OPTIONS,
  postgresEngine,
  type PostgresEngineOptions,
} from 'nestjs-stream-store/postgres';
import pg from 'pg';

const connectionString = 'postgres://localhost/none';
const pool = new pg.Pool({ connectionString });

function fieldOf(options: unknown): unknown {
  try {
    postgresEngine(options as PostgresEngineOptions);
    return undefined;
  } catch (error) {
    return (error as { field: unknown }).field;
  }
}

describe('postgresEngine', () => {
  it.each<[string, unknown]>([
    ['no place', {}],
    ['two places', { pool, connectionString }],
    ['nothing', undefined],
  ])('refuses %s', (_what, options) => {
    expect(fieldOf(options)).toBe('postgresEngine');
  });

  it.each<[string, unknown]>([
    ['connectionString', ''],
    ['connectionString', 5],
    ['pool', {}],
    ['pool', null],
    ['schema', ''],
    ['schema', 'pg_events'],
    ['schema', '1st'],
    ['schema', 'a"b'],
    ['schema', "a'b"],
    ['schema', 'a b'],
    ['schema', 'é'],
    ['schema', 'x'.repeat(49)],
    ['schema', 5],
    ['maxConnections', 2],
    ['maxConnections', 2.5],
    ['listen', 'yes'],
    ['lisen', true],
  ])('refuses %s: %p', (name, value) => {
    const place = name === 'pool' ? {} : { connectionString };
    expect(fieldOf({ ...place, [name]: value })).toBe(`postgresEngine.${name}`);
  });

  it('refuses a pool whose connections are too few', () => {
    expect(fieldOf({ pool: new pg.Pool({ connectionString, max: 2 }) })).toBe('postgresEngine.pool');
    expect(fieldOf({ pool: new pg.Pool({ connectionString, max: 3 }) })).toBeUndefined();
  });

  it('refuses maxConnections for a pool that has its own', () => {
    expect(fieldOf({ pool, maxConnections: 5 })).toBe('postgresEngine.maxConnections');
  });

  it.each(['event_store', '_', 'Orders-2', 'x'.repeat(48)])('takes the schema %s', (schema) => {
    expect(fieldOf({ connectionString, schema })).toBeUndefined();
  });

  it('connects to nothing before the store opens', () => {
    postgresEngine({ pool, ...DEFAULT_POSTGRES_ENGINE_OPTIONS, maxConnections: undefined });

    expect(pool.totalCount).toBe(0);
  });

  it('says what it supports', () => {
    const { name, supports } = postgresEngine({ connectionString });

    expect(name).toBe('postgres');
    expect(supports).toEqual({ snapshot: false, leases: true, transactions: true, documents: true });
  });
});
