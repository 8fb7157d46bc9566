import { ValidationError } from '../values/errors.js';
import type { NewEvent } from '../values/event.js';
import type { AddedMetadata } from '../ports/instrumentation.js';
import { toJsonText } from '../values/json-text.js';
import { refuseSchemaVersion, withSchemaVersion } from '../values/schema-version.js';
import { checkName, kindOf } from '../values/names.js';
import type { EventToAppend } from '../ports/storage-engine.js';
import { toTime } from '../values/time.js';
import type { EventCatalog } from './event-catalog.js';

/**
 * Checks one event and turns it into texts and numbers, which nobody can change afterwards.
 *
 * @param place where the event stands, as the beginning of a path: empty, or `events[2].`
 * @param catalog the types that are known; undefined when there are none
 * @param added goes into its metadata as well, unless that has one of its members already
 */
export function acceptEvent(
  event: NewEvent<unknown>,
  place: string,
  catalog?: EventCatalog,
  added?: AddedMetadata,
): EventToAppend {
  if (typeof event !== 'object' || event === null) {
    throw new ValidationError(place === '' ? 'event' : place.slice(0, -1), `it is ${kindOf(event)}: give an object.`);
  }
  const { type, data, id, timestamp, metadata } = event;
  checkName(type, place + 'type');
  if (id !== undefined) checkName(id, place + 'id');
  const own = metadata === undefined ? '' : metadataText(metadata, place + 'metadata');
  const withMore = added === undefined ? own : withAdded(own, added);
  const accepted = catalog?.accept(event, place);
  return {
    id,
    type,
    data: accepted ? accepted.text : toJsonText(data, place + 'data'),
    metadata: withSchemaVersion(withMore, accepted?.schemaVersion),
    timestamp: timestamp === undefined ? undefined : toTime(timestamp, place + 'timestamp'),
    ...(withMore !== own && { added: added!.names }),
  };
}

function metadataText(metadata: unknown, field: string): string {
  const text = toJsonText(metadata, field);
  if (!text.startsWith('{')) throw new ValidationError(field, `it is ${kindOf(metadata)}: give an object.`);
  refuseSchemaVersion(text, field);
  return text === '{}' ? '' : text;
}

/** All of it or nothing: members that belong together must not be mixed with those of another origin. */
function withAdded(own: string, { names, text }: AddedMetadata): string {
  if (own === '') return text;
  const members = JSON.parse(own) as object;
  return names.some((name) => Object.hasOwn(members, name)) ? own : `${own.slice(0, -1)},${text.slice(1)}`;
}
