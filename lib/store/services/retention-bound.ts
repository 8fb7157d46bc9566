import type { Checkpoint } from '../values/checkpoint.js';
import type { CheckedEventStoreOptions } from '../event-store-options.js';
import type { RetentionClock } from './retention-clock.js';
import type { MaybePromise } from '../values/maybe-promise.js';
import { MOST_BYTES_A_PAGE } from '../values/page-bytes.js';
import type { StorageEngine } from '../ports/storage-engine.js';

const ONE_EVENT = {
  limit: 1,
  maxBytes: MOST_BYTES_A_PAGE,
  direction: 'forward',
  recordedSince: -Infinity,
} as const;

/**
 * How far retention may go. With `keepForDurable` it stops before the first event that a durable handler still needs;
 * otherwise, and when nothing is known to be needed, only time decides.
 *
 * What the handlers need is asked before each sweep, and not for each read: until the next one, what is appended counts as
 * needed.
 */
export class RetentionBound {
  #upTo: number;
  #neededSince: number;
  readonly #known = new Set<string>();
  #renewing: Promise<void> = Promise.resolve();
  /** The handler that retention was last seen to wait for. */
  #awaited: string | undefined;

  constructor(
    private readonly engine: StorageEngine,
    private readonly options: CheckedEventStoreOptions,
    private readonly clock: RetentionClock,
  ) {
    [this.#upTo, this.#neededSince] = this.#isWanted ? [0, -Infinity] : [Infinity, Infinity];
  }

  /** The last global position that may be removed. */
  get upTo(): number {
    return this.#upTo;
  }

  /** When the oldest event that may be needed was recorded, in milliseconds since 1970: those before may be hidden. */
  get neededSince(): number {
    return this.#neededSince;
  }

  get #isWanted(): boolean {
    return this.options.keepForDurable && this.options.retentionDurationMs > 0;
  }

  /** Whether retention is to wait for a handler that it does not know of yet. */
  lacks(name: string): boolean {
    return this.#isWanted && !this.#known.has(name);
  }

  /** Asks the engine how far the durable handlers are. One call follows the other, so that the latest answer counts. */
  renew(): MaybePromise<void> {
    if (!this.#isWanted) return undefined;
    this.#renewing = this.#renewing.catch(() => undefined).then(() => this.#renew());
    return this.#renewing;
  }

  async #renew(): Promise<void> {
    // Whatever is appended from now on may be needed.
    const now = Math.floor(this.clock.now());
    let [upTo, last]: [number, string | undefined] = [Infinity, undefined];
    const checkpoints = await this.engine.listCheckpoints();
    this.#known.clear();
    for (const { name, checkpoint } of checkpoints) {
      this.#known.add(name);
      if (checkpoint.partitions !== undefined) continue;
      const dealtWithTo = await this.#dealtWithTo(checkpoint);
      if (dealtWithTo < upTo) [upTo, last] = [dealtWithTo, name];
    }
    const needed = await this.#recordedAfter(upTo);
    this.#upTo = upTo;
    this.#neededSince = needed ?? now;
    this.#tellWhoIsAwaited(last, needed ?? now, now);
  }

  async #dealtWithTo({ streamId, position, globalPosition, parked }: Checkpoint): Promise<number> {
    // No event has a position in its stream that is larger than its position in the log.
    const dealtWithTo = globalPosition ?? (parked.length > 0 ? 0 : position);
    if (typeof streamId !== 'string' || parked.length > 0) return dealtWithTo;
    // Who handles one stream needs nothing before its next event, wherever the log has come to.
    const next = await this.#nextOf(streamId, position);
    return next === undefined ? Infinity : next - 1;
  }

  async #nextOf(streamId: string, position: number): Promise<number | undefined> {
    const request = { streamId, ...ONE_EVENT, types: undefined } as const;
    for (let after = position; ;) {
      const page = await this.engine.readStream({ ...request, after });
      if (page.events.length > 0) return page.events[0].globalPosition;
      if (page.isEnd) return undefined;
      after = page.position;
    }
  }

  async #recordedAfter(globalPosition: number): Promise<number | undefined> {
    if (globalPosition === Infinity) return undefined;
    const request = { ...ONE_EVENT, filter: undefined } as const;
    for (let after = globalPosition; ;) {
      const page = await this.engine.readAll({ ...request, after });
      if (page.events.length > 0) return page.events[0].recordedAt.getTime();
      if (page.isEnd) return undefined;
      after = page.globalPosition;
    }
  }

  /** Says it once when expired events stay for a handler: it may be one that nobody has any more. */
  #tellWhoIsAwaited(name: string | undefined, neededSince: number, now: number): void {
    const awaited = neededSince < now - this.options.retentionDurationMs ? name : undefined;
    if (awaited === this.#awaited) return;
    this.#awaited = awaited;
    if (awaited === undefined) return;
    this.options.logger.warn(
      `Store "${this.options.name}": retention waits for the durable handler "${awaited}", which still needs events from ` +
        `${new Date(neededSince).toISOString()} on. If there is no such handler any more, let StreamSubscriptions forget it.`,
    );
  }
}
