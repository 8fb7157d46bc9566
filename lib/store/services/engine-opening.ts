import { StorageUnavailableError, StoreClosedError } from '../values/errors.js';
import type { EngineContext, StorageEngine } from '../ports/storage-engine.js';

const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 2_000;

/**
 * Opens an engine, and waits for what it keeps events in when that is not there yet, as after a deployment in which the
 * database comes up last. What no waiting fixes, such as a wrong password, fails at once.
 *
 * @param startTimeoutMs how long to wait; 0 for not at all
 * @param closing ends the waiting
 * @throws what the engine fails with, in the end
 */
export async function openEngine(
  engine: StorageEngine,
  context: EngineContext,
  startTimeoutMs: number,
  closing: AbortSignal,
): Promise<void> {
  let waiting: Waiting | undefined;
  try {
    for (;;) {
      try {
        return await engine.open(context);
      } catch (error) {
        if (!(error instanceof StorageUnavailableError) || startTimeoutMs === 0 || waiting?.isOver) throw error;
        waiting ??= beginWaiting(error, context, startTimeoutMs, closing);
        await waiting.pause();
        if (closing.aborted) throw new StoreClosedError(context.storeName);
      }
    }
  } finally {
    waiting?.end();
  }
}

interface Waiting {
  readonly isOver: boolean;
  /** Ends earlier when the time is over, so that there is one try more. */
  pause(): Promise<void>;
  end(): void;
}

function beginWaiting(
  error: StorageUnavailableError,
  { storeName, clock, logger }: EngineContext,
  startTimeoutMs: number,
  closing: AbortSignal,
): Waiting {
  logger.warn(
    `Store "${storeName}" waits for what it keeps events in, for at most ${startTimeoutMs / 1_000} s: ${error.message}`,
  );
  let isOver = false;
  let pauseMs = FIRST_PAUSE_MS;
  let endPause = (): void => undefined;
  const stop = (): void => endPause();
  const cancelTimeout = clock.setTimer(() => {
    isOver = true;
    stop();
  }, startTimeoutMs);
  closing.addEventListener('abort', stop);
  return {
    get isOver() {
      return isOver;
    },
    pause: () =>
      new Promise((resolve) => {
        if (closing.aborted) return resolve();
        const cancelPause = clock.setTimer(stop, pauseMs);
        pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS);
        endPause = () => {
          cancelPause();
          resolve();
        };
      }),
    end() {
      cancelTimeout();
      closing.removeEventListener('abort', stop);
    },
  };
}
