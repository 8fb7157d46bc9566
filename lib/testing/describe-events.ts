import { EventCatalog } from '../store/services/event-catalog.js';
import { EventShaper } from '../store/services/event-shaper.js';
import { ValidationError } from '../store/values/errors.js';
import { toJsonText } from '../store/values/json-text.js';
import { checkMembers } from '../store/values/known-members.js';
import { recordedEvent } from '../store/values/recorded-event.js';
import { withSchemaVersion } from '../store/values/schema-version.js';
import { type AnyEventDefinitions, type InputOf, isEventDefinitions } from '../store/values/typed/event-definitions.js';
import type { EventType } from '../store/values/typed/event-type.js';
import { checkBySchema } from '../store/values/typed/schema-check.js';
import { upcastFailureOf } from '../store/values/typed/upcast-failure.js';
import { type EventSamples, type SampleSource, sampleSource } from './event-samples.js';
import { globalRunner, type TestRunner } from './test-runner.js';

export interface DescribeEventsOptions<Definitions extends AnyEventDefinitions = AnyEventDefinitions> {
  /**
   * Data of each version as it was written: the folder that keeps it, with a file `<type>@<version>.json` for each, or by type
   * and version, `{ 'order.shipped': { 1: ['ABC'] } }`. Each holds an array of at least one sample.
   */
  readonly samples: string | EventSamples;
  /** Samples of the present versions, for `writeSamples`. */
  readonly examples?: Partial<InputOf<Definitions>>;
  /**
   * Whether a sample of the present version that is missing in the folder is written from `examples`, instead of being a
   * failure. Default whether the environment says `WRITE_EVENT_SAMPLES=1`.
   */
  readonly writeSamples?: boolean;
  /**
   * Whether what a sample has become must pass the schema. Default true; false for schemas that refuse what they themselves have
   * answered, such as a number that they have made of a text.
   */
  readonly checkSchema?: boolean;
  /** `{ describe, it }` of your test runner. Default the global ones. */
  readonly runner?: TestRunner;
}

/**
 * Describes, as tests, that every version of every type can still be read: one for each kept sample. So a change that can no
 * longer read an old event fails before it is deployed.
 *
 * @example
 * ```ts
 * describeEvents(orderEvents, { samples: 'test/event-samples' });
 * ```
 *
 * @throws {ValidationError} that names the option
 */
export function describeEvents<Definitions extends AnyEventDefinitions>(
  events: Definitions,
  options: DescribeEventsOptions<Definitions>,
): void {
  checkMembers(options, 'describeEvents', ['samples', 'examples', 'writeSamples', 'checkSchema', 'runner']);
  if (!isEventDefinitions(events))
    throw new ValidationError('describeEvents', 'give what defineEvents() has answered.');
  const { writeSamples = process.env['WRITE_EVENT_SAMPLES'] === '1', checkSchema = true } = options;
  const source = sampleSource(options.samples);
  const examples = (options.examples ?? {}) as Readonly<Record<string, unknown>>;
  const shaper = new EventShaper(new EventCatalog([events], 'allow'));
  const { describe, it } = options.runner ?? globalRunner('describeEvents');
  describe(`events ${events.types.join(', ')}`, () => {
    for (const [name, type] of events.definitions) {
      for (let version = 1; version <= type.version; version++) {
        const mayWrite = writeSamples && version === type.version && name in examples;
        const samples =
          source.read(name, version) ?? (mayWrite ? write(source, name, type, examples[name]) : undefined);
        if (!samples) {
          it(`${name}, version ${version}: there is a sample`, () => Promise.reject(missing(source, name, version)));
          continue;
        }
        samples.forEach((data, index) => {
          it(`${name}, version ${version}: sample ${index + 1} can be read`, async () => {
            const read = readAs(shaper, name, version, data);
            if (checkSchema && type.schema) checkBySchema(type.schema, read, `${name}@${version}[${index}]`);
          });
        });
      }
    }
  });
}

function readAs(shaper: EventShaper, type: string, version: number, data: unknown): unknown {
  const event = shaper.shape(
    recordedEvent({
      ...{ id: 'sample', type, data: toJsonText(data, 'sample'), metadata: withSchemaVersion('', version) },
      ...{ timestamp: 0, recordedAt: 0, streamId: 'samples', position: 1, globalPosition: 1 },
    }),
  );
  const failure = upcastFailureOf(event);
  if (failure) throw failure;
  return event.data;
}

function write(source: SampleSource, name: string, type: EventType, example: unknown): readonly unknown[] {
  const kept = type.schema ? checkBySchema(type.schema, example, `examples["${name}"]`) : example;
  const samples: readonly unknown[] = [JSON.parse(toJsonText(kept, `examples["${name}"]`))];
  source.write(name, type.version, samples);
  return samples;
}

function missing(source: SampleSource, name: string, version: number): Error {
  return new Error(
    `There is no sample of "${name}" in version ${version}: keep one in ${source.placeOf(name, version)}, as an array of data.`,
  );
}
