import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { messageOf, stackOf } from '../store/values/error-text.js';
import { ValidationError } from '../store/values/errors.js';
import type { EventStore } from '../store/event-store.js';
import { isPromise } from '../store/values/maybe-promise.js';
import { BridgeEnds } from './bridge-ends.js';
import { comesFromStore, markedMetadata } from './crossing.js';
import { BRIDGE, type CheckedAppendRule, type FromPayload } from './event-emitter-bridge-options.js';
import { hasWildcard, textOfName, type EmitterListener } from './event-emitter.js';

/**
 * Appends emitted events to the store, from when its module is initialised until the application has shut down.
 *
 * Its listeners return promises, so who awaits `emitAsync` waits for the append too. They never reject: `emit` looks at no
 * promise, and a rejection that nobody looks at ends the process.
 */
@Injectable()
export class EmittedEventAppender implements OnModuleInit, OnApplicationShutdown {
  readonly #listeners: { readonly eventName: string; readonly listener: EmitterListener }[] = [];

  /** @throws {ValidationError} when a rule has a pattern and the emitter knows none */
  constructor(@Inject(BridgeEnds) private readonly ends: BridgeEnds) {
    const { options, emitter } = ends;
    options.append.forEach(({ on }, index) => {
      const pattern = on.find((eventName) => !emitter.wildcard && hasWildcard(eventName, emitter));
      if (pattern === undefined) return;
      throw new ValidationError(
        `${BRIDGE}.append[${index}].on`,
        `the emitter takes "${pattern}" for a plain name: import EventEmitterModule.forRoot({ wildcard: true }), or ` +
          `list the names.`,
      );
    });
  }

  async onModuleInit(): Promise<void> {
    const { options, emitter } = this.ends;
    if (options.append.length === 0) return;
    const store = await this.ends.store();
    if (!store) return;
    for (const rule of options.append) this.#listen(rule, store);
    for (const { eventName, listener } of this.#listeners) emitter.on(eventName, listener);
  }

  onApplicationShutdown(): void {
    // The emitter may live longer than the application.
    for (const { eventName, listener } of this.#listeners.splice(0)) this.ends.emitter.off(eventName, listener);
  }

  #listen(rule: CheckedAppendRule, store: EventStore): void {
    const { emitter } = this.ends;
    const patterns = this.ends.patterns<number>();
    rule.on.forEach((eventName, index) => {
      patterns.add(eventName, index);
      const append = async (event: unknown, args: readonly unknown[]): Promise<void> => {
        const name = textOfName(event, emitter);
        if (comesFromStore(store.name, name, args)) return;
        // An event that fits several patterns of the rule comes to the listener of each; the first one appends it.
        if (index > 0 && patterns.fitting(name).some((other) => other < index)) return;
        await appendEmitted(rule, store, name, args[0]);
      };
      this.#listeners.push({
        eventName,
        listener(...args) {
          return append(this.event, args);
        },
      });
    });
  }
}

/** Takes all it needs before it first waits, so that what was emitted can be changed afterwards. */
async function appendEmitted(
  rule: CheckedAppendRule,
  store: EventStore,
  name: string,
  payload: unknown,
): Promise<void> {
  const { stream, type = name, data = () => payload, metadata } = rule;
  try {
    await store.append(taken('stream', stream, payload, name), {
      type: taken('type', type, payload, name),
      data: taken('data', data, payload, name),
      metadata: markedMetadata(taken('metadata', metadata, payload, name), name),
    });
  } catch (error) {
    const { metricsCollector, logger } = store;
    metricsCollector.onBackgroundFailure?.({ store: store.name, operation: 'event-emitter-append' });
    logger.error(
      `Store "${store.name}": the emitted event "${name}" could not be appended: ${messageOf(error)}`,
      stackOf(error),
    );
  }
}

function taken<Value>(option: string, value: Value | FromPayload<Value>, payload: unknown, name: string): Value {
  if (typeof value !== 'function') return value;
  const answer = (value as FromPayload<Value>)(payload, name);
  if (!isPromise(answer)) return answer;
  // Nobody will wait for it, and the process must not end when it fails.
  answer.catch(() => undefined);
  throw new ValidationError(option, 'its function gave a promise: let it answer at once.');
}
