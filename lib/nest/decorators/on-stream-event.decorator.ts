import { ValidationError } from '../../store/values/errors.js';
import type { SubscriptionStart } from '../../store/ports/subscription.js';
import type { SubscriptionTarget } from '../../store/values/target.js';
import type { ConsumerOptions } from '../../consumer/consumer-options.js';
import type { StreamEventContext } from '../../consumer/handling/handler-attempts.js';
import type { KnownEvents } from '../../store/values/typed/typed-verbs.js';

export interface OnStreamEventOptions extends ConsumerOptions {
  /** The name of the store. Default the store that the class `EventStore` means. */
  readonly store?: string;
  /**
   * After which event to begin: `START`, `END`, a cursor or a position. Default for a durable handler `START`, and only
   * used until it has a checkpoint; else what is appended since the application started.
   */
  readonly from?: SubscriptionStart;
  /**
   * Whether guards, interceptors, pipes and exception filters of the whole application stand before this handler, too.
   * Default what `EventStoreModule` was told, which is false unless it was.
   */
  readonly globalEnhancers?: boolean;
}

/** Options that only a durable handler can have, for the compiler. */
type DurableWhere<Options> = Options extends { readonly durable: string }
  ? unknown
  : Options extends { readonly transaction: true } | { readonly onFailure: 'park-stream' | 'dead-letter' }
    ? { readonly durable: string }
    : unknown;

/**
 * Decorates a method that takes what the target hands out: the compiler refuses another parameter for the event when the
 * target comes from `defineEvents` or `defineStream`, and a context with a transaction where there is none.
 */
export type StreamEventDecorator<Target, Options> = [KnownEvents<Target>] extends [never]
  ? MethodDecorator
  : <
      Method extends (
        event: KnownEvents<Target>,
        context: StreamEventContext<TransactionOf<Options>>,
        ...rest: never[]
      ) => unknown,
    >(
      holder: object,
      name: string | symbol,
      descriptor: TypedPropertyDescriptor<Method>,
    ) => void;

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- which engine the store has, the decorator does not know
type TransactionOf<Options> = Options extends { readonly transaction: true } ? any : undefined;

/** What `@OnStreamEvent` leaves on a method; a method may have several. */
export interface OnStreamEventMark {
  readonly target: SubscriptionTarget;
  readonly options: OnStreamEventOptions;
}

// Found also by another copy of the package, such as that of a library in a monorepo.
const MARKS = Symbol.for('nestjs-stream-store:on-stream-event');

/**
 * Calls the method for every event of a subscription, with the event and a `StreamEventContext`.
 *
 * The method belongs to a provider or a controller; guards, pipes, interceptors, exception filters and parameter decorators
 * of the class and of the method work on it, with the context type `'stream-event'`; those of the application only with
 * `globalEnhancers`. An event counts as handled when the promise that the method
 * returned has resolved, or when an exception filter has swallowed its failure.
 *
 * With `durable`, every event is handled at least once, in the order of its stream, also across restarts.
 *
 * Repeatable: each use is a subscription of its own.
 *
 * @param target a stream id, `{ stream }`, `{ streams: 'order-*' }` or `{ all: true }`, each also with `types`
 * @throws {ValidationError} at once on what Nest would never find: a static method, a method named by a symbol, an accessor, a
 *   property that holds a function
 */
export function OnStreamEvent<
  Target extends SubscriptionTarget,
  const Options extends OnStreamEventOptions = OnStreamEventOptions,
>(
  target: Target,
  options: Options & DurableWhere<Options> = {} as Options & DurableWhere<Options>,
): StreamEventDecorator<Target, Options> {
  const mark = (holder: object, name: unknown, descriptor?: PropertyDescriptor): void => {
    if (typeof name === 'object' && name !== null) {
      // The decorators of ECMAScript, of which Nest knows nothing, get a context in the place of the name.
      const { name: called } = name as { readonly name: PropertyKey };
      throw misplaced(String(called), 'compiled without experimentalDecorators, which Nest needs');
    }
    const method: unknown = descriptor?.value;
    if (typeof holder === 'function') throw misplaced(`${holder.name}.${String(name)}`, 'a static method');
    const place = `${holder.constructor.name}.${String(name)}`;
    if (typeof name === 'symbol') throw misplaced(place, 'a method named by a symbol');
    if (!descriptor) throw misplaced(place, 'a property, which no instance has before it is made');
    if (typeof method !== 'function') throw misplaced(place, 'an accessor');
    // Decorators are applied from the bottom up; the list reads from the top down.
    Reflect.defineMetadata(MARKS, [{ target, options }, ...marksOf(method)], method);
  };
  return mark;
}

function misplaced(place: string, kind: string): ValidationError {
  return new ValidationError(`@OnStreamEvent on ${place}`, `it is ${kind}: put it on an ordinary method.`);
}

/** The marks of a method, from the top down; none when it has no `@OnStreamEvent`. */
export function marksOf(method: unknown): readonly OnStreamEventMark[] {
  if (typeof method !== 'function') return [];
  return (Reflect.getOwnMetadata(MARKS, method) as OnStreamEventMark[] | undefined) ?? [];
}
