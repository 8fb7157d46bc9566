import { memoryEngine, type StorageEngine } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { sqliteEngine } from 'nestjs-stream-store/sqlite';
import type { PostgresServer } from '../support/engines/postgres-server.js';
import { driver, newFile, newFolder } from '../sqlite/sqlite-files.js';

/** Makes an engine on a place of its own; each call of what it gives makes another one on the same place. */
export type NewPlace = (server: PostgresServer) => () => StorageEngine;

/** Where the events of one application can be kept. */
export const PLACES: readonly (readonly [name: string, newPlace: NewPlace])[] = [
  [
    'in memory, with snapshots in a directory',
    () => {
      const snapshotDirectory = newFolder();
      return () => memoryEngine({ snapshotDirectory });
    },
  ],
  [
    'in a SQLite file',
    () => {
      const file = newFile();
      return () => sqliteEngine({ file, driver });
    },
  ],
  [
    'in PostgreSQL',
    (server) => {
      const schema = server.newSchema();
      return () => postgresEngine({ connectionString: server.url, schema });
    },
  ],
];
