import { StorageFailedError } from '../store/values/errors.js';
import type { AppendAnswer, AppendRequest } from '../store/ports/storage-engine.js';
import type { PostgresClient } from './postgres-client.js';
import { append, type AppendOutcome, type CommitSettings } from './queries/append.js';

/** A commit takes no more than this: what it holds is in memory several times, and others wait for it. */
const MOST_BATCHES = 1_000;
const MOST_EVENTS = 10_000;
const MOST_CHARACTERS = 4_000_000;

interface WaitingAppend {
  readonly request: AppendRequest;
  /** How large it is, in characters. */
  readonly size: number;
  readonly resolve: (answer: AppendAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Appends, one commit at a time. Callers that come while a commit is under way wait, and share the next one: the more come,
 * the fewer commits each of them pays for.
 */
export class AppendQueue {
  #waiting: WaitingAppend[] = [];
  #isCommitting = false;

  /** @param settings asked before each commit */
  constructor(
    private readonly client: PostgresClient,
    private readonly schema: string,
    private readonly settings: () => CommitSettings,
  ) {}

  append(request: AppendRequest): Promise<AppendAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, size: sizeOf(request), resolve, reject });
      if (!this.#isCommitting) void this.#commitAll();
    });
  }

  async #commitAll(): Promise<void> {
    this.#isCommitting = true;
    // Those who append in the same turn of the event loop come along.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commit(this.#takeNext());
    this.#isCommitting = false;
  }

  async #commit(group: readonly WaitingAppend[]): Promise<void> {
    try {
      const requests = group.map(({ request }) => request);
      const outcomes = await this.#run(requests);
      const again: WaitingAppend[] = [];
      group.forEach((waiting, index) => {
        const outcome = outcomes[index];
        if (outcome === 'ask again') again.push(waiting);
        else if (outcome instanceof Error) waiting.reject(outcome);
        else waiting.resolve(outcome);
      });
      this.#waiting = [...again, ...this.#waiting];
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  /** An announcement is a hint: that it cannot be made is no reason to refuse what it is about. */
  async #run(requests: readonly AppendRequest[]): Promise<readonly AppendOutcome[]> {
    const settings = this.settings();
    try {
      return await this.client.run(append(this.schema, requests, settings), 'append');
    } catch (error) {
      if (!settings.announcement || !(error instanceof StorageFailedError)) throw error;
      const outcomes = await this.client.run(
        append(this.schema, requests, { ...settings, announcement: undefined }),
        'append',
      );
      settings.announcement.refused(error);
      return outcomes;
    }
  }

  /** The longest waiting, as many as fit into one commit; at least one. */
  #takeNext(): WaitingAppend[] {
    let count = 0;
    let events = 0;
    let characters = 0;
    for (const { request, size } of this.#waiting) {
      events += request.events.length;
      characters += size;
      const isTooMuch = count === MOST_BATCHES || events > MOST_EVENTS || characters > MOST_CHARACTERS;
      if (isTooMuch && count > 0) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}

function sizeOf({ events }: AppendRequest): number {
  return events.reduce((size, { data, metadata }) => size + data.length + metadata.length, 0);
}
