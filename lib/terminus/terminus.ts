import { type DynamicModule, Module } from '@nestjs/common';
import { checkFits, type OptionalPeer, peerFailure } from '../store/services/optional-peer.js';

const PEER: OptionalPeer = {
  name: '@nestjs/terminus',
  of: 'nestjs-stream-store/terminus',
  versions: '^11.0.0 || ^12.0.0',
};

/** The token of the `HealthIndicatorService`, which writes results as Terminus wants them. */
export const HEALTH_INDICATORS = Symbol('HEALTH_INDICATORS');

@Module({})
class HealthIndicatorsModule {}

/**
 * A module that exports `HEALTH_INDICATORS`. Terminus is an ES module or CommonJS, by version: only `import()` finds both,
 * under Jest too. Nest waits for the promise where it makes the application.
 *
 * @throws {MissingPeerError} when Terminus is not there, or is too old
 */
export function healthIndicatorsModule(): Promise<DynamicModule> {
  const module = load();
  // Nest gets the failure all the same, and an application that is never made needs no Terminus.
  module.catch(() => undefined);
  return module;
}

async function load(): Promise<DynamicModule> {
  const { HealthIndicatorService } = await import('@nestjs/terminus').catch((failure: unknown) => {
    throw peerFailure(PEER, failure);
  });
  checkFits(PEER, HealthIndicatorService !== undefined);
  return {
    module: HealthIndicatorsModule,
    providers: [HealthIndicatorService, { provide: HEALTH_INDICATORS, useExisting: HealthIndicatorService }],
    exports: [HEALTH_INDICATORS],
  };
}
