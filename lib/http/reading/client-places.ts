import { ServiceUnavailableException } from '@nestjs/common';

/** How many clients of one kind there may be, in all and of each user. */
export interface PlaceLimits {
  readonly most: number;
  readonly mostPerUser: number;
  /** What to say when they are all taken. */
  readonly full: (count: number) => string;
  readonly fullForUser: (count: number) => string;
}

/** The places of clients that stay for a while, and hold something as long as they do. */
export class ClientPlaces {
  #count = 0;
  /** How many places each user has. */
  readonly #countOf = new Map<string, number>();

  constructor(private readonly limits: PlaceLimits) {}

  /** How many are taken. */
  get count(): number {
    return this.#count;
  }

  /**
   * @param user who it is, when there is a limit for each
   * @throws {ServiceUnavailableException} when there is no place
   */
  check(user: string | undefined): void {
    const { most, mostPerUser, full, fullForUser } = this.limits;
    if (this.#count >= most) throw new ServiceUnavailableException(full(this.#count));
    if (user !== undefined && (this.#countOf.get(user) ?? 0) >= mostPerUser) {
      throw new ServiceUnavailableException(fullForUser(mostPerUser));
    }
  }

  /** Takes a place. @returns to be called once, to give it back @throws {ServiceUnavailableException} when there is none */
  take(user: string | undefined): () => void {
    this.check(user);
    this.#add(user, 1);
    return () => this.#add(user, -1);
  }

  #add(user: string | undefined, change: 1 | -1): void {
    this.#count += change;
    if (user === undefined) return;
    const count = (this.#countOf.get(user) ?? 0) + change;
    if (count === 0) this.#countOf.delete(user);
    else this.#countOf.set(user, count);
  }
}
