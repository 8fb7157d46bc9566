import type { Checkpoint } from '../../store/values/checkpoint.js';
import type { RecordedEvent } from '../../store/values/event.js';
import type { Place, PlaceInLog } from '../../store/values/place.js';
import type { ParkedStreams } from '../dead-letters/parked-streams.js';
import { HandledPositions } from './handled-positions.js';

/**
 * What the checkpoint of a handler says, as it changes while the handler works: which events were handled, how often those
 * that failed were tried, and which streams are parked.
 *
 * After a crash, the events that may have been at work when the process ended are suspects.
 */
export class CheckpointState {
  /** Whether the checkpoint says that the handler is at work. */
  isRunning = false;
  #positions = new HandledPositions(0);
  /** Handled, before the events were taken from the log again. */
  #handledBefore = new Set<number>();
  readonly #attempts = new Map<number, number>();
  /** The furthest event that was handed out, or that the checkpoint speaks of. */
  #furthest: Place = { position: 0 };
  #suspects = 0;

  /** @param streamId the one stream whose positions it counts in; undefined when it counts in the whole log */
  constructor(
    readonly streamId: string | undefined,
    private readonly parked: ParkedStreams,
  ) {}

  /** Every event up to this position was handled. */
  get position(): number {
    return this.#positions.position;
  }

  /** That position, with which event is there, as far as that is known. */
  get place(): Place {
    const { position, id } = this.#positions;
    return { position, id };
  }

  /** How many events lie between `position` and the last one taken. */
  get window(): number {
    return this.#positions.window;
  }

  get hasSuspects(): boolean {
    return this.#suspects > 0;
  }

  /** Where an event lies in what positions count in. */
  positionOf({ position, globalPosition }: RecordedEvent): number {
    return this.streamId === undefined ? globalPosition : position;
  }

  /** Knows of nothing that was handled. */
  clear(): void {
    this.#positions = new HandledPositions(0);
    this.#furthest = { position: 0 };
    this.#handledBefore.clear();
    this.#attempts.clear();
    this.parked.restore([]);
    this.#suspects = 0;
  }

  /** Takes over what a checkpoint says. @param suspects how many events may have been at work when its process ended */
  restore({ position, id, furthest, globalPosition, ahead, attempts, parked }: Checkpoint, suspects: number): void {
    this.clear();
    this.#positions = new HandledPositions(position, globalPosition ?? 0, id);
    this.#furthest = furthest ?? { position, id };
    this.#handledBefore = new Set(ahead);
    for (const { position: at, count } of attempts) this.#attempts.set(at, count);
    this.parked.restore(parked);
    this.#suspects = suspects;
  }

  /** Forgets what was taken and not handled: it is taken again. */
  takeAgain(): void {
    const { position, globalPosition, id, ahead } = this.#positions;
    this.#handledBefore = new Set([...this.#handledBefore, ...ahead]);
    this.#positions = new HandledPositions(position, globalPosition, id);
  }

  /** Notes an event that was taken from the log. @returns says that it was handled */
  take(event: RecordedEvent): () => void {
    return this.#positions.take(this.positionOf(event), event.globalPosition, event.id);
  }

  /** Whether an event that was just taken had been handled before. */
  wasHandledBefore(event: RecordedEvent): boolean {
    return this.#handledBefore.delete(this.positionOf(event));
  }

  /** Notes that up to a position there is nothing more to handle. @returns whether `position` has changed */
  passTo(position: number, id?: string): boolean {
    const before = this.#positions.position;
    this.#positions.passTo(position, id);
    return this.#positions.position !== before;
  }

  /** Notes that an event was handed out. */
  begun(event: RecordedEvent): void {
    const position = this.positionOf(event);
    if (position > this.#furthest.position) this.#furthest = { position, id: event.id };
  }

  /** Notes that one of the events that may have been at work is not anymore. */
  clearedOneSuspect(): void {
    if (this.#suspects > 0) this.#suspects--;
  }

  /** How many attempts at an event have begun, as far as they are counted. */
  attemptsAt({ globalPosition }: RecordedEvent): number {
    return this.#attempts.get(globalPosition) ?? 0;
  }

  countAttempts({ globalPosition }: RecordedEvent, count: number): void {
    if (count > 0) this.#attempts.set(globalPosition, count);
    else this.#attempts.delete(globalPosition);
  }

  /** Says already that an event was handled, for a checkpoint that is kept together with what handling it did. @returns undoes it */
  countAsHandled(event: RecordedEvent): () => void {
    const attempts = this.attemptsAt(event);
    this.countAttempts(event, 0);
    const position = this.positionOf(event);
    const undoParked = this.parked.dealtWith(event);
    if (!undoParked) this.#handledBefore.add(position);
    return () => {
      this.countAttempts(event, attempts);
      if (undoParked) undoParked();
      else this.#handledBefore.delete(position);
    };
  }

  /** The furthest place that the checkpoint speaks of. */
  get furthest(): PlaceInLog {
    const { place } = this;
    return {
      streamId: this.streamId ?? null,
      ...(this.#furthest.position > place.position ? this.#furthest : place),
    };
  }

  /** What is to be saved. @param isAllTaken whether every event of the log was taken */
  toCheckpoint(isAllTaken: boolean): Checkpoint {
    const { position, globalPosition, id } = this.#positions;
    this.#forgetWhatIsOver(isAllTaken);
    return {
      streamId: this.streamId ?? null,
      position,
      ...(id !== undefined && { id }),
      ...(this.#furthest.position > position && { furthest: this.#furthest }),
      globalPosition: Math.min(this.streamId === undefined ? position : globalPosition, this.parked.dealtWithTo),
      ahead: [...new Set([...this.#handledBefore, ...this.#positions.ahead])].sort((a, b) => a - b),
      attempts: [...this.#attempts].map(([at, count]) => ({ position: at, count })),
      parked: this.parked.list(),
      isRunning: this.isRunning,
    };
  }

  /** Retention may have removed events that an earlier process had begun: they are waited for in vain. */
  #forgetWhatIsOver(isAllTaken: boolean): void {
    const { position } = this;
    for (const handled of this.#handledBefore) if (handled <= position) this.#handledBefore.delete(handled);
    if (!isAllTaken || this.window > 0 || this.parked.isAny) return;
    this.#attempts.clear();
    this.#suspects = 0;
  }
}
