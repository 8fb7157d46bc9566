import type { Type } from '@nestjs/common';
import { AppendController } from '../controllers/append.controller.js';
import { EventsController } from '../controllers/events.controller.js';
import {
  CLOUD_EVENT_BATCH_MEDIA,
  CLOUD_EVENT_MEDIA,
  JSON_MEDIA,
  NDJSON_MEDIA,
  SSE_MEDIA,
} from '../request/media-types.js';
import {
  appendResultSchema,
  cloudEventBatchSchema,
  cloudEventSchema,
  countSchema,
  deadLetterListSchema,
  eventPageSchema,
  eventSchema,
  snapshotSchema,
  statsSchema,
  streamListSchema,
  streamPageSchema,
  streamSchema,
  subscriptionListSchema,
  textSchema,
  timeSchema,
  type Schema,
} from './open-api-schemas.js';
import { OperationsController } from '../controllers/operations.controller.js';
import { OperationsWriteController } from '../controllers/operations-write.controller.js';
import { StreamsController } from '../controllers/streams.controller.js';

/** What a document says of one endpoint. */
export interface EndpointDescription {
  readonly summary: string;
  readonly description?: string;
  /** The parts of the path. */
  readonly path?: readonly string[];
  /** The names of query parameters and headers. */
  readonly takes?: readonly (keyof typeof PARAMETERS)[];
  /** What it answers, by status and media type; nothing for a status without a body. */
  readonly answers: Readonly<Record<number, Readonly<Record<string, Schema>>>>;
  /** Which problems it answers with. */
  readonly problems?: readonly number[];
  /** The media types of the body. */
  readonly takesBodyOf?: readonly string[];
  readonly hasEtag?: boolean;
}

export interface Parameter {
  readonly place: 'query' | 'header';
  readonly name: string;
  readonly schema: Schema;
  /** What it is for. */
  readonly description: string;
}

const query = (name: string, schema: Schema, description: string): Parameter => ({
  place: 'query',
  name,
  schema,
  description,
});
const header = (name: string, schema: Schema, description: string): Parameter => ({
  place: 'header',
  name,
  schema,
  description,
});

/** Query parameters and headers. */
export const PARAMETERS = {
  after: query('after', countSchema, 'Begins after this position, in the direction of reading.'),
  afterStream: query('after', textSchema, 'Only streams that are sorted after this one.'),
  direction: query('direction', { type: 'string', enum: ['forward', 'backward'] }, 'Default forward.'),
  limit: query('limit', { type: 'integer', minimum: 1 }, 'At most so many. Default 100; as lines, all.'),
  type: query('type', { type: 'array', items: textSchema }, 'Only these types; patterns such as order.* too.'),
  stream: query('stream', textSchema, 'Only this stream.'),
  streams: query('streams', textSchema, 'Only the streams that fit a pattern such as order-*.'),
  from: query('from', timeSchema, 'What happened since then, inclusive; in the order of time.'),
  to: query('to', timeSchema, 'What happened until then, inclusive; in the order of time.'),
  prefix: query('prefix', textSchema, 'Only streams whose id begins with it.'),
  afterLetter: query('after', textSchema, 'What `next` of the page before says.'),
  error: query('error', textSchema, 'A part of the name or the message of the error.'),
  failedFrom: query('from', timeSchema, 'Dead-lettered at this time or later.'),
  failedTo: query('to', timeSchema, 'Dead-lettered before this time.'),
  subscription: query('subscription', textSchema, 'Only those of this handler.'),
  lastEventId: header(
    'Last-Event-ID',
    textSchema,
    'The id of the last event that a live client got, such as 42-0y3k9qa, or 42.',
  ),
  ifMatch: header('If-Match', textSchema, 'The revision the stream must be at, such as "7"; * for any but none.'),
  ifNoneMatch: header('If-None-Match', textSchema, '* when the stream must not exist.'),
};

const LINES: Schema = { type: 'string', description: 'One event a line.' };
const PROGRESS: Schema = {
  type: 'string',
  description: 'How far it is, as a JSON object a line: total, done, failed, skipped, isDone.',
};
const LIVE: Schema = { type: 'string', description: 'Server-sent events; the id of each is its position.' };

const DEAD_LETTER_FILTER = ['subscription', 'error', 'failedFrom', 'failedTo', 'stream'] as const;
const DEALING_WITH_ALL = {
  takes: DEAD_LETTER_FILTER,
  answers: { 200: { [NDJSON_MEDIA]: PROGRESS } },
  problems: [400],
};

