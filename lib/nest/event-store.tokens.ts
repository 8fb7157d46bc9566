import type { InjectionToken } from '@nestjs/common';
import { EventStore } from '../store/event-store.js';

/** What `EventStoreModule` says of itself, for the registry: one for each import of the module. */
export const EVENT_STORE_DESCRIPTION = Symbol('EVENT_STORE_DESCRIPTION');

/** What one import of `EventStoreModule` brings into the application. */
export interface EventStoreDescription {
  /** Undefined for the store without a name of its own, which is called after its engine. */
  readonly name: string | undefined;
  readonly isGlobal: boolean;
  /** Whether enhancers of the whole application stand before handlers of the store. */
  readonly globalEnhancers: boolean;
  /** Under what the store is injected by its name. */
  readonly tokens: readonly string[];
  /** What makes it, by token; something else in the place of one is an override. */
  readonly factories: Map<InjectionToken, unknown>;
}

/** The store that one import of `EventStoreModule` brings, before anything says under which names it is known. */
export const OWN_EVENT_STORE = Symbol('OWN_EVENT_STORE');

/**
 * The token under which a store is injected.
 *
 * @param name the `name` that was given to `forRoot`, or the one that the engine gives; left out, the class `EventStore`
 */
export function getEventStoreToken(name?: string): string | typeof EventStore {
  return name === undefined ? EventStore : `EventStore:${name}`;
}

/**
 * The token under which the clock of a store is injected, a `Clock`.
 *
 * @param name that of the store, as for `getEventStoreToken`; left out, the store that the class `EventStore` means
 */
export function getEventStoreClockToken(name?: string): string {
  return name === undefined ? 'EventStoreClock' : `EventStoreClock:${name}`;
}
