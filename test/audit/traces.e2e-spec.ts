import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { Test } from '@nestjs/testing';
import { EventStore, EventStoreModule, memoryEngine } from 'nestjs-stream-store';
import { AuditTrail, AuditTrailModule } from 'nestjs-stream-store/audit';
import { EventStoreOpenTelemetryModule } from 'nestjs-stream-store/opentelemetry';
import { Subject } from 'rxjs';
import { useTracing } from '../opentelemetry/telemetry.js';
import { aroundEngine } from '../support/engines/around-engine.js';
import { closedAfterTest } from '../support/servers/nest-app.js';

useTracing();

let answers = new Subject<string>();
let asked = 0;

@Controller('orders')
class OrdersController {
  @Get()
  all() {
    return 'all';
  }

  @Get('shared')
  shared() {
    asked++;
    return answers;
  }
}

describe('a record of the trail', () => {
  async function serve(hashChain: boolean) {
    // Records wait for each other while one is appended.
    const engine = aroundEngine(async (verb, ask) => {
      if (verb === 'append')
        for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
      return ask();
    }, memoryEngine());
    const testing = await Test.createTestingModule({
      imports: [
        EventStoreModule.forRoot({ engine }),
        EventStoreOpenTelemetryModule.forRoot({ metrics: false }),
        AuditTrailModule.forRoot({ hashChain }),
      ],
      controllers: [OrdersController],
    }).compile();
    const app = closedAfterTest(testing.createNestApplication());
    app.use(
      (request: IncomingMessage, response: { on(name: string, listener: () => void): void }, next: () => void) => {
        const caller = propagation.extract(ROOT_CONTEXT, request.headers);
        const span = trace.getTracer('http').startSpan('GET', {}, caller);
        response.on('finish', () => span.end());
        context.with(trace.setSpan(caller, span), next);
      },
    );
    await app.listen(0, '127.0.0.1');
    const url = `${await app.getUrl()}/orders`;
    const ask = (path: string, number: number) =>
      fetch(url + path, {
        headers: { traceparent: `00-${number.toString(16).padStart(32, 'a')}-${'b'.repeat(16)}-01` },
      });
    const traces = async () =>
      (await app.get(EventStore).readAll()).events.map(({ data, metadata }) => [
        (data as { correlationId: string }).correlationId,
        (metadata.traceparent as string).split('-')[1],
      ]);
    return { ask, traces, trail: app.get(AuditTrail) };
  }

  it.each([false, true])(
    'names the trace of its own request, however many come at a time (hash chain: %s)',
    async (hashChain) => {
      const { ask, traces, trail } = await serve(hashChain);
      await Promise.all(Array.from({ length: 20 }, (_, number) => ask('', number)));

      const found = await traces();
      expect(found).toHaveLength(20);
      // The correlation id is the trace that the request came with.
      expect(found.filter(([own, named]) => own !== named)).toEqual([]);
      if (hashChain) expect(await trail.verify()).toMatchObject({ isIntact: true, verified: 20 });
    },
  );

  it.each([false, true])(
    'does so when answers end in the context of another one (hash chain: %s)',
    async (hashChain) => {
      [answers, asked] = [new Subject(), 0];
      const { ask, traces } = await serve(hashChain);
      const calls = [1, 2, 3].map((number) => ask('/shared', number));
      while (asked < 3 || !answers.observed) await new Promise((resolve) => setImmediate(resolve));
      const other = trace.getTracer('http').startSpan('other', {}, ROOT_CONTEXT);
      context.with(trace.setSpan(ROOT_CONTEXT, other), () => {
        answers.next('done');
        answers.complete();
      });
      await Promise.all(calls);

      const found = await traces();
      expect(found).toHaveLength(3);
      expect(found.filter(([own, named]) => own !== named)).toEqual([]);
    },
  );
});
