import { messageOf, stackOf } from '../values/error-text.js';
import type { RecordedEvent } from '../values/event.js';
import { toJsonText } from '../values/json-text.js';
import type { StoreLogger } from './logger.js';
import { isPromise } from '../values/maybe-promise.js';

/** An append that is about to be made. Nothing of it was checked yet. */
export interface AppendCall {
  /** The name of the store. */
  readonly store: string;
  readonly streamId: string;
  /** How many events the batch has. */
  readonly events: number;
}

/** An attempt of a handler at an event that is about to be made. */
export interface HandlerCall {
  /** The name of the store. */
  readonly store: string;
  /** The durable name of the handler, or else its class and method. */
  readonly handler: string;
  /** Which attempt at the event this is, from 1. */
  readonly attempt: number;
  readonly event: RecordedEvent;
}

/**
 * Stands around appends and handler calls; for tracing, above all. Both methods are optional.
 *
 * A method makes the call at once, before it first waits, and may watch the promise that it gets. It can change nothing: the
 * caller gets what the call answered, also when the method does not make it, makes it twice, throws or never ends. What it
 * throws is logged.
 */
export interface Instrumentation {
  /**
   * Around `EventStore.append`. Appends to the store's own streams, such as dead letters, do not come here.
   *
   * @param call makes the append. Its metadata is added to each event whose own metadata has none of its members: what the
   *   caller of the store gave is never overwritten
   */
  aroundAppend?(append: AppendCall, call: (metadata?: Readonly<Record<string, string>>) => Promise<unknown>): unknown;

  /**
   * Around each attempt of a handler. What the handler does runs in the asynchronous context that `call` is made in.
   *
   * @param call makes the attempt; fails with what the attempt fails with, also when that is its time limit
   */
  aroundHandler?(handling: HandlerCall, call: () => Promise<void>): unknown;
}

/** Metadata that an instrumentation adds, checked. */
export interface AddedMetadata {
  readonly names: readonly string[];
  /** JSON text of an object with a member for each name. */
  readonly text: string;
}

/** An instrumentation that changes no outcome. Has only the methods that there are, so that the others cost nothing. */
export interface GuardedInstrumentation {
  readonly aroundAppend?: <Result>(
    append: AppendCall,
    call: (added?: AddedMetadata) => Promise<Result>,
  ) => Promise<Result>;
  readonly aroundHandler?: (handling: HandlerCall, call: () => Promise<void>) => Promise<void>;
}

export function guardInstrumentation(instrumentation: Instrumentation, logger: StoreLogger): GuardedInstrumentation {
  const reporter = (method: string) => (error: unknown) =>
    logger.error(`The instrumentation failed in ${method}: ${messageOf(error)}`, stackOf(error));
  return {
    ...(instrumentation.aroundAppend && {
      aroundAppend: (append, call) => {
        const report = reporter('aroundAppend');
        const make = (metadata?: Readonly<Record<string, string>>) => call(metadata && checked(metadata, report));
        return callOnce(make, report, (once) => instrumentation.aroundAppend?.(append, once));
      },
    }),
    ...(instrumentation.aroundHandler && {
      aroundHandler: (handling, call) =>
        callOnce(call, reporter('aroundHandler'), (once) => instrumentation.aroundHandler?.(handling, once)),
    }),
  };
}

function callOnce<Given, Result>(
  call: (given?: Given) => Promise<Result>,
  report: (error: unknown) => void,
  around: (once: (given?: Given) => Promise<Result>) => unknown,
): Promise<Result> {
  let answer: Promise<Result> | undefined;
  try {
    const ended = around((given) => (answer ??= call(given)));
    // An async method may fail with what the call failed with, and that is no failure of its own.
    if (isPromise(ended)) {
      ended.catch(async (error: unknown) => {
        const failure: unknown = await answer?.then(() => undefined).catch((reason: unknown) => reason);
        if (failure !== error) report(error);
      });
    }
  } catch (error) {
    report(error);
  }
  return (answer ??= call());
}

function checked(
  metadata: Readonly<Record<string, string>>,
  report: (error: unknown) => void,
): AddedMetadata | undefined {
  try {
    const text = toJsonText(metadata, 'metadata');
    const names = Object.keys(metadata);
    return text === '{}' ? undefined : { names, text };
  } catch (error) {
    report(error);
    return undefined;
  }
}
