import { Inject, Injectable, Logger } from '@nestjs/common';
import type { HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { EventStores } from '../nest/event-stores.js';
import { messageOf } from '../store/values/error-text.js';
import { ValidationError } from '../store/values/errors.js';
import type { EventStore } from '../store/event-store.js';
import { internalsOf } from '../store/store-internals.js';
import { withinTime } from '../store/services/time-limit.js';
import {
  checkHealthOptions,
  type CheckedHealthOptions,
  type EventStoreHealthOptions,
} from './event-store-health-options.js';
import { eventsOfFullestStream } from './fullest-stream.js';
import { describeStore, problemsOf, type StoreFacts } from './store-health.js';
import { HandlerWatch } from './handler-watch.js';
import { HEALTH_INDICATORS } from './terminus.js';

/** What was found out about one store. */
interface Finding {
  /** Whether it answers, and keeps what is appended. */
  readonly isUsable: boolean;
  readonly problems: readonly string[];
  readonly description: object;
}

type Status = 'up' | 'degraded' | 'down';

/** Says to Terminus how the event stores of the application and their handlers are. */
@Injectable()
export class EventStoreHealthIndicator {
  readonly #logger = new Logger('EventStoreHealth');
  readonly #watch = new HandlerWatch();
  /** What was wrong at the last check of its kind: of a key, with its options. */
  readonly #known = new Map<string, string>();
  /** What stores failed with at the last check of its kind, by the problem. */
  readonly #failures = new Map<string, string>();

  constructor(
    @Inject(HEALTH_INDICATORS) private readonly health: HealthIndicatorService,
    @Inject(EventStores) private readonly stores: EventStores,
  ) {}

  /**
   * For readiness: `down` when a store does not answer, or does not keep what is appended; `degraded` when it does and a handler has stopped, is paused, stuck
   * or too far behind, dead letters wait, or it is near a limit; else `up`. What is wrong goes to the log when it changes.
   *
   * @throws {ValidationError} that names the option
   */
  async isHealthy<const Key extends string>(
    key: Key,
    options: EventStoreHealthOptions = {},
  ): Promise<HealthIndicatorResult<Key>> {
    const checked = checkHealthOptions(options);
    // One key may stand for several checks, as for readiness and for a dashboard, which find different things wrong.
    const kind = `${key} ${JSON.stringify(checked)}`;
    const findings = await Promise.all(this.#stores(checked.store).map((store) => this.#examine(kind, store, checked)));
    const problems = findings.flatMap((finding) => finding.problems);
    this.#logChange(kind, key, problems);
    const details = { problems, stores: findings.map(({ description }) => description) };
    return this.#result(key, statusOf(findings, checked), checked.details ? details : {});
  }

  /**
   * For liveness: `down` when a store was closed, which only a new start of the application can fix; else `up`. It asks no
   * engine, so that an engine in trouble does not get the application killed.
   */
  isAlive<const Key extends string>(key: Key): HealthIndicatorResult<Key> {
    return this.#result(key, this.stores.all().some(({ isClosed }) => isClosed) ? 'down' : 'up', {});
  }

  #stores(name: string | undefined): EventStore[] {
    const stores = this.stores.all();
    const chosen = name === undefined ? stores : stores.filter((store) => store.name === name);
    // A test may have put something else in the place of a store, of which there is nothing to say.
    if (chosen.length > 0 || this.stores.isReplaced(name)) return chosen;
    throw new ValidationError(
      'store',
      `there is none of this name: there are ${stores.map(({ name }) => name).join(', ') || 'none'}.`,
    );
  }

  async #examine(kind: string, store: EventStore, options: CheckedHealthOptions): Promise<Finding> {
    const absence = `store "${store.name}" does not answer`;
    let facts: StoreFacts;
    try {
      facts = await this.#factsOf(store, options);
    } catch (error) {
      // Not for the caller: what an engine fails with may say where its server is.
      this.#logFailure(kind, absence, error);
      return { isUsable: false, problems: [absence], description: { name: store.name } };
    }
    this.#logFailure(kind, absence, undefined);
    const { appendTrouble } = internalsOf(store);
    const stuck = new Map(facts.handlers.map((handler) => [handler.name, this.#watch.look(handler, store.clock)]));
    const refusal = `store "${store.name}" does not keep what is appended`;
    this.#logFailure(kind, refusal, appendTrouble);
    return {
      isUsable: appendTrouble === undefined,
      problems: [...(appendTrouble ? [refusal] : []), ...problemsOf(store, facts, stuck, options)],
      description: describeStore(store, facts, stuck),
    };
  }

  /** @throws what the engine fails with; also when it takes too long */
  async #factsOf(store: EventStore, { maxEventsPerStreamUsed, timeoutMs }: CheckedHealthOptions): Promise<StoreFacts> {
    const looks = maxEventsPerStreamUsed !== undefined && Number.isFinite(store.limits.maxEventsPerStream);
    const late = (): Error => new Error(`its streams were not listed within ${timeoutMs} ms`);
    const [status, fullestStream] = await Promise.all([
      this.stores.statusOf(store, timeoutMs),
      looks ? withinTime(store.clock, timeoutMs, () => eventsOfFullestStream(store), late) : undefined,
    ]);
    return { ...status, fullestStream };
  }

  /** Says what a store failed with; not again at the next check, unless it has changed. */
  #logFailure(kind: string, problem: string, error: unknown): void {
    const place = `${kind} ${problem}`;
    const text = error === undefined ? undefined : messageOf(error);
    if (text !== undefined && this.#failures.get(place) !== text) this.#logger.error(`${problem}: ${text}`);
    if (text === undefined) this.#failures.delete(place);
    else this.#failures.set(place, text);
  }

  #logChange(kind: string, key: string, problems: readonly string[]): void {
    const text = problems.join('; ');
    const before = this.#known.get(kind) ?? '';
    this.#known.set(kind, text);
    if (text === before) return;
    if (text === '') this.#logger.log(`${key}: all is well again`);
    else this.#logger.warn(`${key}: ${text}`);
  }

  #result<Key extends string>(key: Key, status: Status, details: Record<string, unknown>): HealthIndicatorResult<Key> {
    const session = this.health.check(key);
    if (status === 'down') return session.down(details);
    // Terminus 11 has no such status.
    if (status === 'degraded' && typeof session.degraded === 'function') return session.degraded(details);
    return session.up(details);
  }
}

function statusOf(findings: readonly Finding[], { problemsAre }: CheckedHealthOptions): Status {
  if (findings.some(({ isUsable }) => !isUsable)) return 'down';
  return findings.some(({ problems }) => problems.length > 0) ? problemsAre : 'up';
}
