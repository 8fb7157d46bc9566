import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export const EARTHQUAKE_RECORDED = 'earthquake.recorded';

/** What a seismograph network says of one quake: the data of an `earthquake.recorded` event. */
export type Earthquake = {
  /** Such as `4km W of Castaic, CA`. */
  readonly place: string;
  readonly region: string;
  /** Null when it could not be determined; below 0 for the faintest. */
  readonly magnitude: number | null;
  readonly depthKm: number;
  readonly latitude: number;
  readonly longitude: number;
  /** `earthquake`, but a seismograph also feels an `explosion` or a `quarry blast`. */
  readonly kind: string;
};

export interface EarthquakeReport {
  /** The id that the U.S. Geological Survey (USGS) gave it. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly earthquake: Earthquake;
}

/** All that the USGS recorded in the week before 7 February 2018, oldest first. */
export function readEarthquakes(): EarthquakeReport[] {
  // The package lets only its code be imported, so the file is found from where that lies.
  const code = createRequire(import.meta.url).resolve('vega-datasets');
  const file = readFileSync(join(dirname(code), '../data/earthquakes.json'), 'utf8');
  const { features } = JSON.parse(file) as { features: Feature[] };
  return features.map(toReport).sort((a, b) => a.time - b.time);
}

/** The part we read of an entry of the USGS feed, which is GeoJSON. */
interface Feature {
  readonly id: string;
  readonly properties: {
    readonly mag: number | null;
    readonly place: string | null;
    readonly time: number;
    readonly type: string;
  };
  readonly geometry: { readonly coordinates: readonly [longitude: number, latitude: number, depthKm: number] };
}

function toReport({ id, properties: { mag, place, time, type }, geometry }: Feature): EarthquakeReport {
  const [longitude, latitude, depthKm] = geometry.coordinates;
  const region = regionOf(place);
  const earthquake = { place: place ?? region, region, magnitude: mag, depthKm, latitude, longitude, kind: type };
  return { id, time, earthquake };
}

// The networks of these places abbreviate their own name, and spell it out when the quake is farther off.
const ABBREVIATIONS: Record<string, string> = { CA: 'California', MX: 'Mexico', NV: 'Nevada' };

/** `4km W of Castaic, CA` lies in California; a place without a comma, such as `Gulf of Alaska`, is its own region. */
function regionOf(place: string | null): string {
  const region = place?.split(',').at(-1)?.trim() || 'unknown';
  return ABBREVIATIONS[region] ?? region;
}
