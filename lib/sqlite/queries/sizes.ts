import type { SqliteClient } from '../sqlite-client.js';

/** How large the database is, in bytes, without what is only in the write-ahead log's free space. */
export function databaseBytes(client: SqliteClient): number {
  const { page_count: pages } = client.get<{ page_count: number }>('PRAGMA page_count')!;
  const { page_size: bytes } = client.get<{ page_size: number }>('PRAGMA page_size')!;
  return pages * bytes;
}
