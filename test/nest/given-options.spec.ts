import { describe, expect, it } from '@jest/globals';
import { EventEmitterModule } from '@nestjs/event-emitter';
import type { DynamicModule } from '@nestjs/common';
import { EventStoreModule } from 'nestjs-stream-store';
import { AuditTrailModule } from 'nestjs-stream-store/audit';
import { EventEmitterBridgeModule } from 'nestjs-stream-store/event-emitter';
import { EventStoreHttpModule } from 'nestjs-stream-store/http';
import { EventStoreOpenTelemetryModule } from 'nestjs-stream-store/opentelemetry';
import { EventStorePrometheusModule } from 'nestjs-stream-store/prometheus';
import { startApp, startFailure } from '../support/servers/nest-app.js';

type Source = { useFactory: () => never } | { useClass: new () => never };

const MODULES: Record<string, (source: Source) => DynamicModule> = {
  'EventStoreModule.forRootAsync': (source) => EventStoreModule.forRootAsync({ name: 'another', ...source }),
  'AuditTrailModule.forRootAsync': (source) => AuditTrailModule.forRootAsync(source),
  'AuditTrailModule.registerAsync': (source) => AuditTrailModule.registerAsync(source),
  'EventEmitterBridgeModule.registerAsync': (source) => EventEmitterBridgeModule.registerAsync(source),
  'EventStoreHttpModule.registerAsync': (source) => EventStoreHttpModule.registerAsync({ public: true, ...source }),
  'EventStoreOpenTelemetryModule.forRootAsync': (source) => EventStoreOpenTelemetryModule.forRootAsync(source),
  'EventStorePrometheusModule.forRootAsync': (source) => EventStorePrometheusModule.forRootAsync(source),
};

/** A class that has every method that a module may call for its options. */
function optionsClassThat(gives: () => unknown): new () => never {
  class Options {}
  return new Proxy(Options, {
    construct: () => new Proxy({}, { get: (_, name) => (/^create\w+Options$/.test(String(name)) ? gives : undefined) }),
  }) as unknown as new () => never;
}

const imports = [EventEmitterModule.forRoot(), EventStoreModule.forRoot()];

describe.each(Object.entries(MODULES))('%s', (name, module) => {
  it.each<[string, Source]>([
    ['a factory that gives nothing', { useFactory: () => undefined as never }],
    ['a factory that gives a promise of nothing', { useFactory: () => Promise.resolve() as never }],
    ['a factory that gives null', { useFactory: () => null as never }],
    ['a class that gives nothing', { useClass: optionsClassThat(() => undefined) }],
    ['a class that gives a promise of nothing', { useClass: optionsClassThat(() => Promise.resolve()) }],
  ])('refuses %s, by the name of the module', async (_what, source) => {
    const failure = await startFailure({ imports: [...imports, module(source)] });

    expect(failure).toMatchObject({ code: 'VALIDATION_FAILED', field: name.split('.')[0] });
  });
});

it('a factory that gives {} gets the defaults', async () => {
  const nothing = { useFactory: () => ({}) };

  await startApp({
    imports: [
      ...imports,
      EventStoreModule.forRootAsync({ name: 'another', ...nothing }),
      AuditTrailModule.forRootAsync(nothing),
      EventStoreHttpModule.registerAsync({ public: true, ...nothing }),
      EventStoreOpenTelemetryModule.forRootAsync(nothing),
      EventStorePrometheusModule.forRootAsync(nothing),
    ],
  });
});
