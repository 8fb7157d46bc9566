import { Injectable } from '@nestjs/common';
import { EventStore, NO_STREAM, type NewEvent } from 'nestjs-stream-store';
import { EARTHQUAKE_RECORDED, type Earthquake, type EarthquakeReport } from './earthquake.js';

/** Appends earthquakes to one stream for each region. */
@Injectable()
export class EarthquakeImporter {
  constructor(private readonly store: EventStore) {}

  /**
   * Appends the quakes of each region in one batch, in the order they are given.
   *
   * Importing the same quakes again stores nothing: a batch that lies in its stream already, with the same ids, is
   * recognised as a retry.
   */
  async importAll(reports: readonly EarthquakeReport[]): Promise<void> {
    const batches = new Map<string, NewEvent<Earthquake>[]>();
    for (const { id, time, earthquake } of reports) {
      const streamId = streamOf(earthquake.region);
      const event = { id, type: EARTHQUAKE_RECORDED, timestamp: time, data: earthquake, metadata: { source: 'USGS' } };
      batches.set(streamId, [...(batches.get(streamId) ?? []), event]);
    }
    for (const [streamId, events] of batches) {
      await this.store.append(streamId, events, { expectedRevision: NO_STREAM });
    }
  }
}

/** `Puerto Rico` becomes `earthquakes-puerto-rico`. */
export function streamOf(region: string): string {
  return `earthquakes-${region.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
}
