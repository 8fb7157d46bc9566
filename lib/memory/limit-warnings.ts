import type { EngineContext } from '../store/ports/storage-engine.js';

const NEAR = 0.8;

type Limit = 'maxEventsPerStream' | 'maxStreams';

/** Says in the log, once for each limit, that a store in memory comes near it. What expired counts until it is removed. */
export class LimitWarnings {
  readonly #said = new Set<Limit>();

  constructor(private readonly context: EngineContext) {}

  /** To be called after each append: a limit of Infinity is never near. */
  look(stream: { readonly streamId: string; readonly count: number }, streams: number): void {
    if (this.#isNews('maxEventsPerStream', stream.count))
      this.#say('maxEventsPerStream', `stream "${stream.streamId}" holds ${stream.count} events`);
    if (this.#isNews('maxStreams', streams)) this.#say('maxStreams', `it holds ${streams} streams`);
  }

  #isNews(limit: Limit, count: number): boolean {
    return count >= NEAR * this.context[limit] && !this.#said.has(limit);
  }

  #say(limit: Limit, what: string): void {
    this.#said.add(limit);
    const { logger, storeName } = this.context;
    logger.warn(
      `Store "${storeName}" is near a limit: ${what}, and ${limit} is ${this.context[limit]}. What goes over it is ` +
        `refused: raise ${limit}, set it to 0 for no limit, or set a retentionDuration.`,
    );
  }
}
