import { crc32 } from 'node:zlib';
import type { EventStore } from '../store/event-store.js';
import { messageOf, stackOf } from '../store/values/error-text.js';
import { internalsOf, type StoreInternals } from '../store/store-internals.js';
import type { AggregateDefinition, CheckedSnapshotOptions } from './aggregate-definition.js';
import type { KeptState } from './state-cache.js';

/** What a document of a snapshot says. */
interface SnapshotDocument {
  /** That of the aggregate's declaration. */
  readonly version: number;
  readonly revision: number;
  readonly globalPosition: number;
  readonly lastId: string;
  readonly recordedAt: number;
  readonly state: string;
  /** Of all that, so that a damaged one is not taken for another. */
  readonly crc32: number;
}

/** What keeps documents for a store; undefined when its engine cannot. */
export function documentsOf(store: EventStore): StoreInternals | undefined {
  return store.supports.documents ? internalsOf(store) : undefined;
}

/**
 * The snapshots of one kind of aggregates: documents beside the log, one for each aggregate.
 *
 * They are a cache and never the truth. One that is missing, damaged, of another version, or not read back by the code of
 * today is not used, and written anew in time; and who cannot write one goes on without.
 */
export class SnapshotDocuments {
  readonly #collection: string;
  /** Whether it was said that snapshots are newer than this code. */
  #hasSaidNewer = false;

  constructor(
    private readonly store: EventStore,
    private readonly documents: StoreInternals,
    private readonly definition: AggregateDefinition<unknown>,
    private readonly options: CheckedSnapshotOptions,
  ) {
    this.#collection = `$aggregate:${definition.category}`;
  }

  /** The snapshot of an aggregate, if there is one that can be used. */
  async find(id: string): Promise<KeptState | undefined> {
    try {
      const [found] = await this.documents.getDocuments({ collection: this.#collection, keys: [id] });
      return found && this.#read(id, found.document);
    } catch (error) {
      this.#fail(`the snapshot of ${this.definition.category} "${id}" could not be read`, error);
      return undefined;
    }
  }

  /** Keeps a snapshot when it is time for one. @returns the revision of the one that is kept now */
  async keep(
    id: string,
    { text, revision, globalPosition, lastId, recordedAt, snapshotRevision }: KeptState,
  ): Promise<number> {
    if (revision - snapshotRevision < this.options.every) return snapshotRevision;
    const { version } = this.options;
    const facts = { version, revision, globalPosition, lastId, recordedAt, state: text };
    const document: SnapshotDocument = { ...facts, crc32: crc32(JSON.stringify(facts)) };
    try {
      const put = [{ key: id, document: JSON.stringify(document) }];
      await this.documents.writeDocuments({ collection: this.#collection, put, remove: [] });
      return revision;
    } catch (error) {
      this.#fail(`the snapshot of ${this.definition.category} "${id}" could not be kept`, error);
      return snapshotRevision;
    }
  }

  #read(id: string, text: string): KeptState | undefined {
    const { crc32: sum, ...facts } = JSON.parse(text) as SnapshotDocument;
    const { version, revision, globalPosition, lastId, recordedAt, state } = facts;
    if (crc32(JSON.stringify(facts)) !== sum) throw new Error('it is not as it was written');
    if (version !== this.options.version) {
      if (version > this.options.version) this.#sayNewer(id, version);
      return undefined;
    }
    // Whether the code of today can read it is found out here, and not in the middle of a load.
    this.definition.read(state);
    return { text: state, revision, globalPosition, lastId, recordedAt, snapshotRevision: revision };
  }

  #sayNewer(id: string, version: number): void {
    if (this.#hasSaidNewer) return;
    this.#hasSaidNewer = true;
    this.store.logger.warn(
      `Store "${this.store.name}": the snapshot of ${this.definition.category} "${id}" is of version ${version}, and the code ` +
        `says ${this.options.version}: it is not used, and written anew. That is so while two releases run side by side.`,
    );
  }

  #fail(problem: string, error: unknown): void {
    const { name, logger, metricsCollector } = this.store;
    metricsCollector.onBackgroundFailure?.({ store: name, operation: 'aggregate-snapshot' });
    logger.error(`Store "${name}": ${problem}: ${messageOf(error)} The events are read instead.`, stackOf(error));
  }
}
