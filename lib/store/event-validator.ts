import { ValidationError } from './errors.js';
import type { NewEvent } from './event.js';
import { toJsonText } from './json-text.js';
import { checkName, kindOf } from './names.js';
import type { EventToAppend } from './storage-engine.js';
import { toTime } from './time.js';

/**
 * Checks one event and turns it into texts and numbers, which nobody can change afterwards.
 *
 * @param place where the event stands, as the beginning of a path: empty, or `events[2].`
 */
export function acceptEvent(event: NewEvent<unknown>, place: string): EventToAppend {
  if (typeof event !== 'object' || event === null) {
    throw new ValidationError(place === '' ? 'event' : place.slice(0, -1), `it is ${kindOf(event)}: give an object.`);
  }
  const { type, data, id, timestamp, metadata } = event;
  checkName(type, place + 'type');
  if (id !== undefined) checkName(id, place + 'id');
  return {
    id,
    type,
    data: toJsonText(data, place + 'data'),
    metadata: metadata === undefined ? '' : metadataText(metadata, place + 'metadata'),
    timestamp: timestamp === undefined ? undefined : toTime(timestamp, place + 'timestamp'),
  };
}

function metadataText(metadata: unknown, field: string): string {
  const text = toJsonText(metadata, field);
  if (!text.startsWith('{')) throw new ValidationError(field, `it is ${kindOf(metadata)}: give an object.`);
  return text === '{}' ? '' : text;
}
