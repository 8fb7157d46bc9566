import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { DatabaseSync } from '@photostructure/sqlite';
import type { StorageEngine } from 'nestjs-stream-store';
import { sqliteEngine, type SqliteDriver, type SqliteEngineOptions } from 'nestjs-stream-store/sqlite';

const builtIn = process.getBuiltinModule?.('node:sqlite') as { DatabaseSync: SqliteDriver } | undefined;

/** What Node has built in or, before 22.13, its twin. */
export const driver: SqliteDriver = builtIn?.DatabaseSync ?? DatabaseSync;

// Hundreds of databases are made here, none of which has to survive a power loss.
const ROOT = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A new directory, removed after the last test. */
export function newFolder(): string {
  const folder = mkdtempSync(join(ROOT, 'stream-store-sqlite-'));
  folders.push(folder);
  return folder;
}

/** Where a new database can be. */
export function newFile(): string {
  return join(newFolder(), 'events.db');
}

/** An engine on a file, with the driver of the tests. */
export function engineOn(file: string, options: Partial<SqliteEngineOptions> = {}): StorageEngine {
  return sqliteEngine({ file, driver, ...options });
}
