import { inOwnContext } from '../../store/services/async-context.js';
import type { Checkpoint } from '../../store/values/checkpoint.js';
import { EventStoreError, LeaseLostError } from '../../store/values/errors.js';
import type { RecordedEvent } from '../../store/values/event.js';
import { Interrupted } from '../../subscription/interrupted.js';
import { ASK_AGAIN_AFTER_MS, mayPass, type Outage } from '../../subscription/outage.js';
import { isOutOfDate, type StoredCheckpoint } from '../checkpoint/stored-checkpoint.js';
import type { CheckpointState } from '../checkpoint/checkpoint-state.js';
import type { CheckpointWriter } from '../checkpoint/checkpoint-writer.js';
import type { ConsumerParts } from '../consumer-parts.js';
import type { HandlerAttempts } from './handler-attempts.js';
import type { HandlerReport } from './handler-report.js';
import { instrumentedAttempt } from './instrumented-attempt.js';
import { type HandledEntry, isInDoubt, transactionalAttempt } from './transactional-attempt.js';
import { internalsOf } from '../../store/store-internals.js';
import { upcastFailureOf } from '../../store/values/typed/upcast-failure.js';

/** What the handling of events needs of the consumer that hands them out. */
export interface HandlingConsumer {
  readonly parts: ConsumerParts;
  readonly attempts: HandlerAttempts;
  readonly checkpoint: CheckpointState;
  readonly stored: StoredCheckpoint;
  /** Undefined when the handler is not durable. */
  readonly writer: CheckpointWriter | undefined;
  readonly outage: Outage;
  readonly report: HandlerReport;
  /** Whether it is sure that nobody else runs the handler. */
  readonly mayBegin: () => boolean;
  readonly toCheckpoint: () => Checkpoint;
  /** Told what a save has failed with: the log, or what is kept, may be another one. */
  readonly noteAstray: (error: unknown) => void;
  /** Told that it is the policy of the handler to halt at the failure that follows. */
  readonly noteHaltByPolicy: () => void;
}

/** What has become of an event: handled, dead-lettered or skipped, or dead-lettered with the rest of its stream. */
export type EventFate = 'handled' | 'dead-lettered' | 'stream parked';

/**
 * Handles one event: makes attempts as often as the policy allows and, if they are in vain, does with it what the policy says.
 *
 * Attempts are counted in the checkpoint before they begin, once one has failed or the event may have ended the process
 * before. So an event that ends the process time and again is found out.
 */
export class EventHandling {
  constructor(private readonly consumer: HandlingConsumer) {}

  /**
   * @throws {Interrupted} when the consumer was stopped before
   * @throws what the handler failed with, when the policy is to stop
   * @throws {UpcastFailedError} when only a later release can read the event, which no attempt would change
   */
  async handle(event: RecordedEvent): Promise<EventFate> {
    const unreadable = upcastFailureOf(event);
    if (unreadable?.isNewer) throw unreadable;
    const { attempts, checkpoint, report, parts } = this.consumer;
    const most = parts.options.retry.attempts;
    let count = checkpoint.attemptsAt(event);
    let failure: unknown = new Error('The process ended while the handler was at work on this event.');
    while (count < most) {
      attempts.throwIfInterrupted();
      if (checkpoint.hasSuspects || count > 0) await this.#countAttempt(event, count + 1);
      count++;
      try {
        await this.attempt(event, count);
        checkpoint.countAttempts(event, 0);
        return 'handled';
      } catch (error) {
        if (error instanceof Interrupted) {
          // The consumer ended the attempt, so it does not count.
          checkpoint.countAttempts(event, count - 1);
          throw error;
        }
        failure = error;
        report.attemptFailed(error);
        if (count < most) report.triesAgain(event, error, count, most);
      }
      if (count < most) await attempts.pauseAfter(count);
    }
    if (!this.consumer.mayBegin()) throw new Interrupted();
    try {
      return await this.#giveUp(event, failure, count);
    } finally {
      // Whoever comes back to it, because it could not be dead-lettered or the handler has stopped, tries it as often again.
      checkpoint.countAttempts(event, 0);
    }
  }

  /** One attempt. @param isRetry of a dead letter, of which the checkpoint says nothing */
  attempt(event: RecordedEvent, attempt: number, isRetry = false): Promise<void> {
    const { attempts, parts } = this.consumer;
    const { name: handler, store, options } = parts;
    const unreadable = upcastFailureOf(event);
    const once = async (transaction?: unknown): Promise<void> => {
      if (unreadable) throw unreadable;
      await attempts.once(event, attempt, transaction);
    };
    const make = (): Promise<void> =>
      options.transaction ? this.#transact(once, isRetry ? undefined : this.#entryOf(event)) : once();
    return inOwnContext(() => instrumentedAttempt(store, { handler, attempt, event }, make));
  }

