import { describe, expect, it } from '@jest/globals';
import { metrics as api, type Meter, type MetricOptions } from '@opentelemetry/api';
import { EventStoreModule } from 'nestjs-stream-store';
import { EventStoreOpenTelemetryModule } from 'nestjs-stream-store/opentelemetry';
import { readPage } from '../docs/markdown.js';
import { startApp } from '../support/servers/nest-app.js';

const KINDS: Readonly<Record<string, string>> = {
  createHistogram: 'histogram',
  createCounter: 'counter',
  createObservableGauge: 'gauge',
  createObservableCounter: 'observable counter',
};

describe('the table of docs/metrics.md', () => {
  it('has every metric for OpenTelemetry, with its kind and its unit', async () => {
    const made: string[][] = [];
    const noop = api.getMeter('none');
    const meter = new Proxy(noop, {
      get: (target, method: keyof Meter) => {
        if (!(method in KINDS)) return target[method].bind(target);
        return (name: string, options: MetricOptions) => {
          made.push([name, KINDS[method], options.unit!]);
          return target[method as 'createCounter'](name, options);
        };
      },
    });
    const telemetry = EventStoreOpenTelemetryModule.forRoot({ meterProvider: { getMeter: () => meter } });
    await startApp({ imports: [EventStoreModule.forRoot(), telemetry] });

    const rows = readPage('docs/metrics.md')
      .text.split('\n')
      .filter((line) => /^\| `(messaging|event_store)\./.test(line))
      .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
      .map(([, name, kind, unit]) => [name, kind, unit]);
    expect(rows.sort()).toEqual(made.sort());
  });
});
