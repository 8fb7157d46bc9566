import { Inject, Injectable } from '@nestjs/common';
import { ClientPlaces } from './client-places.js';
import type { CheckedHttpOptions } from '../event-store-http-options.js';
import { CHECKED_HTTP_OPTIONS } from '../http.tokens.js';

/** Those who take events as lines: each holds a page of events for as long as it takes them. */
@Injectable()
export class LineClients {
  readonly #places: ClientPlaces;

  constructor(@Inject(CHECKED_HTTP_OPTIONS) { maxLineClients, maxLineClientsPerUser }: CheckedHttpOptions) {
    this.#places = new ClientPlaces({
      most: maxLineClients,
      mostPerUser: maxLineClientsPerUser,
      full: (count) => `There are ${count} clients that take events as lines, the limit. Retry later.`,
      fullForUser: (count) => `You take events as lines ${count} times, the limit. End one, or retry later.`,
    });
  }

  /**
   * Does something while it has a place.
   *
   * @param user who it is, when there is a limit for each
   * @throws {ServiceUnavailableException} when there is none
   */
  async admit(user: string | undefined, work: () => Promise<void>): Promise<void> {
    const leave = this.#places.take(user);
    try {
      await work();
    } finally {
      leave();
    }
  }
}
