import { OnStreamEvent } from '../nest/decorators/on-stream-event.decorator.js';
import type { RecordedEvent } from '../store/values/event.js';
import { checkedName } from '../store/values/names.js';
import type { EventHandler } from '../consumer/handling/handler-attempts.js';
import type { BridgeEnds } from './bridge-ends.js';
import { comesFromEmitter, markedContext } from './crossing.js';
import { reachesNobody } from './event-emitter.js';
import { BRIDGE, type EmitRule } from './event-emitter-bridge-options.js';
import type { SwallowingListeners } from './swallowing-listeners.js';

/**
 * A provider with one handler for each rule, marked as with `@OnStreamEvent`: so the application finds it, feeds it,
 * retries it and lists it as any other. The class and its methods are made here because their marks are the options.
 */
export function storedEventEmitter(ends: BridgeEnds, swallowing: SwallowingListeners): object {
  const { store, emit } = ends.options;
  // The name of the class and those of the methods make the names of the handlers: `EventEmitterBridge.emit[0]`.
  class EventEmitterBridge {}
  emit.forEach((rule, index) => {
    const { target, as: nameOf = typeOf, ...options } = rule;
    const method = `emit[${index}]`;
    const handle: EventHandler = async (event, context) => {
      if (comesFromEmitter(event)) return;
      const name = checkedName(nameOf(event), `${BRIDGE}.${method}.as`);
      // To emit earlier would be to emit to nobody, and an event that counts as handled is not delivered again.
      await ends.listenersReady();
      if (reachesNobody(name, ends.emitter)) return;
      if (options.durable !== undefined) swallowing.warnOf(name, options.durable);
      await ends.emitter.emitAsync(name, event.data, event, markedContext(context, name));
    };
    const descriptor = { value: handle };
    OnStreamEvent(target, { ...options, store })(EventEmitterBridge.prototype, method, descriptor);
    Object.defineProperty(EventEmitterBridge.prototype, method, descriptor);
  });
  return new EventEmitterBridge();
}

const typeOf: NonNullable<EmitRule['as']> = ({ type }: RecordedEvent) => type;