/** By controller and method. */
export const ENDPOINTS: readonly (readonly [Type, string, EndpointDescription])[] = [
  [
    StreamsController,
    'listStreams',
    {
      summary: 'The streams that hold events, sorted by id',
      takes: ['prefix', 'afterStream', 'limit'],
      answers: { 200: { [JSON_MEDIA]: streamListSchema } },
      problems: [400],
    },
  ],
  [
    StreamsController,
    'describeStream',
    {
      summary: 'What is kept of a stream',
      hasEtag: true,
      path: ['streamId'],
      answers: { 200: { [JSON_MEDIA]: streamSchema }, 304: {} },
      problems: [400, 404],
    },
  ],
  [
    StreamsController,
    'readStream',
    {
      summary: 'The events of a stream',
      hasEtag: true,
      description: 'A page of them, all of them as lines, or live: history first, then every event as it is appended.',
      path: ['streamId'],
      takes: ['after', 'direction', 'limit', 'type', 'lastEventId'],
      answers: {
        200: {
          [JSON_MEDIA]: streamPageSchema,
          [NDJSON_MEDIA]: LINES,
          [SSE_MEDIA]: LIVE,
          [CLOUD_EVENT_BATCH_MEDIA]: cloudEventBatchSchema,
        },
      },
      problems: [400, 404, 406, 503],
    },
  ],
  [
    StreamsController,
    'readEvent',
    {
      summary: 'One event',
      path: ['streamId', 'position'],
      answers: { 200: { [JSON_MEDIA]: eventSchema, [CLOUD_EVENT_MEDIA]: cloudEventSchema } },
      problems: [400, 404, 406],
    },
  ],
  [
    EventsController,
    'readEvents',
    {
      summary: 'The events of all streams',
      description: 'In the order they were recorded, or, with from or to, in the order of time; live in the former.',
      takes: ['after', 'direction', 'from', 'to', 'limit', 'stream', 'streams', 'type', 'lastEventId'],
      answers: {
        200: {
          [JSON_MEDIA]: eventPageSchema,
          [NDJSON_MEDIA]: LINES,
          [SSE_MEDIA]: LIVE,
          [CLOUD_EVENT_BATCH_MEDIA]: cloudEventBatchSchema,
        },
      },
      problems: [400, 406, 410, 503],
    },
  ],
  [
    OperationsController,
    'readStats',
    { summary: 'What the store has done and holds', answers: { 200: { [JSON_MEDIA]: statsSchema } } },
  ],
  [
    OperationsController,
    'listSubscriptions',
    { summary: 'How the handlers are doing', answers: { 200: { [JSON_MEDIA]: subscriptionListSchema } } },
  ],
  [
    OperationsController,
    'listDeadLetters',
    {
      summary: 'The events that handlers could not handle',
      takes: [...DEAD_LETTER_FILTER, 'afterLetter', 'limit'],
      answers: { 200: { [JSON_MEDIA]: deadLetterListSchema } },
      problems: [400],
    },
  ],
  [
    AppendController,
    'append',
    {
      summary: 'Appends events to a stream, all of them or none',
      path: ['streamId'],
      takes: ['ifMatch', 'ifNoneMatch'],
      takesBodyOf: [JSON_MEDIA, CLOUD_EVENT_MEDIA, CLOUD_EVENT_BATCH_MEDIA],
      hasEtag: true,
      answers: { 201: { [JSON_MEDIA]: appendResultSchema }, 200: { [JSON_MEDIA]: appendResultSchema } },
      problems: [400, 409, 412, 413, 415],
    },
  ],
  [
    OperationsWriteController,
    'writeSnapshot',
    { summary: 'Has a snapshot written', answers: { 201: { [JSON_MEDIA]: snapshotSchema } }, problems: [501] },
  ],
  [
    OperationsWriteController,
    'retryDeadLetter',
    {
      summary: 'Hands an event to its handler once more',
      path: ['id'],
      answers: { 204: {} },
      problems: [400, 404, 409, 504],
    },
  ],
  [
    OperationsWriteController,
    'retryDeadLetters',
    {
      summary: 'Hands the events of all dead letters that match to their handlers once more, and tells how far it is',
      ...DEALING_WITH_ALL,
    },
  ],
  [
    OperationsWriteController,
    'discardDeadLetters',
    {
      summary: 'Gives all dead letters up that match, and tells how far it is',
      ...DEALING_WITH_ALL,
    },
  ],
  [
    OperationsWriteController,
    'discardDeadLetter',
    { summary: 'Gives an event up', path: ['id'], answers: { 204: {} }, problems: [400, 404, 409] },
  ],
];
