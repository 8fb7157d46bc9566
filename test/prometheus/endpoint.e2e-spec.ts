import { describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  Module,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { EventStore, EventStoreModule } from 'nestjs-stream-store';
import { EventStorePrometheusModule, type MetricsEndpoint } from 'nestjs-stream-store/prometheus';
import { Registry } from 'prom-client';
import { map, of, tap } from 'rxjs';
import { closedAfterTest } from '../support/servers/nest-app.js';
import { Scrape } from './scrape.js';

@Injectable()
class TokenGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return headers.authorization === 'Bearer secret';
  }
}

@Module({ providers: [{ provide: 'KEY', useValue: 'key' }], exports: ['KEY'] })
class KeysModule {}

@Injectable()
class KeyGuard implements CanActivate {
  constructor(@Inject('KEY') private readonly key: string) {}

  canActivate(context: ExecutionContext): boolean {
    return context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers.authorization === this.key;
  }
}

/** Answers as before, as a cache does. */
function keeping(): NestInterceptor {
  let kept: unknown;
  return {
    intercept: (_context, next) =>
      kept === undefined ? next.handle().pipe(tap((answer: unknown) => (kept = answer))) : of(kept),
  };
}

let appended: (() => Promise<unknown>) | undefined;

describe.each(['express', 'fastify'])('the endpoint on %s', (platform) => {
  async function serve(
    endpoint?: MetricsEndpoint | string,
    { imports, interceptor }: { imports?: Type[]; interceptor?: NestInterceptor } = {},
  ) {
    const registry = new Registry();
    const testing = await Test.createTestingModule({
      imports: [EventStoreModule.forRoot(), EventStorePrometheusModule.forRoot({ registry, endpoint, imports })],
    }).compile();
    const app =
      platform === 'fastify' ? testing.createNestApplication(new FastifyAdapter()) : testing.createNestApplication();
    closedAfterTest(app);
    if (interceptor) app.useGlobalInterceptors(interceptor);
    await app.listen(0, '127.0.0.1');
    appended = () => app.get(EventStore).append('a', { type: 't' });
    await appended();
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

  it.each(['in the endpoint', 'beside it'])('has guards that inject, from modules that are given %s', async (place) => {
    const imports = [KeysModule];
    const endpoint = { path: 'metrics', guards: [KeyGuard] };
    const url = await serve(
      place === 'beside it' ? endpoint : { ...endpoint, imports },
      place === 'beside it' ? { imports } : {},
    );

    expect((await fetch(`${url}/metrics`)).status).toBe(403);
    expect((await fetch(`${url}/metrics`, { headers: { authorization: 'key' } })).status).toBe(200);
  });

  it.each<[string, NestInterceptor]>([
    ['wraps answers', { intercept: (_context, next) => next.handle().pipe(map((data: unknown) => ({ data }))) }],
    ['keeps answers', keeping()],
  ])('answers with metrics as they are now past an interceptor that %s', async (_what, interceptor) => {
    const url = await serve('metrics', { interceptor });
    const scrape = async () => {
      const answer = await fetch(`${url}/metrics`);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, Registry.PROMETHEUS_CONTENT_TYPE]);
      return Scrape.of(await answer.text()).value('event_store_events');
    };

    expect(await scrape()).toBe(1);
    await appended!();
    expect(await scrape()).toBe(2);
  });
});
