import { type DynamicModule, Module } from '@nestjs/common';
import { checkFits, type OptionalPeer, peerFailure } from '../store/services/optional-peer.js';
import type { EventEmitter } from './event-emitter.js';

const PEER: OptionalPeer = {
  name: '@nestjs/event-emitter',
  of: 'nestjs-stream-store/event-emitter',
  versions: '^3.0.0 || ^12.0.0',
};

/** What the application has of `@nestjs/event-emitter`. */
export interface EmitterEnds {
  /** Undefined when the application has not imported `EventEmitterModule`. */
  readonly emitter: EventEmitter | undefined;
  /** Makes another emitter. */
  readonly newEmitter: (options: object) => EventEmitter;
  /** Resolves when Nest has given the emitter the `@OnEvent` methods. */
  readonly listenersReady: () => Promise<void>;
}

/** The token of the `EmitterEnds`. */
export const EMITTER_ENDS = Symbol('EMITTER_ENDS');

@Module({})
class EmitterEndsModule {}

/**
 * A module that exports `EMITTER_ENDS`. Nest waits for such a promise where it makes the application: what
 * `@nestjs/event-emitter` provides is injected by its classes, so the package has to be there before anything is.
 *
 * @param imports where to look for the emitter, when its module is not global
 * @throws {MissingPeerError} when the package is not there, or is too old
 */
export function emitterEndsModule(imports: DynamicModule['imports']): Promise<DynamicModule> {
  const module = load(imports);
  // Nest gets the failure all the same, and an application that is never made needs no emitter.
  module.catch(() => undefined);
  return module;
}

async function load(imports: DynamicModule['imports']): Promise<DynamicModule> {
  const { EventEmitter2, EventEmitterReadinessWatcher } = await import('@nestjs/event-emitter').catch(
    (failure: unknown) => {
      throw peerFailure(PEER, failure);
    },
  );
  checkFits(PEER, EventEmitterReadinessWatcher !== undefined);
  const ends = (emitter?: EventEmitter, watcher?: { waitUntilReady(): Promise<void> }): EmitterEnds => ({
    emitter,
    newEmitter: (options) => new EventEmitter2(options),
    listenersReady: async () => watcher?.waitUntilReady(),
  });
  const inject = [EventEmitter2, EventEmitterReadinessWatcher].map((token) => ({ token, optional: true }));
  return {
    module: EmitterEndsModule,
    imports,
    providers: [{ provide: EMITTER_ENDS, useFactory: ends, inject }],
    exports: [EMITTER_ENDS],
  };
}
