import { performance } from 'node:perf_hooks';
import type { CheckedEventStoreOptions } from '../event-store-options.js';
import type { AppendSignal } from '../ports/append-signal.js';
import type { AddedMetadata } from '../ports/instrumentation.js';
import type { AppendAnswer, EventToAppend } from '../ports/storage-engine.js';
import { codeOf, OperationAbortedError } from '../values/errors.js';
import type { NewEvent } from '../values/event.js';
import { ANY, type ExpectedRevision, NO_STREAM, STREAM_EXISTS } from '../values/expected-revision.js';
import { checkMembers } from '../values/known-members.js';
import { isPromise } from '../values/maybe-promise.js';
import { checkPosition } from '../values/positions.js';
import { AppendTrouble } from './append-trouble.js';
import type { EventCatalog } from './event-catalog.js';
import { acceptEvent } from './event-validator.js';
import type { StoreGate } from './store-gate.js';
import type { StoreLog } from './store-log.js';

const APPEND_OPTIONS = ['expectedRevision', 'signal'];

export interface AppendOptions {
  /** The revision the stream must be at: a number, `ANY` (the default), `NO_STREAM` or `STREAM_EXISTS`. */
  readonly expectedRevision?: ExpectedRevision;
  /** Checked before anything is kept. An append that has reached the engine is not undone. */
  readonly signal?: AbortSignal;
}

export interface AppendResult {
  readonly streamId: string;
  /** The position of the batch's last event. */
  readonly revision: number;
  /** The position of the batch's first event: `revision - count + 1`. */
  readonly firstPosition: number;
  /** The global position of the batch's last event. */
  readonly globalPosition: number;
  readonly count: number;
}

/** One event, or a batch, as a caller hands it over. */
export type EventsToAppend = NewEvent<unknown> | readonly NewEvent<unknown>[];

/** Checks events, has the engine keep them, wakes who waits for them, and counts and measures all that. */
export class EventAppender {
  /** How many events were appended since the store was opened. */
  eventsAppended = 0;

  readonly #trouble = new AppendTrouble();

  constructor(
    private readonly options: CheckedEventStoreOptions,
    private readonly gate: StoreGate,
    private readonly log: StoreLog,
    private readonly signal: AppendSignal,
  ) {}

  /** Why the storage refuses appends, or has just refused one; undefined when it does not, as far as is known. */
  get trouble(): Error | undefined {
    return this.#trouble.current;
  }

  /**
   * @param checkStreamId refuses the ids of streams that the caller may not append to
   * @param catalog the types that the events may have; undefined for any
   * @param added what an instrumentation adds to the metadata of each event
   */
  async append(
    streamId: string,
    events: EventsToAppend,
    options: AppendOptions,
    checkStreamId: (streamId: string) => void,
    catalog: EventCatalog | undefined,
    added?: AddedMetadata,
  ): Promise<AppendResult> {
    const { name, metricsCollector } = this.options;
    const startedAt = metricsCollector.onAppend ? performance.now() : 0;
    let outcome = 'ok';
    try {
      checkMembers(options, 'options', APPEND_OPTIONS);
      const { expectedRevision = ANY, signal } = options;
      // Everything the caller could change later is read before the first await.
      checkStreamId(streamId);
      checkExpectedRevision(expectedRevision);
      const batch = accept(events, catalog, added);
      if (!this.gate.isOpen) await this.gate.ready();
      if (signal?.aborted) throw new OperationAbortedError('append', signal.reason);
      const asked = this.log.view().append({ streamId, events: batch, expectedRevision });
      const answer = isPromise(asked) ? await this.gate.untilSettled(asked) : asked;
      this.#trouble.noteKept();
      return this.#appended(streamId, batch.length, answer);
    } catch (error) {
      outcome = codeOf(error);
      this.#trouble.noteFailure(error);
      throw error;
    } finally {
      metricsCollector.onAppend?.({
        store: name,
        outcome,
        events: sizeOf(events),
        durationMs: performance.now() - startedAt,
      });
    }
  }

  #appended(streamId: string, count: number, answer: AppendAnswer): AppendResult {
    if (!answer.repeated && count > 0) {
      this.eventsAppended += count;
      const { firstPosition, globalPosition } = answer;
      this.signal.appended({ streamId, firstPosition, firstGlobalPosition: globalPosition - count + 1 });
    }
    return {
      streamId,
      revision: answer.firstPosition + count - 1,
      firstPosition: answer.firstPosition,
      globalPosition: answer.globalPosition,
      count,
    };
  }
}

/** How many events that are. */
export function sizeOf(events: unknown): number {
  return Array.isArray(events) ? events.length : 1;
}

function checkExpectedRevision(expected: ExpectedRevision): void {
  if (expected === ANY || expected === NO_STREAM || expected === STREAM_EXISTS) return;
  checkPosition(expected, 'expectedRevision');
}

function accept(
  events: EventsToAppend,
  catalog: EventCatalog | undefined,
  added: AddedMetadata | undefined,
): readonly EventToAppend[] {
  if (!Array.isArray(events)) return [acceptEvent(events as NewEvent<unknown>, '', catalog, added)];
  const batch: EventToAppend[] = [];
  for (let index = 0; index < events.length; index++) {
    batch.push(acceptEvent(events[index] as NewEvent<unknown>, `events[${index}].`, catalog, added));
  }
  return batch;
}
