import type { Checkpoint, StreamEventContext, SubscriptionTarget } from 'nestjs-stream-store';
import type { CheckedConsumerOptions } from '../../../lib/consumer/consumer-options.js';
import type { Life } from '../worlds/seeded-steps.js';

/** An event for the handler, and what is known of it. */
export interface WatchedEvent {
  readonly streamId: string;
  readonly position: number;
  readonly globalPosition: number;
  /** The latest attempt that succeeded. When its signal was aborted in the same moment, it may count or not. */
  success?: { readonly life: Life; readonly signal: AbortSignal; readonly isRetry: boolean };
  /** How many attempts failed, took too long or ended the process. */
  failures: number;
  /** How many attempts were counted in a checkpoint before they began; a crash may have come in between. */
  counted: number;
  /** How many attempts handled it in a transaction that was not committed, or is not yet: one that was cut off has failed. */
  uncommitted: number;
  /** Whether what the handler wrote in a transaction of the loop's was committed. */
  isKept?: boolean;
  letter?: 'open' | 'handled' | 'discarded';
  /** Whether its letter was handled or discarded once. A process that lost its lease meanwhile may still add it again. */
  hadLetter?: true;
  hasBegun: boolean;
}

/** What one process has handed over. */
export interface WatchedRun {
  readonly life: Life;
  /** The process before, if it came to an orderly end. */
  readonly successorOf: Life | undefined;
  /** The events that were handed over although an earlier process had handled them. */
  readonly repeated: Set<number>;
  /** The last position handed over of each stream. */
  readonly last: Map<string, number>;
  /** The events at work, by stream. */
  readonly atWork: Map<string, StreamEventContext>;
}

/**
 * Knows what a durable handler has promised, and finds out when it is not kept: at every event that is handed over, and at
 * every checkpoint that is saved. Nothing is passed over, nothing comes in the wrong order, and no more is repeated than a
 * crash excuses.
 */
export class ConsumerWatch {
  readonly events = new Map<number, WatchedEvent>();
  /** The first thing that was not as it has to be. */
  problem: string | undefined;
  checkpoint: Checkpoint | undefined;
  repeats = 0;

  readonly #streams = new Map<string, WatchedEvent[]>();
  readonly #trimmedTo = new Map<string, number>();

  constructor(
    private readonly options: CheckedConsumerOptions,
    private readonly target: SubscriptionTarget,
    private readonly say: (line: string) => void,
  ) {}

  wrong(what: string): void {
    this.say(`WRONG: ${what}`);
    this.problem ??= what;
  }

  isForHandler(streamId: string): boolean {
    if (typeof this.target === 'string') return streamId === this.target;
    return !('streams' in this.target) || streamId.startsWith('s');
  }

  appended(streamId: string, position: number, globalPosition: number): void {
    const event = { streamId, position, globalPosition, failures: 0, counted: 0, uncommitted: 0, hasBegun: false };
    this.events.set(globalPosition, event);
    const stream = this.#streams.get(streamId);
    if (stream) stream.push(event);
    else this.#streams.set(streamId, [event]);
  }

  letterChanged(type: string, id: string): void {
    const event = this.events.get(Number(id.split(':')[1]))!;
    switch (type) {
      case 'dead-letter.added':
        if (event.failures + event.counted === 0 && !this.#mayHaveBeenCut(event))
          this.wrong(`${place(event)} is a dead letter and never failed`);
        event.letter = 'open';
        break;
      case 'dead-letter.handled':
        event.letter = 'handled';
        event.hadLetter = true;
        break;
      case 'dead-letter.discarded':
        event.letter = 'discarded';
        event.hadLetter = true;
    }
  }

  /** An attempt counts also when its transaction was cut off after the handler was called, and nothing of it was kept. */
  #mayHaveBeenCut({ hasBegun, isKept }: WatchedEvent): boolean {
    return this.options.transaction && hasBegun && !isKept;
  }

  /** Says that the events up to a global position were removed. */
  trimmed(globalPosition: number): void {
    for (const event of this.events.values()) {
      if (event.globalPosition <= globalPosition) this.#trimmedTo.set(event.streamId, event.position);
    }
  }

  /** Says that the loop hands an event over; a retry of a dead letter is none of its doing. */
  begins(run: WatchedRun, event: WatchedEvent, context: StreamEventContext): void {
    const { streamId, position } = event;
    const { concurrency, onFailure } = this.options;
    if (run.atWork.has(streamId)) this.wrong(`${place(event)} began while another of its stream was at work`);
    run.atWork.set(streamId, context);
    // The releases of parked streams run beside the loop.
    if (onFailure !== 'park-stream' && run.atWork.size > concurrency) this.wrong(`${run.atWork.size} events at work`);
    if (position < (run.last.get(streamId) ?? 0)) this.wrong(`${place(event)} came after a later one`);
    run.last.set(streamId, position);
    this.#watchRepeat(run, event);
    if (!event.hasBegun) this.#watchOrder(event);
    event.hasBegun = true;
  }

  /** Says that what the handler wrote in a transaction of the loop's was committed. */
  kept(event: WatchedEvent): void {
    if (event.isKept) this.wrong(`${place(event)} was kept twice`);
    event.isKept = true;
  }

