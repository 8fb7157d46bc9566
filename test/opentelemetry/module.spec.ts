import { describe, expect, it } from '@jest/globals';
import { EventStore, EventStoreModule } from 'nestjs-stream-store';
import { EventStoreOpenTelemetryModule, type EventStoreOpenTelemetryOptions } from 'nestjs-stream-store/opentelemetry';
import { startApp, startFailure } from '../support/servers/nest-app.js';

describe('the module', () => {
  it('does nothing as long as no SDK is registered', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot(), EventStoreOpenTelemetryModule] });
    await app.get(EventStore).append('order-1', { type: 'a' });

    expect((await app.get(EventStore).readStream('order-1'))[0].metadata).toEqual({});
  });

  it('takes its options from elsewhere', async () => {
    const telemetry = EventStoreOpenTelemetryModule.forRootAsync({
      useFactory: () => ({ handlerTrace: 'never' as 'own' }),
    });

    const failure = await startFailure({ imports: [EventStoreModule.forRoot(), telemetry] });

    expect(failure).toMatchObject({ field: 'EventStoreOpenTelemetryModule.handlerTrace' });
  });

  it.each<[string, unknown, string]>([
    ['traces that are no choice', { traces: 'yes' }, 'traces'],
    ['metrics that are no choice', { metrics: 1 }, 'metrics'],
    ['a trace for handlers that there is not', { handlerTrace: 'new' }, 'handlerTrace'],
    ['a category that is no function', { streamCategory: 'order' }, 'streamCategory'],
    ['a tracer provider that is none', { tracerProvider: {} }, 'tracerProvider'],
    ['a meter provider that is none', { meterProvider: null }, 'meterProvider'],
    ['an option that it does not know', { sampler: 1 }, 'sampler'],
  ])('refuses %s', async (_what, options, field) => {
    const telemetry = EventStoreOpenTelemetryModule.forRoot(options as EventStoreOpenTelemetryOptions);

    const failure = await startFailure({ imports: [EventStoreModule.forRoot(), telemetry] });

    expect(failure).toMatchObject({ code: 'VALIDATION_FAILED', field: `EventStoreOpenTelemetryModule.${field}` });
  });

  it('refuses an application without a store', async () => {
    const failure = await startFailure({ imports: [EventStoreOpenTelemetryModule.forRoot()] });

    expect(failure).toMatchObject({ field: 'EventStoreOpenTelemetryModule' });
  });

  it('refuses a store that is traced already', async () => {
    const imports = [EventStoreModule.forRoot({ instrumentation: {} }), EventStoreOpenTelemetryModule.forRoot()];

    expect(await startFailure({ imports })).toMatchObject({ field: 'instrumentation' });
  });
});
