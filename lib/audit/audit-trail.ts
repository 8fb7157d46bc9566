import { Inject, Injectable, Logger, type ExecutionContext, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { EventStoreRegistry } from '../nest/event-store.registry.js';
import { systemClock } from '../store/values/clock.js';
import { messageOf, stackOf } from '../store/values/error-text.js';
import {
  StorageUnavailableError,
  StoreClosedError,
  StreamLimitReachedError,
  ValidationError,
  WrongExpectedRevisionError,
} from '../store/values/errors.js';
import { createEventId } from '../store/values/event-id.js';
import { EventStore } from '../store/event-store.js';
import { internalsOf } from '../store/store-internals.js';
import type { JsonValue } from '../store/values/event.js';
import { toJsonText } from '../store/values/json-text.js';
import { checkMembers } from '../store/values/known-members.js';
import { toLimit } from '../store/values/positions.js';
import type { Time } from '../store/values/time.js';
import { AUDIT } from './audit-options.js';
import { AUDIT_EVENT_TYPE, entryOf, type AuditEntry, type AuditRecord } from './audit-record.js';
import { AUDIT_SETTINGS, type AuditSettings } from './audit.module-definition.js';
import { canonicalJson } from './canonical-json.js';
import { actorOf } from './call-description.js';
import { ChainVerification, type AuditHead, type AuditVerification } from './chain-verification.js';
import { ChainedAppender } from './chained-appender.js';
import { wellFormed } from './kept-value.js';
import { TrailStreams } from './trail-streams.js';

export interface AuditQuery {
  /** The calls that began at this time or later; left out, the range is open to the past. */
  readonly from?: Time;
  /** The calls that began at this time or earlier; left out, it is open to the future. */
  readonly to?: Time;
  /** The calls of this actor: a value equal to what the option `actor` answered. */
  readonly actor?: JsonValue | bigint;
  /** At most so many; 0 or less means all. Default 1 000. */
  readonly limit?: number;
}

/** What was kept of who did what. */
@Injectable()
export class AuditTrail implements OnModuleInit {
  readonly #logger = new Logger(AuditTrail.name);
  readonly #claimed = new WeakSet<ExecutionContext>();
  #store: EventStore | undefined;
  #streams: TrailStreams | undefined;
  #chain: ChainedAppender | undefined;

  constructor(
    @Inject(AUDIT_SETTINGS) private readonly settings: AuditSettings,
    @Inject(EventStoreRegistry) private readonly stores: EventStoreRegistry,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  /** @throws {ValidationError} when there is no such store */
  async onModuleInit(): Promise<void> {
    const { store: name, hashChain, stream } = this.settings.options;
    const store = await this.stores.find(name, this.moduleRef);
    if (store === undefined) {
      const called = name === undefined ? 'event store' : `event store "${name}"`;
      throw new ValidationError(`${AUDIT}.store`, `there is no ${called}: import EventStoreModule.forRoot() with it.`);
    }
    if (!(store instanceof EventStore)) {
      this.#logger.warn('Nothing is audited: something else is in the place of the event store.');
      return;
    }
    this.#store = store;
    this.#streams = new TrailStreams(store, stream);
    this.#chain = hashChain ? new ChainedAppender(store, this.#streams) : undefined;
  }

  /**
   * Adds a record: of work that no handler does, such as a job. Nothing of it is redacted; halves of surrogate pairs, which no
   * store keeps, become U+FFFD. Resolves when it is kept.
   *
   * @param at when the work began; default now
   * @throws {ValidationError} when JSON cannot hold it
   * @throws what the store fails with
   */
  async record(record: AuditRecord, at = this.now()): Promise<void> {
    if (!this.#store || !this.#streams) return;
    const streamId = this.#streams.idAt(at);
    // What is hashed has to be what is kept, and a record that JSON cannot hold must not take others with it.
    const data = JSON.parse(jsonTextOf(record)) as JsonValue;
    const event = { id: createEventId(at.getTime()), type: AUDIT_EVENT_TYPE, timestamp: at, data };
    if (this.#chain) await this.#chain.append({ streamId, ...event });
    else await internalsOf(this.#store).appendOwn(streamId, event);
  }

  /**
   * @internal Keeps the record of a call: whole, or else without its fields, or else says that it could not.
   *
   * @throws what it fails with, when the call is to fail for that
   */
  async keep(record: AuditRecord, at: Date): Promise<void> {
    try {
      await this.record(record, at).catch((error: unknown) => this.#keepWithoutFields(record, at, error));
    } catch (error) {
      this.fail(error);
    }
  }

  async #keepWithoutFields(record: AuditRecord, at: Date, error: unknown): Promise<void> {
    const { params, query, body, headers, ...rest } = record;
    const fields = Object.entries({ params, query, body, headers }).flatMap(([name, value]) => (value ? [name] : []));
    if (fields.length === 0 || !isAboutContent(error)) throw error;
    await this.record({ ...rest, incomplete: [...(record.incomplete ?? []), ...fields] }, at).catch(() => {
      throw error;
    });
    this.#logger.warn(`A call was recorded without its ${fields.join(', ')}: ${messageOf(error)}`);
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
    const wanted = actor === undefined ? undefined : canonicalJson(actorOf(actor));
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
   * Records at the beginning of a stream may be missing only where the `retentionDuration` of the store explains it.
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
    if (!this.#store || !this.#streams)
      return { isIntact: true, verified: 0, unchained: 0, problem: undefined, heads: [] };
    const verification = new ChainVerification(this.#store, heads);
    return streams ? verification.ofStreams(streams) : verification.ofTrail(await this.#streams.list());
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

/** The text of a record, whole characters only. @throws {ValidationError} for what JSON cannot hold */
function jsonTextOf(record: AuditRecord): string {
  try {
    return toJsonText(record, 'record');
  } catch (error) {
    // Only what is refused for nothing else is fixed.
    try {
      return toJsonText(wellFormedIn(record, []), 'record');
    } catch {
      throw error;
    }
  }
}

/** A copy of plain data with whole characters only, names included; what is no plain data is left as it is. */
function wellFormedIn(value: unknown, holders: readonly object[]): unknown {
  if (typeof value === 'string') return wellFormed(value);
  if (typeof value !== 'object' || value === null || holders.includes(value)) return value;
  const within = [...holders, value];
  if (Array.isArray(value)) return value.map((member) => wellFormedIn(member, within));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const members = Object.entries(value).map(
    ([name, member]) => [wellFormed(name), wellFormedIn(member, within)] as const,
  );
  return Object.fromEntries(members);
}

/** Whether a record with less in it may be kept all the same. */
function isAboutContent(error: unknown): boolean {
  return ![StorageUnavailableError, StoreClosedError, StreamLimitReachedError, WrongExpectedRevisionError].some(
    (type) => error instanceof type,
  );
}
