import { Inject, Injectable, ServiceUnavailableException } from '@nestjs/common';
import type { CheckedHttpOptions } from './event-store-http-options.js';
import { CHECKED_HTTP_OPTIONS } from './http.tokens.js';

/** The places of those who take events as lines: each holds a page of events for as long as it takes them. */
@Injectable()
export class LineClients {
  #count = 0;
  /** How many places each user has. */
  readonly #countOf = new Map<string, number>();

  constructor(@Inject(CHECKED_HTTP_OPTIONS) private readonly options: CheckedHttpOptions) {}

  /**
   * Does something while it has a place.
   *
   * @param user who it is, when there is a limit for each
   * @throws {ServiceUnavailableException} when there is none
   */
  async admit(user: string | undefined, work: () => Promise<void>): Promise<void> {
    this.#checkRoom(user);
    this.#add(user, 1);
    try {
      await work();
    } finally {
      this.#add(user, -1);
    }
  }

  #checkRoom(user: string | undefined): void {
    const { maxLineClients, maxLineClientsPerUser } = this.options;
    if (this.#count >= maxLineClients) {
      throw new ServiceUnavailableException(
        `There are ${this.#count} clients that take events as lines, as many as may be: come again.`,
      );
    }
    if (user !== undefined && (this.#countOf.get(user) ?? 0) >= maxLineClientsPerUser) {
      throw new ServiceUnavailableException(
        `You take events as lines ${maxLineClientsPerUser} times, as often as may be: end one, or come again.`,
      );
    }
  }

  #add(user: string | undefined, change: 1 | -1): void {
    this.#count += change;
    if (user === undefined) return;
    const count = (this.#countOf.get(user) ?? 0) + change;
    if (count === 0) this.#countOf.delete(user);
    else this.#countOf.set(user, count);
  }
}
