/** A value, or a promise of it: what works in memory answers at once and spares its caller a turn of the microtask queue. */
export type MaybePromise<T> = T | Promise<T>;

export function isPromise<T>(answer: MaybePromise<T>): answer is Promise<T> {
  return answer instanceof Promise || typeof (answer as { then?: unknown } | undefined)?.then === 'function';
}
