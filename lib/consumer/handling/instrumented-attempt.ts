import { performance } from 'node:perf_hooks';
import { codeOf } from '../../store/values/errors.js';
import type { EventStore } from '../../store/event-store.js';
import type { HandlerCall } from '../../store/ports/instrumentation.js';
import { Interrupted } from '../../subscription/interrupted.js';

/** Makes an attempt of a handler, traced and measured as far as the store has somebody who wants that. */
export function instrumentedAttempt(
  { name, metricsCollector, instrumentation }: EventStore,
  handling: Omit<HandlerCall, 'store'>,
  make: () => Promise<void>,
): Promise<void> {
  const aroundHandler = instrumentation?.aroundHandler;
  const traced = aroundHandler ? () => aroundHandler({ store: name, ...handling }, make) : make;
  if (!metricsCollector.onHandlerAttempt) return traced();
  const startedAt = performance.now();
  const measure = (outcome: string): void => {
    const { handler, attempt } = handling;
    const durationMs = performance.now() - startedAt;
    metricsCollector.onHandlerAttempt?.({ store: name, handler, outcome, attempt, durationMs });
  };
  return traced().then(
    () => measure('ok'),
    (error: unknown) => {
      measure(error instanceof Interrupted ? 'INTERRUPTED' : codeOf(error));
      throw error;
    },
  );
}
