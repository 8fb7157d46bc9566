import type { ListDocumentsRequest, StoredDocument, WriteDocumentsRequest } from '../../store/ports/storage-engine.js';
import type { SqliteClient } from '../sqlite-client.js';

const ONE = 'SELECT key, document FROM documents WHERE collection = ? AND key = ?';
const ALL = 'SELECT key, document FROM documents WHERE collection = ? AND key > ? ORDER BY key LIMIT ?';

// A byte that no text in UTF-8 has comes after all that a prefix can be followed by.
const WITH_PREFIX = `
  SELECT key, document FROM documents
  WHERE collection = ? AND key >= ? AND key < ? || x'ff' AND key > ? ORDER BY key LIMIT ?`;

export function getDocuments(client: SqliteClient, collection: string, keys: readonly string[]): StoredDocument[] {
  return keys.flatMap((key) => client.get<StoredDocument & object>(ONE, collection, key) ?? []);
}

export function listDocuments(
  client: SqliteClient,
  { collection, prefix, after, limit }: ListDocumentsRequest,
): StoredDocument[] {
  // A negative limit is none (SQLite, "The LIMIT clause").
  const most = limit === Infinity ? -1 : limit;
  return prefix === ''
    ? client.all<StoredDocument & object>(ALL, collection, after, most)
    : client.all<StoredDocument & object>(WITH_PREFIX, collection, prefix, prefix, after, most);
}

export function writeDocuments(
  client: SqliteClient,
  { collection, put, remove }: Pick<WriteDocumentsRequest, 'collection' | 'put' | 'remove'>,
): void {
  for (const { key, document } of put) {
    client.run(
      `INSERT INTO documents (collection, key, document) VALUES (?, ?, ?)
       ON CONFLICT (collection, key) DO UPDATE SET document = excluded.document`,
      collection,
      key,
      document,
    );
  }
  for (const key of remove) client.run('DELETE FROM documents WHERE collection = ? AND key = ?', collection, key);
}

export function dropDocuments(client: SqliteClient, collection: string): void {
  client.run('DELETE FROM documents WHERE collection = ?', collection);
}
