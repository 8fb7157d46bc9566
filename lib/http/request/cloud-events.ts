import { ValidationError } from '../../store/values/errors.js';
import type { JsonValue, NewEvent, RecordedEvent } from '../../store/values/event.js';
import { kindOf, shown } from '../../store/values/names.js';
import { parseFaithfully } from './faithful-json.js';
import { jsonOf } from '../reading/json-of.js';
import { mediaTypeOf } from './media-types.js';

// CloudEvents 1.0.2 in the JSON event format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md

/** A CloudEvent in structured mode: its attributes, its data, and extensions. */
export interface CloudEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time?: string;
  readonly subject?: string;
  readonly datacontenttype?: string;
  readonly dataschema?: string;
  readonly data?: JsonValue;
  readonly [extension: string]: JsonValue | undefined;
}

/** What the store knows of an event. Comes out as extensions, and is left out when it comes in again. */
const OF_THE_STORE = ['position', 'globalposition', 'recordedat', 'schemaversion'];

/** Attributes that an event of ours has elsewhere. */
const OF_THE_EVENT = ['specversion', 'id', 'type', 'time', 'datacontenttype', 'data'];

/** Metadata that is a CloudEvent's attribute by the same name. */
const KEPT_ATTRIBUTES = ['source', 'subject', 'dataschema'];

/** The extension that holds, as JSON text, the metadata that cannot be attributes. */
const REST_OF_METADATA = 'metadata';

const ATTRIBUTE_NAME = /^[a-z0-9]{1,20}$/;

/**
 * An event as a CloudEvent.
 *
 * Metadata become extensions where their names and values allow it; the others are together in the extension `metadata`.
 * Without a `source` in the metadata, the source is the stream, as a path.
 */
export function toCloudEvent(event: RecordedEvent): CloudEvent {
  const metadata = Object.entries(event.metadata);
  const rest = metadata.filter(([name, value]) => !isAttribute(name, value));
  return {
    specversion: '1.0',
    id: event.id,
    source: `/streams/${encodeURIComponent(event.streamId)}`,
    type: event.type,
    time: event.timestamp.toISOString(),
    subject: event.streamId,
    datacontenttype: 'application/json',
    ...Object.fromEntries(metadata.filter(([name, value]) => isAttribute(name, value))),
    ...(rest.length > 0 && { [REST_OF_METADATA]: jsonOf(Object.fromEntries(rest)) }),
    // An integer of CloudEvents has 32 bits.
    position: String(event.position),
    globalposition: String(event.globalPosition),
    recordedat: event.recordedAt.toISOString(),
    ...(event.schemaVersion > 1 && { schemaversion: event.schemaVersion }),
    data: event.data,
  };
}

function isAttribute(name: string, value: JsonValue): boolean {
  if (KEPT_ATTRIBUTES.includes(name)) return typeof value === 'string' && value !== '';
  const isTaken = OF_THE_EVENT.includes(name) || OF_THE_STORE.includes(name) || name === REST_OF_METADATA;
  return !isTaken && ATTRIBUTE_NAME.test(name) && isAttributeValue(value);
}

/** A boolean, a text, or an integer of 32 bits; an empty text stands for none. */
function isAttributeValue(value: unknown): value is JsonValue {
  if (typeof value === 'number') return value === (value | 0);
  return typeof value === 'boolean' || (typeof value === 'string' && value !== '');
}

/**
 * A CloudEvent as an event to append.
 *
 * Source, subject, data schema and extensions become metadata of the same names, and come out again as they were.
 *
 * @param field names the event in the error: empty, or `events[2]`
 * @throws {ValidationError} that names the attribute
 */
export function fromCloudEvent(value: unknown, field: string): NewEvent {
  const place = (name: string): string => (field === '' ? name : `${field}.${name}`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ValidationError(field || 'event', `it is ${kindOf(value)}: give a CloudEvent.`);
  }
  const event = value as CloudEvent;
  if (event.specversion !== '1.0') {
    throw new ValidationError(place('specversion'), `it is ${shown(event.specversion)}: give "1.0".`);
  }
  for (const name of ['id', 'source', 'type']) {
    if (typeof event[name] !== 'string' || event[name] === '') {
      throw new ValidationError(place(name), `it is ${kindOf(event[name])}: give a text.`);
    }
  }
  checkData(event, place);
  const metadata = Object.entries(event).flatMap(([name, attribute]): [string, JsonValue][] => {
    if (OF_THE_EVENT.includes(name) || OF_THE_STORE.includes(name) || attribute === null) return [];
    if (name === REST_OF_METADATA) return metadataOf(attribute, place(name));
    return [[name, checkedAttribute(name, attribute, place(name))]];
  });
  return {
    id: event.id,
    type: event.type,
    data: event.data,
    ...(event.time != null && { timestamp: event.time }),
    metadata: Object.fromEntries(metadata),
  };
}

function checkData({ datacontenttype, data_base64 }: CloudEvent, place: (name: string) => string): void {
  if (data_base64 !== undefined) {
    throw new ValidationError(place('data_base64'), 'only JSON is kept here: give the data as JSON in data.');
  }
  if (datacontenttype == null) return;
  const media = typeof datacontenttype === 'string' ? mediaTypeOf(datacontenttype) : undefined;
  if (media !== undefined && (media === 'application/json' || media.endsWith('+json'))) return;
  throw new ValidationError(place('datacontenttype'), `${shown(datacontenttype)} is not JSON: give JSON.`);
}

function checkedAttribute(name: string, value: unknown, field: string): JsonValue {
  if (!ATTRIBUTE_NAME.test(name)) {
    throw new ValidationError(field, 'an attribute has a name of 1 to 20 lower-case letters and digits.');
  }
  if (!isAttributeValue(value)) {
    throw new ValidationError(
      field,
      `${shown(value)} is no attribute: give a text, a boolean or an integer of 32 bits.`,
    );
  }
  return value;
}

/** The metadata that could not be attributes, from their text. */
function metadataOf(text: unknown, field: string): [string, JsonValue][] {
  try {
    const metadata = typeof text === 'string' && (parseFaithfully(text, field) as JsonValue);
    if (typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata)) {
      return Object.entries(metadata) as [string, JsonValue][];
    }
  } catch (error) {
    if (error instanceof ValidationError) throw error;
    // Said below, as of any other text that holds no metadata.
  }
  throw new ValidationError(field, `${shown(text)} is no JSON text of an object.`);
}
