import { ValidationError } from '../errors.js';
import { checkCategory, checkName } from '../names.js';
import {
  type AnyEventDefinitions,
  type EVENTS,
  type EventOf,
  isEventDefinitions,
  type TypedTarget,
  typedTarget,
  type TypeOf,
} from './event-definitions.js';

/** The id of a stream whose events are known to the compiler. */
export type StreamId<Definitions extends AnyEventDefinitions> = string & { readonly [EVENTS]: Definitions };

/**
 * The streams of one category, such as `order-42`, with the events that they hold.
 *
 * @example
 * ```ts
 * const orders = defineStream('order', orderEvents);
 * await store.append(orders.id('42'), orderEvents.create('order.placed', { euros: 20 }));
 * store.subscribe(orders.all);
 * ```
 */
export class StreamTemplate<Definitions extends AnyEventDefinitions> {
  /** @internal Use `defineStream`. */
  constructor(
    readonly category: string,
    readonly events: Definitions,
  ) {}

  /** The stream of one of them: `order-42`. @throws {ValidationError} when the id is no text, is empty, or too long */
  id(id: string): StreamId<Definitions> {
    checkName(id, 'id');
    const streamId = `${this.category}-${id}`;
    checkName(streamId, 'id');
    return streamId as StreamId<Definitions>;
  }

  /** All streams of the category, as a target for `subscribe` and `@OnStreamEvent`. */
  get all(): TypedTarget<EventOf<Definitions>> {
    return typedTarget({ streams: `${this.category}-*` });
  }

  /** Some types in all streams of the category. @throws {ValidationError} when a type is not defined */
  on<Type extends TypeOf<Definitions>>(...types: readonly Type[]): TypedTarget<EventOf<Definitions, Type>> {
    return typedTarget({
      streams: `${this.category}-*`,
      types: (this.events as AnyEventDefinitions).checkedTypes(types),
    });
  }
}

/**
 * Names the streams of a category, `<category>-<id>`, and the events they hold.
 *
 * @param category 1 to 512 characters, without `-`, where it would end, without `*`, and not beginning with `$`
 * @throws {ValidationError}
 */
export function defineStream<Definitions extends AnyEventDefinitions>(
  category: string,
  events: Definitions,
): StreamTemplate<Definitions> {
  checkCategory(category);
  if (!isEventDefinitions(events)) {
    throw new ValidationError('events', 'give what defineEvents() has answered.');
  }
  return new StreamTemplate(category, events);
}
