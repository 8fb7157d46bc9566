import { describe, expect, it } from '@jest/globals';
import { Module, type Provider } from '@nestjs/common';
import { EventStoreModule } from 'nestjs-stream-store';
import { EventStorePrometheusModule, type EventStorePrometheusOptions } from 'nestjs-stream-store/prometheus';
import { Counter, register, Registry } from 'prom-client';
import { startApp, startFailure } from '../support/servers/nest-app.js';
import { Scrape } from './scrape.js';

describe('the module', () => {
  it('uses the registry of prom-client when it is given none, and leaves it as it was at the end', async () => {
    const before = register.getMetricsAsArray().length;
    const app = await startApp({ imports: [EventStoreModule.forRoot(), EventStorePrometheusModule.forRoot()] });
    const { names } = await Scrape.from(register);
    await app.close();

    expect(names).toContain('event_store_up');
    expect(register.getMetricsAsArray()).toHaveLength(before);
    const next = await startApp({ imports: [EventStoreModule.forRoot(), EventStorePrometheusModule] });
    await next.close();
  });

  it.each<[string, Provider]>([
    ['a provider', { provide: 'DATABASE', useFactory: () => Promise.reject(new Error('no database yet')) }],
    ['a hook', { provide: 'DATABASE', useValue: { onModuleInit: () => Promise.reject(new Error('no database yet')) } }],
  ])('leaves nothing in the registry when %s fails at the start', async (_what, provider) => {
    const registry = new Registry();
    const imports = () => [EventStoreModule.forRoot(), EventStorePrometheusModule.forRoot({ registry })];

    expect(await startFailure({ imports: imports(), providers: [provider] })).toMatchObject({
      message: 'no database yet',
    });

    expect(registry.getMetricsAsArray()).toEqual([]);
    await startApp({ imports: imports() });
    expect((await Scrape.from(registry)).value('event_store_up')).toBe(1);
  });

  it('takes its options from elsewhere', async () => {
    const registry = new Registry();
    await startApp({
      imports: [
        EventStoreModule.forRoot(),
        EventStorePrometheusModule.forRootAsync({ useFactory: () => ({ registry, prefix: 'shop_events_' }) }),
      ],
    });

    const { names } = await Scrape.from(registry);
    expect(names).toContain('shop_events_up');
    expect(names.every((name) => name.startsWith('shop_events_'))).toBe(true);
  });

  it('lets two applications in one process measure beside each other', async () => {
    const registries = [new Registry(), new Registry()];
    for (const registry of registries) {
      await startApp({ imports: [EventStoreModule.forRoot(), EventStorePrometheusModule.forRoot({ registry })] });
    }

    for (const registry of registries) expect((await Scrape.from(registry)).value('event_store_up')).toBe(1);
  });

  it('serves OpenMetrics too, when the registry does', async () => {
    const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    await startApp({ imports: [EventStoreModule.forRoot(), EventStorePrometheusModule.forRoot({ registry })] });

    expect(await registry.metrics()).toMatch(/^# TYPE event_store_append_duration_seconds histogram$[^]*# EOF\n$/m);
  });

  const registry = new Registry();
  new Counter({ name: 'taken_appended_events_total', help: 'x', registers: [registry] });

  it.each<[string, unknown, string]>([
    ['a registry that is none', { registry: {} }, 'EventStorePrometheusModule.registry'],
    ['a registry that is null', { registry: null }, 'EventStorePrometheusModule.registry'],
    ['a registry that has the names', { registry, prefix: 'taken_' }, 'EventStorePrometheusModule.registry'],
    ['a prefix that no name can have', { prefix: 'my-app ' }, 'EventStorePrometheusModule.prefix'],
    ['an empty prefix', { prefix: '' }, 'EventStorePrometheusModule.prefix'],
    ['an option that it does not know', { labels: [] }, 'EventStorePrometheusModule.labels'],
  ])('refuses %s', async (_what, options, field) => {
    const prometheus = EventStorePrometheusModule.forRoot(options as EventStorePrometheusOptions);

    const failure = await startFailure({ imports: [EventStoreModule.forRoot(), prometheus] });

    expect(failure).toMatchObject({ code: 'VALIDATION_FAILED', field });
  });

  it('refuses an endpoint that is none', () => {
    const forRoot = (endpoint: unknown) => () => EventStorePrometheusModule.forRoot({ endpoint: endpoint as string });

    expect(forRoot({ route: 'x' })).toThrow(/EventStorePrometheusModule\.endpoint\.route/);
    expect(forRoot({ path: 5 })).toThrow(/EventStorePrometheusModule\.endpoint\.path/);
    expect(forRoot({ guards: class {} })).toThrow(/EventStorePrometheusModule\.endpoint\.guards/);
    expect(forRoot(true)).toThrow(/EventStorePrometheusModule\.endpoint/);
  });

  it('refuses an application without a store', async () => {
    @Module({ imports: [EventStorePrometheusModule.forRoot({ registry: new Registry() })] })
    class AppModule {}

    expect(await startFailure({ imports: [AppModule] })).toMatchObject({ field: 'EventStorePrometheusModule' });
  });
});
