import type { ListDocumentsRequest, StoredDocument, WriteDocumentsRequest } from '../../store/ports/storage-engine.js';
import type { Query, Row } from '../postgres-client.js';
import { escapeLike, Parameters } from './event-conditions.js';
import { integerOrNull } from './integers.js';

export function getDocuments(schema: string, collection: string, keys: readonly string[]): Query<StoredDocument[]> {
  return {
    text: `
      SELECT d.key, d.document FROM unnest($2::text[]) WITH ORDINALITY AS asked (key, number)
      JOIN ${schema}.documents d ON d.collection = $1 AND d.key = asked.key
      ORDER BY asked.number`,
    values: [collection, keys],
    answer: toDocuments,
  };
}

export function listDocuments(
  schema: string,
  { collection, prefix, after, limit }: ListDocumentsRequest,
): Query<StoredDocument[]> {
  const parameters = new Parameters();
  const conditions = [`d.collection = ${parameters.add(collection)}`];
  if (prefix !== '') conditions.push(`d.key LIKE ${parameters.add(`${escapeLike(prefix)}%`)}`);
  if (after !== '') conditions.push(`d.key > ${parameters.add(after)}`);
  return {
    text: `
      SELECT d.key, d.document FROM ${schema}.documents d WHERE ${conditions.join(' AND ')}
      ORDER BY d.key LIMIT ${parameters.add(integerOrNull(limit))}`,
    values: parameters.values,
    answer: toDocuments,
  };
}

/** All of them in one statement. */
export function writeDocuments(
  schema: string,
  { collection, put, remove }: Pick<WriteDocumentsRequest, 'collection' | 'put' | 'remove'>,
): Query<void> {
  return {
    writes: true,
    text: `
      WITH removed AS (DELETE FROM ${schema}.documents WHERE collection = $1 AND key = ANY ($4::text[]))
      INSERT INTO ${schema}.documents (collection, key, document)
      SELECT $1, given.key, given.document FROM unnest($2::text[], $3::text[]) AS given (key, document)
      -- In one order whoever writes, so that two of them never wait for each other.
      ORDER BY given.key COLLATE "C"
      ON CONFLICT (collection, key) DO UPDATE SET document = excluded.document`,
    values: [collection, put.map(({ key }) => key), put.map(({ document }) => document), remove],
    answer: () => undefined,
  };
}

export function dropDocuments(schema: string, collection: string): Query<void> {
  return {
    writes: true,
    text: `DELETE FROM ${schema}.documents WHERE collection = $1`,
    values: [collection],
    answer: () => undefined,
  };
}

function toDocuments(rows: readonly Row[]): StoredDocument[] {
  return rows.map(([key, document]) => ({ key: key!, document: document! }));
}
