import { checkFits, type OptionalPeer, peerFailure } from '../store/services/optional-peer.js';
import { failure, found } from './require-prom-client.cjs';

const PEER: OptionalPeer = { name: 'prom-client', of: 'nestjs-stream-store/prometheus', versions: '^15.0.0' };

if (!found) throw peerFailure(PEER, failure);
// Version 15 began with OpenMetrics.
checkFits(PEER, found.Registry?.OPENMETRICS_CONTENT_TYPE !== undefined);

/** The package `prom-client`. Import it from here, as a value, so that it can be said when it is not there. */
export const promClient: typeof import('prom-client') = found;
