import { checkFits, type OptionalPeer, peerFailure } from '../store/services/optional-peer.js';
import { failure, found } from './require-api.cjs';

const PEER: OptionalPeer = { name: '@opentelemetry/api', of: 'nestjs-stream-store/opentelemetry', versions: '^1.9.0' };

if (!found) throw peerFailure(PEER, failure);
// Version 1.9 began with gauges.
checkFits(PEER, typeof found.createNoopMeter?.().createGauge === 'function');

/** The package `@opentelemetry/api`. Import it from here, as a value, so that it can be said when it is not there. */
export const openTelemetry: typeof import('@opentelemetry/api') = found;
