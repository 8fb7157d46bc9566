import { describe, expect, it } from '@jest/globals';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { EventStore, EventStoreModule } from 'nestjs-stream-store';
import { EventStorePrometheusModule, type MetricsEndpoint } from 'nestjs-stream-store/prometheus';
import { Registry } from 'prom-client';
import { closedAfterTest } from '../support/nest-app.js';
import { Scrape } from './scrape.js';

@Injectable()
class TokenGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return headers.authorization === 'Bearer secret';
  }
}

describe.each(['express', 'fastify'])('the endpoint on %s', (platform) => {
  async function serve(endpoint?: MetricsEndpoint | string) {
    const registry = new Registry();
    const testing = await Test.createTestingModule({
      imports: [EventStoreModule.forRoot(), EventStorePrometheusModule.forRoot({ registry, endpoint })],
    }).compile();
    const app =
      platform === 'fastify' ? testing.createNestApplication(new FastifyAdapter()) : testing.createNestApplication();
    closedAfterTest(app);
    await app.listen(0, '127.0.0.1');
    await app.get(EventStore).append('a', { type: 't' });
    return app.getUrl();
  }

  it('is not there unless it is asked for', async () => {
    const url = await serve();

    expect((await fetch(`${url}/metrics`)).status).toBe(404);
  });

  it('answers with the metrics, in the type that Prometheus asks for', async () => {
    const url = await serve('metrics');

    const answer = await fetch(`${url}/metrics`);

    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, Registry.PROMETHEUS_CONTENT_TYPE]);
    expect(Scrape.of(await answer.text()).value('event_store_events')).toBe(1);
  });

  it('has the guards that it is given', async () => {
    const url = await serve({ path: 'internal/metrics', guards: [TokenGuard] });

    const refused = await fetch(`${url}/internal/metrics`);
    const allowed = await fetch(`${url}/internal/metrics`, { headers: { authorization: 'Bearer secret' } });

    expect([refused.status, allowed.status]).toEqual([403, 200]);
    expect(await refused.text()).not.toContain('event_store');
  });
});
