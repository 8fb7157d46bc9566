import { AsyncResource } from 'node:async_hooks';

// What an application keeps in an AsyncLocalStorage (its request, its tenant, its trace) belongs to whoever entered it. Here
// one caller wakes the work of many others: an append wakes subscriptions, a client opens the channel of the next one, the
// first call opens the store. So each callback is bound where it is handed over, once, and what runs for nobody in
// particular begins in a context of its own.

/** The context in which the package was loaded, into which nobody enters anything. */
const nobodys = new AsyncResource('EventStore');

/** The callback, to be called from anywhere: it runs in the asynchronous context of whoever hands it over here. */
export function boundToCaller<Args extends unknown[], Result>(
  callback: (...args: Args) => Result,
): (...args: Args) => Result {
  const context = new AsyncResource('EventStoreCallback');
  return (...args) => context.runInAsyncScope(callback, undefined, ...args);
}

/** Runs work in a new context that has nothing of the caller's, and of which nothing is left for the next work. */
export function inOwnContext<Result>(work: () => Result): Result {
  return nobodys.runInAsyncScope(runInNew<Result>, undefined, work);
}

// `enterWith` writes into the resource that is running, so a shared one would hand it on (Node.js, before AsyncContextFrame).
function runInNew<Result>(work: () => Result): Result {
  return new AsyncResource('EventStoreWork').runInAsyncScope(work);
}