  /** No more is delivered again after a crash than was not saved, and nothing after an orderly end. */
  #watchRepeat(run: WatchedRun, event: WatchedEvent): void {
    const { success } = event;
    // A retry may have been asked for before the loop knew that the dead letter was kept.
    if (!success || success.signal.aborted || success.isRetry) return;
    this.repeats++;
    if (success.life === run.life) this.wrong(`${place(event)} was handled twice in one process`);
    if (success.life === run.successorOf) this.wrong(`${place(event)} came again after an orderly end`);
    run.repeated.add(event.globalPosition);
    const { checkpointEvery, concurrency, onFailure } = this.options;
    const releases = onFailure === 'park-stream' ? this.#streams.size : 0;
    if (run.repeated.size > checkpointEvery + concurrency + releases) this.wrong(`${run.repeated.size} came again`);
  }

  /** When an event is handed over for the first time, those of its stream before it are finished. */
  #watchOrder(event: WatchedEvent): void {
    for (const earlier of this.#streams.get(event.streamId)!) {
      if (earlier.position >= event.position) return;
      const keepsWaiting = this.options.onFailure === 'park-stream' && earlier.letter === 'open';
      const isOver = earlier.success !== undefined || earlier.hadLetter || this.isTrimmed(earlier);
      if ((keepsWaiting && !isOver) || !this.isFinished(earlier)) {
        this.wrong(`${place(event)} began before ${place(earlier)} was handled`);
      }
    }
  }

  /** Says that a checkpoint was saved: it does not go back, and passes nothing that is not finished. */
  saved(checkpoint: Checkpoint): void {
    const { position, globalPosition, ahead, attempts, parked } = checkpoint;
    const before = this.checkpoint?.position ?? 0;
    this.checkpoint = checkpoint;
    if (position < before) this.wrong(`the checkpoint went back from ${before} to ${position}`);
    if (ahead.some((done, index) => done <= (ahead[index - 1] ?? position))) {
      this.wrong(`the checkpoint lists ${ahead.join()} ahead of ${position}`);
    }
    for (const { position: at, count } of attempts) {
      const event = this.events.get(at)!;
      event.counted = Math.max(event.counted, count);
    }
    const waiting = new Map(parked.map((stream) => [stream.streamId, stream]));
    for (const event of this.events.values()) {
      if (this.placeOf(event) > position && !ahead.includes(this.placeOf(event))) continue;
      const stream = waiting.get(event.streamId);
      const isWaiting = stream && stream.handledTo < event.position && event.position <= stream.skippedTo;
      if (!isWaiting && !this.isFinished(event)) this.wrong(`the checkpoint has passed ${place(event)}`);
      if (event.globalPosition <= globalPosition! && !this.isFinished(event))
        this.wrong(`the checkpoint says at ${globalPosition} that retention may remove ${place(event)}`);
    }
  }

  /** Says that `settled` has resolved: what there was when it was called is handled, or waits in a parked stream. */
  settled(before: readonly WatchedEvent[]): void {
    for (const event of before) {
      const mayWait = this.#streams
        .get(event.streamId)!
        .some(({ letter, position }) => letter !== undefined && position <= event.position);
      if (!mayWait && !this.isFinished(event)) this.wrong(`settled, and ${place(event)} is open`);
    }
  }

  /** Says that the last process has come to its end, when everything was finished. */
  ended(): void {
    const { position, ahead, attempts, parked, isRunning } = this.checkpoint!;
    if (position < this.lastPlace) this.wrong(`the last checkpoint is at ${position}, not at ${this.lastPlace}`);
    // Counts of events that were removed are forgotten when nothing else is under way.
    const counts = attempts.filter(({ position: at }) => !this.isTrimmed(this.events.get(at)!));
    if (ahead.length + counts.length + parked.length > 0 || isRunning) {
      this.wrong(`the last checkpoint is ${JSON.stringify(this.checkpoint)}`);
    }
  }

  isTrimmed({ streamId, position }: WatchedEvent): boolean {
    return position <= (this.#trimmedTo.get(streamId) ?? 0);
  }

  /** Whether nothing more has to be done about an event, but for its dead letter. */
  isFinished(event: WatchedEvent): boolean {
    if (event.success || event.letter !== undefined || this.isTrimmed(event)) return true;
    const { onFailure, retry } = this.options;
    const { failures, uncommitted, counted } = event;
    return onFailure === 'skip' && Math.max(failures + uncommitted, counted) >= retry.attempts;
  }

  /** The events that are not finished, in words. */
  get open(): string[] {
    return [...this.events.values()].filter((event) => !this.isFinished(event)).map(place);
  }

  get hasOpenLetters(): boolean {
    return [...this.events.values()].some(({ letter }) => letter === 'open');
  }

  /** The position that the checkpoint has in the end. */
  get lastPlace(): number {
    return Math.max(0, ...[...this.events.values()].map((event) => this.placeOf(event)));
  }

  placeOf({ position, globalPosition }: WatchedEvent): number {
    return typeof this.target === 'string' ? position : globalPosition;
  }
}

/** An event in a few characters. */
export function place({ streamId, position, globalPosition }: WatchedEvent): string {
  return `${streamId}/${position} (${globalPosition})`;
}