  /** Asks again while the storage fails. @throws {Interrupted} when the consumer was stopped meanwhile */
  async patiently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const { outage, attempts } = this.consumer;
    return outage.outlast(ask, (ms) => attempts.pause(ms));
  }

  /** @throws what the handler fails with. That the storage is away for a while is no failure of it. */
  async #transact(call: (transaction: unknown) => Promise<void>, entry: HandledEntry | undefined): Promise<void> {
    const failure = await this.patiently(async () => {
      try {
        return await transactionalAttempt(this.consumer.parts.store, call, entry);
      } catch (error) {
        if (entry && (isInDoubt(error) || isOutOfDate(error))) throw new Interrupted();
        // Asking again could do it twice.
        if (isInDoubt(error)) return { error };
        // What the engine makes of a transaction that it has begun may be the handler's doing.
        if (mayPass(error) && !(error instanceof EventStoreError)) return { error };
        throw error;
      }
    });
    if (failure) throw failure.error;
  }

  /** Commits follow one another, since each writes the one checkpoint, and none must undo what the one before has kept. */
  #entryOf(event: RecordedEvent): HandledEntry {
    const { checkpoint: state, stored, writer, report, parts } = this.consumer;
    let endTurn: (() => void) | undefined;
    let undo: (() => void) | undefined;
    let checkpoint: Checkpoint | undefined;
    return {
      write: async (transaction) => {
        endTurn = await writer!.turn();
        // The one before may be in doubt.
        if (!this.consumer.mayBegin()) throw new Interrupted();
        undo = state.countAsHandled(event);
        checkpoint = this.consumer.toCheckpoint();
        await stored.saveIn(transaction, checkpoint, state.furthest);
      },
      kept: () => {
        if (checkpoint) stored.saved(checkpoint);
        endTurn?.();
      },
      notKept: (error) => {
        undo?.();
        this.consumer.noteAstray(error);
        if (isInDoubt(error)) report.error('could not learn whether it was kept, and begins at its checkpoint', error);
        // Whoever has the lease next, here or elsewhere, learns from the checkpoint what was kept.
        if (isInDoubt(error) || error instanceof LeaseLostError) parts.tenure?.lost();
        endTurn?.();
        undo = endTurn = checkpoint = undefined;
      },
    };
  }

  /** Keeps the count before the attempt begins, in case the attempt ends the process. @throws {Interrupted} */
  async #countAttempt(event: RecordedEvent, count: number): Promise<void> {
    const { checkpoint, writer, outage, attempts, parts } = this.consumer;
    while (writer) {
      checkpoint.countAttempts(event, count);
      try {
        await writer.flush();
        // After a crash any of these may be the event that ends the process: the count has to be there the next time.
        if (checkpoint.hasSuspects) await internalsOf(parts.store).flush();
        outage.answered();
        return;
      } catch (error) {
        checkpoint.countAttempts(event, count - 1);
        if (isOutOfDate(error)) throw new Interrupted();
        outage.failed(error);
      }
      await attempts.pause(ASK_AGAIN_AFTER_MS);
    }
  }

  /** @throws the failure, when the policy is to stop */
  async #giveUp(event: RecordedEvent, failure: unknown, attempts: number): Promise<EventFate> {
    const { parts, report } = this.consumer;
    const { name, options, deadLetters } = parts;
    const times = attempts === 1 ? 'once' : `${attempts} times`;
    const what = `failed ${times} on event ${event.id}, at position ${event.position} of stream "${event.streamId}"`;
    const fields = report.fieldsOf(event, attempts);
    const { onFailure: policy } = options;
    const isParked = policy === 'park-stream';
    if (isParked || policy === 'dead-letter') {
      const letter = { subscription: name, event, error: failure, attempts, isParked };
      await this.patiently(() => deadLetters.add(letter));
    }
    report.gaveUp(policy);
    if (policy === 'stop') {
      this.consumer.noteHaltByPolicy();
      throw failure;
    }
    if (policy === 'skip') {
      report.error(`${what}; it goes on with the next`, failure, fields);
      return 'dead-lettered';
    }
    report.error(`${what}; the event is a dead letter now${isParked ? ', and its stream waits' : ''}`, failure, fields);
    return isParked ? 'stream parked' : 'dead-lettered';
  }
}
