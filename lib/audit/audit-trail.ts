import { Inject, Injectable, Logger, type ExecutionContext, type OnModuleInit } from '@nestjs/common';
import { EventStoreRegistry } from '../nest/event-store.registry.js';
import { systemClock } from '../store/clock.js';
import { messageOf, stackOf } from '../store/error-text.js';
import { ValidationError } from '../store/errors.js';
import { createEventId } from '../store/event-id.js';
import { EventStore } from '../store/event-store.js';
import type { JsonValue } from '../store/event.js';
import { toJsonText } from '../store/json-text.js';
import { checkMembers } from '../store/known-members.js';
import { toLimit } from '../store/positions.js';
import type { StreamInfo } from '../store/stream-info.js';
import type { Time } from '../store/time.js';
import { AUDIT } from './audit-options.js';
import { AUDIT_EVENT_TYPE, entryOf, type AuditEntry, type AuditRecord } from './audit-record.js';
import { AUDIT_SETTINGS, type AuditSettings } from './audit.module-definition.js';
import { canonicalJson } from './canonical-json.js';
import { verifyStreams, type AuditHead, type AuditVerification } from './chain-verification.js';
import { ChainedAppender } from './chained-appender.js';

export interface AuditQuery {
  /** The calls that began at this time or later; left out, the range is open to the past. */
  readonly from?: Time;
  /** The calls that began at this time or earlier; left out, it is open to the future. */
  readonly to?: Time;
  /** The calls of this actor: a value equal to what the option `actor` answered. */
  readonly actor?: JsonValue;
  /** At most so many; 0 or less means all. Default 1 000. */
  readonly limit?: number;
}

/** What was kept of who did what. */
@Injectable()
export class AuditTrail implements OnModuleInit {
  readonly #logger = new Logger(AuditTrail.name);
  readonly #claimed = new WeakSet<ExecutionContext>();
  #store: EventStore | undefined;
  #chain: ChainedAppender | undefined;

  constructor(
    @Inject(AUDIT_SETTINGS) private readonly settings: AuditSettings,
    @Inject(EventStoreRegistry) private readonly stores: EventStoreRegistry,
  ) {}

  /** @throws {ValidationError} when there is no such store */
  onModuleInit(): void {
    const { store: name, hashChain } = this.settings.options;
    const store = this.stores.find(name, []);
    if (store === undefined) {
      const called = name === undefined ? 'event store' : `event store "${name}"`;
      throw new ValidationError(`${AUDIT}.store`, `there is no ${called}: import EventStoreModule.forRoot() with it.`);
    }
    if (!(store instanceof EventStore)) {
      this.#logger.warn('Nothing is audited: something else is in the place of the event store.');
      return;
    }
    this.#store = store;
    this.#chain = hashChain ? new ChainedAppender(store) : undefined;
  }

  /**
   * Adds a record: of work that no handler does, such as a job. Nothing of it is redacted. Resolves when it is kept.
   *
   * @param at when the work began; default now
   * @throws {ValidationError} when JSON cannot hold it
   * @throws what the store fails with
   */
  async record(record: AuditRecord, at = this.now()): Promise<void> {
    const store = this.#store;
    if (!store) return;
    const { stream } = this.settings.options;
    const streamId = typeof stream === 'function' ? stream(at) : `${stream}-${at.toISOString().slice(0, 10)}`;
    // What is hashed has to be what is kept, and a record that JSON cannot hold must not take others with it.
    const data = JSON.parse(toJsonText(record, 'record')) as JsonValue;
    const event = { id: createEventId(at.getTime()), type: AUDIT_EVENT_TYPE, timestamp: at, data };
    if (this.#chain) await this.#chain.append({ streamId, ...event });
    else await store.append(streamId, event);
  }

  /**
   * Records of a time range, the oldest first.
   *
   * @throws {ValidationError} when the query is not acceptable
   */
  async query(query: AuditQuery = {}): Promise<AuditEntry[]> {
    checkMembers(query, 'options', ['from', 'to', 'actor', 'limit']);
    const { from, to, actor, limit = 1_000 } = query;
    const most = toLimit(limit);
    const wanted = actor === undefined ? undefined : canonicalJson(actor);
    const entries: AuditEntry[] = [];
    if (!this.#store) return entries;
    const { stream } = this.settings.options;
    const streams = typeof stream === 'string' ? `${stream}-*` : undefined;
    for await (const event of this.#store.replay(from, to, { filter: { streams, types: [AUDIT_EVENT_TYPE] } })) {
      const entry = entryOf(event);
      if (wanted !== undefined && canonicalJson(entry.actor) !== wanted) continue;
      entries.push(entry);
      if (entries.length >= most) break;
    }
    return entries;
  }

  /**
   * Whether the records are as they were written, by their hashes: up to the first one that was altered, is missing or was
   * moved. Whoever can write to the store and knows how the hashes are made can make all of them anew; keep `heads` out of
   * their reach and hand them in the next time, to find that too.
   *
   * @param options `streams`: only these, default all of the trail. `heads`: those of an earlier verification
   * @throws {ValidationError} when the hash chain is not switched on
   */
  async verify(
    options: { readonly streams?: readonly string[]; readonly heads?: readonly AuditHead[] } = {},
  ): Promise<AuditVerification> {
    checkMembers(options, 'options', ['streams', 'heads']);
    const { streams, heads = [] } = options;
    if (!this.settings.options.hashChain)
      throw new ValidationError(`${AUDIT}.hashChain`, 'there is nothing to verify by: switch it on.');
    if (!this.#store) return { isIntact: true, verified: 0, unchained: 0, problem: undefined, heads: [] };
    const known = heads.map(({ streamId }) => streamId);
    const all = streams ?? [...new Set([...(await this.#streams(this.#store)), ...known])].sort();
    return verifyStreams(this.#store, all, heads);
  }

  async #streams(store: EventStore): Promise<string[]> {
    const { stream } = this.settings.options;
    const prefix = typeof stream === 'string' ? `${stream}-` : '';
    const found = await store.getStreams({ prefix });
    if (prefix !== '') {
      const isOfDay = ({ streamId }: StreamInfo): boolean => /^\d{4}-\d\d-\d\d$/.test(streamId.slice(prefix.length));
      return found.filter(isOfDay).map(({ streamId }) => streamId);
    }
    // Whose names nobody can tell from the others.
    const isAudit = async (streamId: string): Promise<boolean> =>
      (await store.readStream(streamId, 0, { limit: 1, types: [AUDIT_EVENT_TYPE] })).length > 0;
    const flags = await Promise.all(found.map(({ streamId }) => isAudit(streamId)));
    return found.filter((_, index) => flags[index]).map(({ streamId }) => streamId);
  }

  /** @internal The time of the store's clock. */
  now(): Date {
    return new Date((this.#store?.clock ?? systemClock).now());
  }

  /** @internal Whether nobody has recorded this call yet, as two interceptors in front of one handler would. */
  claim(context: ExecutionContext): boolean {
    if (!this.#store || this.#claimed.has(context)) return false;
    this.#claimed.add(context);
    return true;
  }

  /** @internal Reports that a call could not be recorded. @throws the error when the call is to fail for that */
  fail(error: unknown): void {
    this.#logger.error(`A call could not be recorded: ${messageOf(error)}`, stackOf(error));
    const store = this.#store;
    store?.metricsCollector.onBackgroundFailure?.({ store: store.name, operation: 'audit-append' });
    if (this.settings.options.onFailure === 'fail-request') throw error;
  }
}
