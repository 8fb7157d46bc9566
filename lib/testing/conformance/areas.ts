import { appending, batches } from './areas/appending.js';
import { checkpoints } from './areas/checkpoints.js';
import { checking } from './areas/checking.js';
import { documents } from './areas/documents.js';
import { closing } from './areas/closing.js';
import { emptyLog } from './areas/empty-log.js';
import { expectedRevisions, retries } from './areas/expected-revisions.js';
import { largeEvents } from './areas/large-events.js';
import { fencing, leases } from './areas/leases.js';
import { limits } from './areas/limits.js';
import { listingStreams, usage } from './areas/listing-streams.js';
import { names, payloads } from './areas/names-and-payloads.js';
import { conditions, places } from './areas/places.js';
import { logFilters, readingTheLog } from './areas/reading-the-log.js';
import { readingStreams, typeFilters } from './areas/reading-streams.js';
import { restarts } from './areas/restarts.js';
import { retention, trimming } from './areas/retention.js';
import { sharedLogs } from './areas/shared-logs.js';
import { streamEnds } from './areas/stream-ends.js';
import { snapshots } from './areas/snapshots.js';
import { timeRanges } from './areas/time-ranges.js';
import { transactions } from './areas/transactions.js';
import type { ConformanceArea } from './conformance-case.js';

/** Everything that an engine owes, in the order a new one is best built. */
export const AREAS: readonly ConformanceArea[] = [
  emptyLog,
  appending,
  batches,
  expectedRevisions,
  retries,
  readingStreams,
  typeFilters,
  readingTheLog,
  logFilters,
  timeRanges,
  largeEvents,
  limits,
  retention,
  trimming,
  listingStreams,
  usage,
  checking,
  names,
  payloads,
  places,
  streamEnds,
  checkpoints,
  conditions,
  documents,
  leases,
  fencing,
  transactions,
  snapshots,
  restarts,
  sharedLogs,
  closing,
];
