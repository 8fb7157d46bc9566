import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ValidationError } from '../store/values/errors.js';
import { kindOf } from '../store/values/names.js';

/** Data as it was written, by type and version. */
export type EventSamples = Readonly<Record<string, Readonly<Record<number, readonly unknown[]>>>>;

/** Where samples of events are kept. */
export interface SampleSource {
  /** Undefined when there are none. @throws {ValidationError} when they are no array, or an empty one */
  read(type: string, version: number): readonly unknown[] | undefined;
  write(type: string, version: number, samples: readonly unknown[]): void;
  /** In words. */
  placeOf(type: string, version: number): string;
}

/** @param samples a folder, or the samples themselves */
export function sampleSource(samples: string | EventSamples): SampleSource {
  if (typeof samples === 'string') return new SampleFolder(samples);
  if (typeof samples !== 'object' || samples === null) {
    throw new ValidationError('describeEvents.samples', `it is ${kindOf(samples)}: give a folder, or samples by type.`);
  }
  return new GivenSamples(samples);
}

class GivenSamples implements SampleSource {
  constructor(private readonly samples: EventSamples) {}

  read(type: string, version: number): readonly unknown[] | undefined {
    return checked(this.samples[type]?.[version], this.placeOf(type, version));
  }

  write(): never {
    throw new ValidationError('describeEvents.writeSamples', 'samples are written into a folder only: give one.');
  }

  placeOf(type: string, version: number): string {
    return `samples["${type}"][${version}]`;
  }
}

/** A file for each version of each type: `order.shipped@2.json`. */
class SampleFolder implements SampleSource {
  constructor(private readonly folder: string) {}

  read(type: string, version: number): readonly unknown[] | undefined {
    const file = this.placeOf(type, version);
    if (!existsSync(file)) return undefined;
    return checked(JSON.parse(readFileSync(file, 'utf8')), file);
  }

  write(type: string, version: number, samples: readonly unknown[]): void {
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(this.placeOf(type, version), `${JSON.stringify(samples, undefined, 2)}\n`);
  }

  placeOf(type: string, version: number): string {
    return join(this.folder, `${encodeURIComponent(type)}@${version}.json`);
  }
}

function checked(samples: unknown, place: string): readonly unknown[] | undefined {
  if (samples === undefined) return undefined;
  if (!Array.isArray(samples) || samples.length === 0) {
    throw new ValidationError('describeEvents.samples', `${place} is no array of at least one sample.`);
  }
  return samples as unknown[];
}
