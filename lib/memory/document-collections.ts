import { StorageFailedError } from '../store/values/errors.js';
import { compareStreamIds } from '../store/values/stream-info.js';
import type { ListDocumentsRequest, StoredDocument, WriteDocumentsRequest } from '../store/ports/storage-engine.js';

/** What a document takes besides its texts, by estimate. */
const BYTES_PER_DOCUMENT = 128;

/** A document with the collection that it belongs to. */
export type DocumentEntry = readonly [collection: string, key: string, document: string];

interface Collection {
  readonly documents: Map<string, string>;
  /** The keys in their order; undefined after one came or went. */
  sortedKeys: readonly string[] | undefined;
}

/** Documents in memory, by collection and key, within a bound. */
export class DocumentCollections {
  /** How much memory they take, by estimate. */
  bytes = 0;

  readonly #collections = new Map<string, Collection>();

  /** @param mostBytes how much memory they may take */
  constructor(
    private readonly mostBytes: number,
    entries: Iterable<DocumentEntry> = [],
  ) {
    for (const [collection, key, document] of entries) this.#put(collection, key, document);
  }

  /** How many there are. */
  get count(): number {
    let count = 0;
    for (const { documents } of this.#collections.values()) count += documents.size;
    return count;
  }

  get(collection: string, keys: readonly string[]): StoredDocument[] {
    const documents = this.#collections.get(collection)?.documents;
    return keys.flatMap((key) => {
      const document = documents?.get(key);
      return document === undefined ? [] : [{ key, document }];
    });
  }

  list({ collection, prefix, after, limit }: ListDocumentsRequest): StoredDocument[] {
    const found = this.#collections.get(collection);
    if (!found) return [];
    found.sortedKeys ??= [...found.documents.keys()].sort(compareStreamIds);
    const listed: StoredDocument[] = [];
    for (const key of found.sortedKeys) {
      if (listed.length === limit) break;
      if (!key.startsWith(prefix) || (after !== '' && compareStreamIds(key, after) <= 0)) continue;
      listed.push({ key, document: found.documents.get(key)! });
    }
    return listed;
  }

  /** @throws {StorageFailedError} when there is no room, with nothing written */
  write({ collection, put, remove }: Pick<WriteDocumentsRequest, 'collection' | 'put' | 'remove'>): void {
    const documents = this.#collections.get(collection)?.documents;
    let bytes = this.bytes;
    for (const { key, document } of put) bytes += sizeOf(key, document) - sizeOf(key, documents?.get(key));
    for (const key of remove) bytes -= sizeOf(key, documents?.get(key));
    if (bytes > this.bytes && bytes > this.mostBytes) {
      const problem = `documents would take more than ${this.mostBytes} bytes: raise maxDocumentBytes, or keep fewer.`;
      throw new StorageFailedError('memory engine', new Error(problem));
    }
    for (const { key, document } of put) this.#put(collection, key, document);
    for (const key of remove) this.#remove(collection, key);
  }

  /** Forgets all of a collection. @returns whether there were any */
  drop(collection: string): boolean {
    const found = this.#collections.get(collection);
    if (!found) return false;
    for (const [key, document] of found.documents) this.bytes -= sizeOf(key, document);
    return this.#collections.delete(collection);
  }

  *[Symbol.iterator](): Generator<DocumentEntry> {
    for (const [collection, { documents }] of this.#collections) {
      for (const [key, document] of documents) yield [collection, key, document];
    }
  }

  #put(name: string, key: string, document: string): void {
    let collection = this.#collections.get(name);
    if (!collection) this.#collections.set(name, (collection = { documents: new Map(), sortedKeys: undefined }));
    const before = collection.documents.get(key);
    if (before === undefined) collection.sortedKeys = undefined;
    this.bytes += sizeOf(key, document) - sizeOf(key, before);
    collection.documents.set(key, document);
  }

  #remove(name: string, key: string): void {
    const collection = this.#collections.get(name);
    const before = collection?.documents.get(key);
    if (!collection || before === undefined) return;
    this.bytes -= sizeOf(key, before);
    collection.documents.delete(key);
    collection.sortedKeys = undefined;
    if (collection.documents.size === 0) this.#collections.delete(name);
  }
}

/** 0 for a document that is not there. */
function sizeOf(key: string, document: string | undefined): number {
  return document === undefined ? 0 : BYTES_PER_DOCUMENT + key.length + document.length;
}
