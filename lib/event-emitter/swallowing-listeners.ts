import { Inject, Injectable, Logger } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { BridgeEnds } from './bridge-ends.js';
import type { EventNamePatterns } from './event-emitter.js';

// Where `@OnEvent` leaves its marks. The constant has this value in all versions; the entry of version 3 does not export it.
const ON_EVENT_MARKS = 'EVENT_LISTENER_METADATA';

interface OnEventMark {
  readonly event: string | symbol | (string | symbol)[];
  readonly options?: { readonly suppressErrors?: boolean };
}

/**
 * Knows the `@OnEvent` methods whose failures nobody sees but the log: by default, Nest catches what they throw, and
 * whoever emits is told that all went well. A durable rule would count the event as handled.
 */
@Injectable()
export class SwallowingListeners {
  readonly #logger = new Logger('EventEmitterBridge');
  readonly #warnedOf = new Set<string>();
  #listeners: EventNamePatterns<string> | undefined;

  constructor(
    @Inject(BridgeEnds) private readonly ends: BridgeEnds,
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(MetadataScanner) private readonly scanner: MetadataScanner,
  ) {}

  /** Warns once of each listener that gets an event of this name. To be called when the application has started. */
  warnOf(eventName: string, durable: string): void {
    this.#listeners ??= this.#find();
    for (const listener of this.#listeners.fitting(eventName)) {
      if (this.#warnedOf.has(listener)) continue;
      this.#warnedOf.add(listener);
      this.#logger.warn(
        `${listener} gets "${eventName}" from the durable rule "${durable}", which does not see when it fails, and so ` +
          `does not try again: give its @OnEvent { suppressErrors: false }.`,
      );
    }
  }

  #find(): EventNamePatterns<string> {
    const listeners = this.ends.patterns<string>();
    for (const { instance, isAlias } of [...this.discovery.getProviders(), ...this.discovery.getControllers()]) {
      if (typeof instance !== 'object' || instance === null || isAlias) continue;
      const host = instance as Record<string, unknown>;
      for (const method of this.scanner.getAllMethodNames(Object.getPrototypeOf(host) as object | null)) {
        for (const { event, options } of marksOf(host[method])) {
          if (options?.suppressErrors ?? true) listeners.add(event, `${host.constructor?.name}.${method}`);
        }
      }
    }
    return listeners;
  }
}

function marksOf(method: unknown): readonly OnEventMark[] {
  if (typeof method !== 'function') return [];
  const marks = Reflect.getMetadata(ON_EVENT_MARKS, method) as OnEventMark | readonly OnEventMark[] | undefined;
  return marks === undefined ? [] : [marks].flat();
}
