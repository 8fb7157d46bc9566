import { HandlerFailedError, HandlerStoppedError } from '../../store/values/errors.js';
import { Interrupted } from '../../subscription/interrupted.js';
import type { DeadLetter, DeadLetterStore } from '../dead-letters/dead-letter-store.js';
import type { ParkedStreamReleaser } from '../dead-letters/parked-stream-releaser.js';
import type { EventHandling } from '../handling/event-handling.js';
import type { HandlerReport } from '../handling/handler-report.js';

/** Retries and discards dead letters for who asks for it, whether the handler runs or is paused. The end waits for them. */
export class DeadLetterRequests {
  /** What was asked for and is under way. */
  readonly #underWay = new Set<Promise<void>>();

  /** @param hasEnded whether the handler is never called again */
  constructor(
    private readonly handler: string,
    private readonly letters: DeadLetterStore,
    private readonly handling: EventHandling,
    private readonly releaser: ParkedStreamReleaser,
    private readonly report: HandlerReport,
    private readonly hasEnded: () => boolean,
  ) {}

  /** @throws {HandlerFailedError | HandlerStoppedError} then the letter stays */
  retry(letter: DeadLetter): Promise<void> {
    return this.untilDone(async () => {
      if (this.hasEnded()) throw new HandlerStoppedError(this.handler);
      try {
        await this.handling.attempt(letter.event, letter.attempts + 1, true);
      } catch (error) {
        if (error instanceof Interrupted) throw new HandlerStoppedError(this.handler);
        this.report.attemptFailed(error);
        await this.letters.failedAgain(letter, error);
        throw new HandlerFailedError(this.handler, letter.event.id, error);
      }
      await this.#end(letter, this.letters.handled(letter));
    });
  }

  discard(letter: DeadLetter): Promise<void> {
    return this.untilDone(() => this.#end(letter, this.letters.discarded(letter)));
  }

  /** Lets the end of the handler wait for something. */
  async untilDone(act: () => Promise<void>): Promise<void> {
    const asked = act();
    this.#underWay.add(asked);
    try {
      await asked;
    } finally {
      this.#underWay.delete(asked);
    }
  }

  /** Resolves when what is under way has ended, in whatever way. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #end({ isParked, event }: DeadLetter, kept: Promise<void>): Promise<void> {
    try {
      await kept;
    } finally {
      // Also when that failed: it may have been kept all the same, and then nobody could ask for this again.
      if (isParked) await this.releaser.release(event.streamId);
    }
  }
}
