import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';

const exporter = new InMemorySpanExporter();

/** Sets the SDK up for the tests of a file, as an application does before it starts. */
export function useTracing(): { spans: () => ReadableSpan[]; span: (name: string) => ReadableSpan } {
  beforeAll(() => {
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(
      new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
    );
  });
  afterEach(() => exporter.reset());
  afterAll(() => {
    trace.disable();
    context.disable();
    propagation.disable();
  });
  return {
    spans: () => exporter.getFinishedSpans(),
    span: (name) => {
      const named = exporter.getFinishedSpans().filter((span) => span.name === name);
      if (named.length !== 1) throw new Error(`${named.length} spans are named "${name}"`);
      return named[0];
    },
  };
}
