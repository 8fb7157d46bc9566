import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '../store/values/clock.js';
import { ValidationError } from '../store/values/errors.js';

/** How long a call waits for its turn, before it goes on without: the log then decides who was first. */
const LONGEST_WAIT_MS = 10_000;

/** A turn that somebody has, and in whose act a call is made. */
interface HeldTurn {
  readonly turns: StreamTurns;
  readonly streamId: string;
  readonly above: HeldTurn | undefined;
  isOver: boolean;
}

/** The turns that the caller has. */
const heldByCaller = new AsyncLocalStorage<HeldTurn | undefined>();

/**
 * Lets the calls of this process that write to one stream take turns, in the order in which they came, so that they have no
 * conflicts with each other. It only saves work: what keeps them apart is the expected revision of their appends.
 *
 * So nobody waits for ever. A call that is made in the turn of another stream does not wait at all, or two that hold what
 * the other wants would never end; and one whose predecessor does not end goes on after 10 seconds.
 */
export class StreamTurns {
  /** The latest turn of each stream, as long as it lasts. */
  readonly #latest = new Map<string, Promise<void>>();

  constructor(private readonly clock: Clock) {}

  /**
   * Does the work in the turn of a stream.
   *
   * @throws {ValidationError} when the caller has the turn of this very stream: its own append would be the conflict
   * @throws what the work fails with
   */
  async run<T>(streamId: string, work: () => Promise<T>): Promise<T> {
    const above = heldByCaller.getStore();
    let isInsideAnother = false;
    for (let held = above; held; held = held.above) {
      if (held.isOver) continue;
      isInsideAnother = true;
      if (held.turns !== this || held.streamId !== streamId) continue;
      throw new ValidationError(
        'id',
        `"${streamId}" is written to by the call that this one is made in, and one of them would undo the other: record there.`,
      );
    }
    const held: HeldTurn = { turns: this, streamId, above, isOver: false };
    const begin = () => heldByCaller.run(held, work);
    try {
      return await (isInsideAnother ? begin() : this.#after(streamId, begin));
    } finally {
      held.isOver = true;
    }
  }

  async #after<T>(streamId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#latest.get(streamId);
    let end!: () => void;
    const turn = new Promise<void>((resolve) => (end = resolve));
    this.#latest.set(streamId, turn);
    try {
      if (before) await this.#endOf(before);
      return await work();
    } finally {
      end();
      if (this.#latest.get(streamId) === turn) this.#latest.delete(streamId);
    }
  }

  async #endOf(turn: Promise<void>): Promise<void> {
    let cancelTimer!: () => void;
    const patience = new Promise<void>((resolve) => {
      cancelTimer = this.clock.setTimer(resolve, LONGEST_WAIT_MS);
    });
    await Promise.race([turn, patience]);
    cancelTimer();
  }
}
