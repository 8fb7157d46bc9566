import type { Context, TextMapGetter } from '@opentelemetry/api';
import type { RecordedEvent } from '../store/values/event.js';
import { openTelemetry } from './api.js';

/**
 * What the metadata of an event has to say so that its handlers can find the trace: `traceparent` and `tracestate`, with the
 * propagator that most applications have; undefined when there is no trace.
 */
export function metadataOf(context: Context): Readonly<Record<string, string>> | undefined {
  const fields: Record<string, string> = {};
  openTelemetry.propagation.inject(context, fields);
  // What a caller sends along with a call, such as the name of a user, is not meant to be kept for ever.
  delete fields.baggage;
  return Object.keys(fields).length === 0 ? undefined : fields;
}

/** A context like `context`, with the trace that the event's metadata names, if they name one. */
export function withTraceOf({ metadata }: RecordedEvent, context: Context): Context {
  return openTelemetry.propagation.extract(context, metadata, TEXTS);
}

type Metadata = RecordedEvent['metadata'];

/** Metadata are of whoever appended: a propagator gets texts only. */
const TEXTS: TextMapGetter<Metadata> = {
  keys: (metadata) => Object.keys(metadata).filter((name) => name !== 'baggage'),
  get: (metadata, name) => {
    const value = name !== 'baggage' && Object.hasOwn(metadata, name) ? metadata[name] : undefined;
    return typeof value === 'string' ? value : undefined;
  },
};
