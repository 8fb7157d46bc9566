import type { EventStore } from 'nestjs-stream-store';
import type { FaultyEngine } from 'nestjs-stream-store/testing';
import { internalsOf } from '../../lib/store/store-internals.js';

/** The snapshots of one kind of aggregates, to be looked at and damaged. */
export class SnapshotTexts {
  readonly #collection: string;

  constructor(
    private readonly store: EventStore,
    private readonly engine: FaultyEngine,
    category: string,
  ) {
    this.#collection = `$aggregate:${category}`;
  }

  /** How often a snapshot was written. */
  get writes(): number {
    return this.engine.calls('writeDocuments');
  }

  async get(id: string): Promise<string | undefined> {
    return (await internalsOf(this.store).getDocuments({ collection: this.#collection, keys: [id] })).at(0)?.document;
  }

  /** Whose snapshots there are. */
  async ids(): Promise<string[]> {
    const request = { collection: this.#collection, prefix: '', after: '', limit: Infinity };
    return (await internalsOf(this.store).listDocuments(request)).map(({ key }) => key);
  }

  async set(id: string, document: string): Promise<void> {
    await this.#write({ put: [{ key: id, document }], remove: [] });
  }

  async remove(id: string): Promise<void> {
    await this.#write({ put: [], remove: [id] });
  }

  /** From now on, they can be neither read nor written. */
  fail(error: Error): void {
    this.engine.fail({ verb: 'getDocuments', times: Infinity, error });
    this.engine.fail({ verb: 'writeDocuments', times: Infinity, error });
  }

  async #write(change: { put: { key: string; document: string }[]; remove: string[] }): Promise<void> {
    await internalsOf(this.store).writeDocuments({ collection: this.#collection, ...change });
  }
}
