import type { EventStore } from '../../store/event-store.js';
import { internalsOf } from '../../store/store-internals.js';
import type { Lease } from '../../store/ports/storage-engine.js';
import { LeaseFailureLog } from '../leases/lease-failure-log.js';

const LOOKS_PER_DURATION = 3;

/** A partition, which this process may run or not. */
export interface SharedPartition {
  /** Names its lease. */
  readonly name: string;
  /** Whether this process runs it, and is to go on. */
  readonly isAtWork: boolean;
  stand(): void;
  withdraw(): Promise<void>;
}

/**
 * Shares the partitions of a handler fairly among the processes that run it, without anybody in charge.
 *
 * Each process holds a seat, which is a lease of its own, as long as it lives, so that all see who there is. Each looks
 * three times per duration of a lease, and computes its share by the same rule. Who has more gives some back, and who has
 * less takes those that nobody has. So does Azure's event processor with its strategy `greedy`; but since every process
 * knows its exact share here, nobody has to take anything from another one.
 */
export class PartitionBalancer {
  readonly #seatPrefix: string;
  #seat: Lease | undefined;
  #isMember = false;
  #looking: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  readonly #trouble: LeaseFailureLog;

  constructor(
    private readonly handler: string,
    private readonly store: EventStore,
    private readonly leaseDurationMs: number,
    private readonly partitions: readonly SharedPartition[],
  ) {
    this.#seatPrefix = `${handler}/member/`;
    this.#trouble = new LeaseFailureLog(store, `${handler} could not see who else runs it`);
  }

  /** Takes part. Resolves when the first share is known. @throws what asking the engine fails with; it asks again later */
  async join(): Promise<void> {
    if (this.#isMember) return;
    this.#isMember = true;
    try {
      await this.#look();
    } finally {
      this.#schedule();
    }
  }

  /** Asks for nothing more, and counts no more for the others. What it has stays with it. */
  async leave(): Promise<void> {
    this.#isMember = false;
    this.#cancelTimer?.();
    await this.#looking?.catch(() => undefined);
    const seat = this.#seat;
    this.#seat = undefined;
    if (seat)
      await internalsOf(this.store)
        .releaseLease(seat)
        .catch((error: unknown) => this.#trouble.report(error));
  }

  #schedule(): void {
    if (!this.#isMember) return;
    const look = async (): Promise<void> => {
      await this.#look().then(
        () => this.#trouble.end(),
        (error: unknown) => this.#trouble.report(error),
      );
      this.#schedule();
    };
    const { clock } = this.store;
    const delayMs = this.leaseDurationMs / LOOKS_PER_DURATION;
    this.#cancelTimer?.();
    this.#cancelTimer = clock.setTimer(() => void look(), delayMs, { background: true });
  }

  #look(): Promise<void> {
    this.#looking = this.#lookAround();
    return this.#looking;
  }

  async #lookAround(): Promise<void> {
    if (this.#seat) this.#seat = await internalsOf(this.store).acquireLease(this.#seat.name, this.leaseDurationMs);
    if (!this.#seat) await this.#takeSeat();
    const leases = await internalsOf(this.store).listLeases(`${this.handler}/`);
    if (this.#isMember) this.#share(leases);
  }

  /** Seats are numbered and used again, so that no more of them are kept than there were processes at a time. */
  async #takeSeat(): Promise<void> {
    const taken = new Set((await internalsOf(this.store).listLeases(this.#seatPrefix)).map(({ name }) => name));
    for (let number = 0; !this.#seat; number++) {
      const seat = this.#seatPrefix + number;
      if (!taken.has(seat)) this.#seat = await internalsOf(this.store).acquireLease(seat, this.leaseDurationMs);
    }
  }

  #share(leases: readonly Lease[]): void {
    const members = leases.filter(({ name }) => name.startsWith(this.#seatPrefix)).map(({ name }) => name);
    const place = members.sort().indexOf(this.#seat!.name);
    // Whoever is not seen by the others has no share, and will lose what it has.
    if (place < 0) return;
    const { length } = this.partitions;
    const share = shareOf(length, members.length, place);
    const atWork = this.partitions.filter(({ isAtWork }) => isAtWork);
    for (const partition of atWork.slice(share)) void partition.withdraw();
    const held = new Set(leases.map(({ name }) => name));
    // Each looks for free ones from another place on, so that few ask for the same.
    const begin = Math.floor((place * length) / members.length);
    const inOrder = [...this.partitions.slice(begin), ...this.partitions.slice(0, begin)];
    const free = inOrder.filter(({ name, isAtWork }) => !isAtWork && !held.has(name));
    const wanted = new Set(free.slice(0, Math.max(0, share - atWork.length)));
    for (const partition of this.partitions) {
      if (partition.isAtWork) continue;
      if (wanted.has(partition)) partition.stand();
      else void partition.withdraw();
    }
  }
}

/** How many of `count` the member at `place` of `members` gets: as many as each other, or one more. */
export function shareOf(count: number, members: number, place: number): number {
  return Math.floor(count / members) + (place < count % members ? 1 : 0);
}
