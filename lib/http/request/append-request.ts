import { PayloadTooLargeException, UnsupportedMediaTypeException } from '@nestjs/common';
import { ValidationError } from '../../store/values/errors.js';
import type { NewEvent } from '../../store/values/event.js';
import { ANY, NO_STREAM, STREAM_EXISTS, type ExpectedRevision } from '../../store/values/expected-revision.js';
import { kindOf, shown } from '../../store/values/names.js';
import { fromCloudEvent } from './cloud-events.js';
import type { CheckedHttpOptions } from '../event-store-http-options.js';
import type { HttpRequest } from './http-exchange.js';
import { CLOUD_EVENT_BATCH_MEDIA, CLOUD_EVENT_MEDIA, JSON_MEDIA, mediaTypeOf } from './media-types.js';
import { shortened, wholeNumber } from './query.js';
import type { RawBodies } from './raw-bodies.js';
import { jsonBody, refuseLength, refuseOtherCharset } from './request-body.js';

const EVENT_MEMBERS = ['type', 'data', 'id', 'timestamp', 'metadata'];

/**
 * The events that a request wants to append: one, or an array of them; as our own JSON or as CloudEvents.
 *
 * What they hold is checked by the store. Here it is checked that no member is given that nobody reads.
 *
 * @throws {ValidationError} that names the member
 * @throws {UnsupportedMediaTypeException | PayloadTooLargeException}
 */
export async function eventsOf(
  request: HttpRequest,
  rawBodies: RawBodies,
  options: CheckedHttpOptions,
): Promise<NewEvent | NewEvent[]> {
  const media = mediaTypeOf(request.headers['content-type']);
  if (Number(request.headers['content-length']) > options.maxBodyBytes) refuseLength(options.maxBodyBytes);
  switch (media) {
    case JSON_MEDIA:
    case CLOUD_EVENT_MEDIA:
    case CLOUD_EVENT_BATCH_MEDIA: {
      refuseOtherCharset(request);
      const body = await jsonBody(request, rawBodies, options.maxBodyBytes);
      return media === JSON_MEDIA ? checkedCount(body, options, checkedEvent) : cloudEventsOf(body, options, media);
    }
    default: {
      const known = [JSON_MEDIA, CLOUD_EVENT_MEDIA, CLOUD_EVENT_BATCH_MEDIA].join(', ');
      throw new UnsupportedMediaTypeException(`The content type is ${named(media)}: send one of ${known}.`);
    }
  }
}

/** @throws {UnsupportedMediaTypeException} when a request has a body, or says that it has, and it is not JSON */
export function checkNoOtherBody(request: HttpRequest): void {
  const { headers } = request;
  const media = mediaTypeOf(headers['content-type']);
  if (media === undefined ? Number(headers['content-length'] ?? 0) > 0 : media !== JSON_MEDIA) {
    throw new UnsupportedMediaTypeException(`The content type is ${named(media)}: send no body, or ${JSON_MEDIA}.`);
  }
  refuseOtherCharset(request);
}

function named(media: string | undefined): string {
  return media === undefined ? 'missing' : shown(media);
}

/**
 * The revision that a request expects: `If-Match: "7"`, `If-Match: *` for a stream that exists, `If-None-Match: *` for
 * none. Any revision will do without.
 *
 * @throws {ValidationError} that names the header
 */
export function expectedRevisionOf({ headers }: HttpRequest): ExpectedRevision {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) {
    if (ifMatch !== undefined)
      throw new ValidationError('If-None-Match', 'there is an If-Match too: send one of them.');
    if (ifNoneMatch.trim() !== '*') throw new ValidationError('If-None-Match', `${shown(ifNoneMatch)} is not "*".`);
    return NO_STREAM;
  }
  if (ifMatch === undefined) return ANY;
  if (ifMatch.trim() === '*') return STREAM_EXISTS;
  const [, weak, revision] = /^\s*(W\/)?"(\d+)"\s*$/.exec(ifMatch) ?? [];
  if (weak !== undefined) {
    // By RFC 9110, 13.1.1, no weak tag matches here.
    const why = 'a proxy that compresses has weakened the ETag';
    throw new ValidationError('If-Match', `${shown(ifMatch)} is weak: ${why}; send the revision, as in "${revision}".`);
  }
  if (revision === undefined) {
    throw new ValidationError(
      'If-Match',
      `${shown(ifMatch)} is no revision: send one such as "7", with its quotation marks.`,
    );
  }
  return wholeNumber(revision, 'If-Match');
}

function checkedCount(
  body: unknown,
  { maxEventsPerAppend }: CheckedHttpOptions,
  toEvent: (value: unknown, field: string) => NewEvent,
): NewEvent | NewEvent[] {
  if (!Array.isArray(body)) return toEvent(body, '');
  if (body.length > maxEventsPerAppend) {
    throw new PayloadTooLargeException(
      `There are ${body.length} events: send at most ${maxEventsPerAppend} at a time.`,
    );
  }
  return body.map((event, index) => toEvent(event, `events[${index}]`));
}

function checkedEvent(value: unknown, field: string): NewEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ValidationError(field || 'event', `it is ${kindOf(value)}: give an object.`);
  }
  for (const name of Object.keys(value)) {
    if (EVENT_MEMBERS.includes(name)) continue;
    const place = field === '' ? '' : `${field}.`;
    throw new ValidationError(
      place + shortened(name),
      `an event has no such member: take ${EVENT_MEMBERS.join(', ')}.`,
    );
  }
  return value as NewEvent;
}

function cloudEventsOf(body: unknown, options: CheckedHttpOptions, media: string): NewEvent | NewEvent[] {
  if (media === CLOUD_EVENT_MEDIA) return fromCloudEvent(body, '');
  if (!Array.isArray(body)) throw new ValidationError('events', `it is ${kindOf(body)}: give an array.`);
  return checkedCount(body, options, fromCloudEvent);
}
