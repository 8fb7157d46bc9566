import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api';
import { EventStoreError } from '../store/values/errors.js';
import type { AppendCall, HandlerCall, Instrumentation } from '../store/ports/instrumentation.js';
import { openTelemetry } from './api.js';
import {
  ATTR_EVENT_POSITION,
  ATTR_EVENT_TYPE,
  ATTR_HANDLER_ATTEMPT,
  ATTR_STORE_NAME,
  SYSTEM_NAME,
} from './event-store-conventions.js';
import { checkOpenTelemetryOptions, type TracingOptions } from './event-store-opentelemetry-options.js';
import * as conventions from './semantic-conventions.js';
import { metadataOf, withTraceOf } from './trace-metadata.js';

const { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = openTelemetry;

/**
 * Traces appends and handler calls: the `instrumentation` of a store outside of Nest. Inside, import
 * `EventStoreOpenTelemetryModule`.
 *
 * An append is a span of the kind PRODUCER, a child of the one that is active. Its `traceparent` is kept in the metadata of
 * the events, so that each attempt of a handler, a span of the kind CONSUMER, finds its way to the same trace, in another
 * process or another year.
 *
 * @throws {ValidationError} that names the option
 */
export function openTelemetryTracing(options: TracingOptions = {}): Instrumentation {
  const { tracerProvider = trace, handlerTrace, streamCategory = categoryOf } = checkOpenTelemetryOptions(options);
  const tracer = tracerProvider.getTracer(SYSTEM_NAME);
  return new Tracing(tracer, handlerTrace === 'own', streamCategory);
}

class Tracing implements Instrumentation {
  constructor(
    private readonly tracer: Tracer,
    private readonly handlersHaveOwnTrace: boolean,
    private readonly categoryOf: (streamId: string) => string | undefined,
  ) {}

  aroundAppend({ store, streamId, events }: AppendCall, call: (metadata?: Record<string, string>) => Promise<unknown>) {
    const category = this.categoryOf(String(streamId));
    const attributes = {
      [conventions.ATTR_MESSAGING_OPERATION_NAME]: 'append',
      [conventions.ATTR_MESSAGING_OPERATION_TYPE]: conventions.MESSAGING_OPERATION_TYPE_VALUE_SEND,
      ...aboutStream(store, String(streamId), category),
      ...(events !== 1 && { [conventions.ATTR_MESSAGING_BATCH_MESSAGE_COUNT]: events }),
    };
    const name = category === undefined ? 'append' : `append ${category}`;
    const active = context.active();
    const span = this.tracer.startSpan(name, { kind: SpanKind.PRODUCER, attributes }, active);
    const within = trace.setSpan(active, span);
    endWith(
      span,
      context.with(within, () => call(metadataOf(within))),
    );
  }

  aroundHandler({ store, handler, attempt, event }: HandlerCall, call: () => Promise<void>) {
    const { id, streamId, type, position } = event;
    const attributes = {
      [conventions.ATTR_MESSAGING_OPERATION_NAME]: 'process',
      [conventions.ATTR_MESSAGING_OPERATION_TYPE]: conventions.MESSAGING_OPERATION_TYPE_VALUE_PROCESS,
      ...aboutStream(store, streamId, this.categoryOf(streamId)),
      [conventions.ATTR_MESSAGING_MESSAGE_ID]: id,
      [conventions.ATTR_MESSAGING_CONSUMER_GROUP_NAME]: handler,
      [ATTR_EVENT_TYPE]: type,
      [ATTR_EVENT_POSITION]: position,
      [ATTR_HANDLER_ATTEMPT]: attempt,
    };
    // Not the active context: whoever has woken the handler up need not be who appended the event.
    const ofEvent = withTraceOf(event, ROOT_CONTEXT);
    const appended = trace.getSpanContext(ofEvent);
    const links = appended ? [{ context: appended }] : [];
    const parent: Context = this.handlersHaveOwnTrace ? ROOT_CONTEXT : ofEvent;
    const span = this.tracer.startSpan(`process ${handler}`, { kind: SpanKind.CONSUMER, attributes, links }, parent);
    endWith(span, context.with(trace.setSpan(parent, span), call));
  }
}

function aboutStream(store: string, streamId: string, category: string | undefined): Attributes {
  return {
    [conventions.ATTR_MESSAGING_SYSTEM_NAME]: SYSTEM_NAME,
    [ATTR_STORE_NAME]: store,
    [conventions.ATTR_MESSAGING_DESTINATION_NAME]: streamId,
    ...(category !== undefined && { [conventions.ATTR_MESSAGING_DESTINATION_TEMPLATE]: category }),
  };
}

function endWith(span: Span, call: Promise<unknown>): void {
  call.then(
    () => span.end(),
    (error: unknown) => {
      const failure = error instanceof Error ? error : new Error(String(error));
      span.recordException(failure);
      span.setAttribute(conventions.ATTR_ERROR_TYPE, error instanceof EventStoreError ? error.code : failure.name);
      span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
      span.end();
    },
  );
}

/** An id without a hyphen, or one that begins like a UUID, says nothing about its kind. */
function categoryOf(streamId: string): string | undefined {
  return /^(\D+?)-/.exec(streamId)?.[1];
}
