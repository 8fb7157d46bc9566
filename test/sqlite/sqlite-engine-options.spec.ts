import { describe, expect, it } from '@jest/globals';
import { ValidationError } from 'nestjs-stream-store';
import { sqliteEngine, type SqliteEngineOptions } from 'nestjs-stream-store/sqlite';
import { driver } from './sqlite-files.js';

function fieldOf(options: unknown): string {
  try {
    sqliteEngine(options as SqliteEngineOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(ValidationError);
    return (error as ValidationError).field;
  }
  return 'none';
}

describe('sqliteEngine', () => {
  it.each([
    ['no file', {}, 'file'],
    ['an empty file name', { file: '' }, 'file'],
    ['a file name with U+0000', { file: 'a\0b' }, 'file'],
    ['a number as file', { file: 7 }, 'file'],
    ['a database in memory', { file: ':memory:' }, 'file'],
    ['a level of synchronous that could lose commits', { synchronous: 'OFF' }, 'synchronous'],
    ['a timeout that is no duration', { busyTimeoutMs: -1 }, 'busyTimeoutMs'],
    ['an interval of nothing', { pollIntervalMs: 0 }, 'pollIntervalMs'],
    ['no snapshots to keep', { keepSnapshots: 0 }, 'keepSnapshots'],
    ['a directory without a name', { snapshotDirectory: '' }, 'snapshotDirectory'],
    ['a driver that is no class', { driver: {} }, 'driver'],
    ['an option that it does not know', { journalMode: 'WAL' }, 'journalMode'],
  ])('refuses %s, and names the option', (_, options, field) => {
    expect(fieldOf({ ...(field === 'file' ? {} : { file: 'events.db' }), driver, ...options })).toBe(
      `sqliteEngine.${field}`,
    );
  });

  it('refuses what is no object', () => {
    expect(fieldOf('events.db')).toBe('sqliteEngine');
  });

  it('says what it can', () => {
    expect(sqliteEngine({ file: 'events.db', driver })).toMatchObject({
      name: 'sqlite',
      supports: { snapshot: false, leases: true, transactions: false, documents: true },
    });
    expect(sqliteEngine({ file: 'events.db', driver, snapshotDirectory: 'snapshots' }).supports.snapshot).toBe(true);
  });
});
