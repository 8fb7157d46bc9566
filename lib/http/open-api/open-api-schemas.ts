// The shapes of what goes in and out, as OpenAPI 3.0 and 3.1 both understand them.

/** Part of a JSON Schema. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

const text: Schema = { type: 'string' };
const time: Schema = { type: 'string', format: 'date-time' };
const count: Schema = { type: 'integer', minimum: 0 };
const bool: Schema = { type: 'boolean' };
const anyJson: Schema = {};
const anyObject: Schema = { type: 'object', additionalProperties: true };
const orNull = (schema: Schema): Schema => ({ ...schema, nullable: true });

/** An object that has exactly these members, and all of them. */
function object(properties: Readonly<Record<string, Schema>>): Schema {
  return { type: 'object', required: Object.keys(properties), properties };
}

function list(items: Schema): Schema {
  return { type: 'array', items };
}

export const eventSchema = object({
  id: text,
  type: text,
  data: anyJson,
  metadata: anyObject,
  timestamp: time,
  streamId: text,
  position: { type: 'integer', minimum: 1 },
  globalPosition: { type: 'integer', minimum: 1 },
  recordedAt: time,
  schemaVersion: { type: 'integer', minimum: 1 },
});

const next = { ...orNull(text), description: 'The query of the next page; null when there is none.' };

export const eventPageSchema = object({ events: list(eventSchema), next });

export const streamPageSchema = object({ streamId: text, revision: count, events: list(eventSchema), next });

export const streamSchema = object({
  streamId: text,
  eventCount: count,
  firstEvent: orNull(time),
  lastEvent: orNull(time),
  firstPosition: count,
  lastPosition: count,
});

export const streamListSchema = object({ streams: list(streamSchema), next });

const newEvent: Schema = {
  type: 'object',
  required: ['type'],
  additionalProperties: false,
  properties: { type: text, data: anyJson, id: text, timestamp: time, metadata: anyObject },
};

export const appendResultSchema: Schema = {
  ...object({ streamId: text, revision: count, firstPosition: count, globalPosition: count, count }),
  // All that is told to who may write to the stream and not read it.
  required: ['streamId', 'count'],
};

export const cloudEventSchema: Schema = {
  type: 'object',
  required: ['specversion', 'id', 'source', 'type'],
  properties: {
    specversion: { type: 'string', enum: ['1.0'] },
    ...{ id: text, source: text, type: text, time, subject: text, datacontenttype: text, dataschema: text },
    data: anyJson,
  },
  additionalProperties: true,
};

export const cloudEventBatchSchema = list(cloudEventSchema);

/** Swagger has one schema for all media types of a body. */
export const appendSchema: Schema = { anyOf: [newEvent, list(newEvent), cloudEventSchema, cloudEventBatchSchema] };

export const statsSchema = object({
  store: text,
  readOnly: bool,
  totalEvents: count,
  totalStreams: count,
  eventsAppended: count,
  eventsRead: count,
  eventsExpired: count,
  subscriptionsActive: count,
  snapshotsCreated: count,
  memoryUsageBytes: count,
  deadLetters: count,
  liveClients: count,
});

const error = object({ name: text, message: text });

export const subscriptionListSchema = object({
  subscriptions: list(
    object({
      ...{ name: text, store: text, isDurable: bool, state: text },
      ...{ position: count, lag: count, failures: count },
      lastError: orNull(error),
    }),
  ),
});

export const deadLetterListSchema = object({
  deadLetters: list(
    object({
      ...{ id: text, subscription: text, event: eventSchema, error, attempts: count, failedAt: time },
      isParked: bool,
    }),
  ),
  next: orNull(text),
});

export const snapshotSchema = object({ id: text, createdAt: time, events: count, streams: count, bytes: count });

export const problemSchema: Schema = {
  ...object({ type: text, title: text, status: count, detail: text, code: text }),
  additionalProperties: true,
};

export const textSchema = text;
export const countSchema = count;
export const timeSchema = time;
