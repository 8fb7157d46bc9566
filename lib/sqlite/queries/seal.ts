import { DATABASE_ID, SNAPSHOT_ID } from '../application-ids.js';
import type { SqliteClient } from '../sqlite-client.js';

/** What the checksum stands behind in the file, and as how many hexadecimal digits. */
export const SEAL_MARK = 'sha256:';
export const SEAL_DIGITS = 64;

/** Where in the file the checksum is. */
export interface SealPlace {
  /** Of the page that holds it, and nothing else. */
  readonly offset: number;
  readonly pageBytes: number;
}

/** Says that the database is a snapshot, and makes room for its checksum: it is still all zeros. */
export function addSeal(client: SqliteClient): void {
  client.exec('CREATE TABLE main.snapshot_seal (checksum TEXT NOT NULL)');
  client.run('INSERT INTO main.snapshot_seal VALUES (?)', SEAL_MARK + '0'.repeat(SEAL_DIGITS));
  client.exec(`PRAGMA main.application_id = ${SNAPSHOT_ID}`);
}

/** Whether the database is a snapshot that nobody has opened as a store. */
export function isSealed(client: SqliteClient): boolean {
  return client.get<{ application_id: number }>('PRAGMA application_id')!.application_id === SNAPSHOT_ID;
}

/** @returns undefined when there is none */
export function findSeal(client: SqliteClient): SealPlace | undefined {
  const { page_size: pageBytes } = client.get<{ page_size: number }>('PRAGMA page_size')!;
  // A table begins a page of its own, and this one does not go on to another (SQLite, "Database File Format").
  const table = client.get<{ rootpage: number }>("SELECT rootpage FROM sqlite_schema WHERE name = 'snapshot_seal'");
  return table && { offset: (table.rootpage - 1) * pageBytes, pageBytes };
}

/** Makes a database like any other of a snapshot. */
export function removeSeal(client: SqliteClient): void {
  client.exec('DROP TABLE snapshot_seal');
  client.exec(`PRAGMA application_id = ${DATABASE_ID}`);
}
