import type { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable, type NestMiddleware } from '@nestjs/common';
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';

const exporter = new InMemorySpanExporter();

/** Sets the SDK up; an application would rather send its spans somewhere. To be called before the application starts. */
export function startTracing(): void {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
}

/** Stands in for the instrumentation of HTTP that an application would use. Without an SDK it does nothing. */
@Injectable()
export class RequestSpans implements NestMiddleware {
  use(request: IncomingMessage & { originalUrl: string }, response: ServerResponse, next: () => void): void {
    const caller = propagation.extract(context.active(), request.headers);
    const name = `${request.method} ${request.originalUrl}`;
    const span = trace.getTracer('sample').startSpan(name, { kind: SpanKind.SERVER }, caller);
    response.on('finish', () => span.end());
    context.with(trace.setSpan(caller, span), next);
  }
}

/** The spans of the request with this name and of all that came of it, one a line. */
export function describeTrace(request: string): string {
  const spans = [...exporter.getFinishedSpans()].sort((a, b) => nanoseconds(a.startTime) - nanoseconds(b.startTime));
  const below = (parentId: string | undefined, depth: number): string[] =>
    spans
      .filter(({ name, parentSpanContext }) =>
        depth === 0 ? name === request : parentSpanContext?.spanId === parentId,
      )
      .flatMap((span) => {
        const failed = span.status.code === SpanStatusCode.ERROR ? `: ${span.status.message}` : '';
        return [`${'  '.repeat(depth + 1)}${span.name}${failed}`, ...below(span.spanContext().spanId, depth + 1)];
      });
  return below(undefined, 0).join('\n');
}

function nanoseconds([seconds, nanos]: [number, number]): number {
  return seconds * 1e9 + nanos;
}
