import { describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  Module,
  UseFilters,
  VersioningType,
  type CanActivate,
  type ExecutionContext,
  type MiddlewareConsumer,
} from '@nestjs/common';
import { EventStore, memoryEngine, StorageUnavailableError } from 'nestjs-stream-store';
import { EventStoreExceptionFilter } from 'nestjs-stream-store/http';
import { aroundEngine } from '../support/engines/around-engine.js';
import { ADAPTERS, startHttpApp } from './http-app.js';
import { SseClient } from './sse-client.js';

/** As the package http-errors makes them. */
const errorOf = (status: number): Error =>
  Object.assign(new Error('Not you.'), { status, statusCode: status, expose: true });

const refusing: CanActivate = {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    if (headers['x-guard']) throw errorOf(Number(headers['x-guard']));
    return true;
  },
};

@Module({})
class Refusals {
  configure(consumer: MiddlewareConsumer): void {
    consumer
      .apply((request: { headers: Record<string, string> }, _response: unknown, next: (error?: unknown) => void) => {
        const status = request.headers['x-middleware'];
        next(status === undefined ? undefined : errorOf(Number(status)));
      })
      .forRoutes('*path');
  }
}

@Injectable()
@Controller('own')
@UseFilters(EventStoreExceptionFilter)
class Own {
  constructor(private readonly store: EventStore) {}

  @Get('conflict')
  conflict() {
    return this.store.append('s', { type: 't' }, { expectedRevision: 7 });
  }

  @Get('missing')
  missing() {
    return this.store.readStream('nothing');
  }

  @Get('invalid')
  invalid() {
    return this.store.append('', { type: 't' });
  }

  @Get('away')
  away() {
    throw new StorageUnavailableError('PostgreSQL', true, new Error('ECONNREFUSED db.internal'));
  }

  @Get('busy')
  busy() {
    const headers = { 'Retry-After': '30' };
    throw Object.assign(new StorageUnavailableError('PostgreSQL', false, new Error('too many clients')), { headers });
  }

  @Get('other')
  other() {
    throw new Error('something else');
  }
}

describe.each(ADAPTERS)('on %s', (adapter) => {
  it.each(['x-middleware', 'x-guard'])('an error of %s with a status of its own keeps it', async (place) => {
    const { get } = await startHttpApp(adapter, { http: { guards: [refusing] }, imports: [Refusals] });
    for (const status of [400, 401, 403, 404, 429, 503]) {
      const answer = await get('/streams', { [place]: String(status) });
      expect([answer.status, answer.headers['content-type'], answer.json.status, answer.json.detail]).toEqual([
        status,
        'application/problem+json; charset=utf-8',
        status,
        'Not you.',
      ]);
    }
  });

  it.each([
    { type: VersioningType.HEADER as const, header: 'x-api-version', defaultVersion: '1' },
    { type: VersioningType.MEDIA_TYPE as const, key: 'v=', defaultVersion: '1' },
    { type: VersioningType.URI as const, defaultVersion: '1' },
  ])('endpoints, page and events stay where they are, whatever version routes have: %o', async (versioning) => {
    const app = await startHttpApp(adapter, {
      http: { page: true },
      prepare: (nest) => nest.enableVersioning(versioning),
    });

    expect((await app.get('/streams')).status).toBe(200);
    expect((await app.get('/page/index.html', { accept: 'text/html' })).status).toBe(200);
    expect((await app.post('/streams/s/events', { type: 't' })).status).toBe(201);
    await new SseClient(`${app.url}/events`).received(1);
  });

  it('what a compressing proxy makes of an ETag is known by the next If-None-Match', async () => {
    const { store, get, post } = await startHttpApp(adapter);
    await store.append('s', [{ type: 't' }, { type: 't' }]);

    for (const known of ['"2"', 'W/"2"', '"1", W/"2"', ' W/"7" , W/"2" ']) {
      expect([known, (await get('/streams/s', { 'if-none-match': known })).status]).toEqual([known, 304]);
    }
    expect((await get('/streams/s', { 'if-none-match': 'W/"1"' })).status).toBe(200);
    const weak = await post('/streams/s/events', { type: 't' }, { 'if-match': 'W/"2"' });
    expect([weak.status, weak.json.detail]).toEqual([400, expect.stringContaining('send the revision, as in "2"')]);
  });

  it.each(['/events', '/streams/s/events'])('%s goes on after the last event that a polyfill names', async (path) => {
    const { store, url } = await startHttpApp(adapter);
    await store.append('s', [
      { type: 't', data: 1 },
      { type: 't', data: 2 },
    ]);
    const first = await new SseClient(url + path).received(2);

    await store.append('s', { type: 't', data: 3 });
    const id = encodeURIComponent(first.blocks.find(({ data }) => data !== undefined)!.id!);
    const again = await new SseClient(`${url}${path}?lastEventId=${id}`).received(2);

    expect(again.events.map(({ data }) => data)).toEqual([2, 3]);
  });

  it('at most fifty types are asked for at a time', async () => {
    const { get } = await startHttpApp(adapter);
    const query = (count: number): string => Array.from({ length: count }, (_, index) => `type=*${index}*`).join('&');

    expect((await get(`/events?${query(50)}`)).status).toBe(200);
    const refused = await get(`/events?${query(51)}`);
    expect([refused.status, refused.json.field]).toEqual([400, 'type']);
  });

  it('a client that follows while the storage is away is asked to reconnect', async () => {
    let isAway = false;
    const engine = aroundEngine((_verb, ask) => {
      if (isAway) throw new StorageUnavailableError('PostgreSQL', false, new Error('ECONNREFUSED db.internal'));
      return ask();
    }, memoryEngine());
    const { get, url } = await startHttpApp(adapter, { store: { engine } });

    isAway = true;
    const answer = await get('/events', { accept: 'text/event-stream' });
    isAway = false;

    expect([answer.status, answer.text]).toEqual([200, expect.stringMatching(/^: .*try again.*\nretry: \d+\n\n$/)]);
    expect(answer.text).not.toContain('db.internal');
    await new SseClient(`${url}/events`).opened();
  });

  it('a user has no more clients than each may, whatever room there is', async () => {
    const access = ({ headers }: { headers: Record<string, string> }) => ({
      ...{ canRead: () => true, canWrite: () => true, isOperator: true },
      user: headers['x-user'],
    });
    const { get, url } = await startHttpApp(adapter, { http: { access, maxLiveClientsPerUser: 2 } });
    const as = (user: string) => ({ 'x-user': user, accept: 'text/event-stream' });
    const [first] = await Promise.all([1, 2].map(() => new SseClient(`${url}/events`, as('ada')).opened()));

    expect((await get('/events', as('ada'))).text).toContain('You have 2 live clients');
    await new SseClient(`${url}/events`, as('grace')).opened();
    first.close();
    while ((await get('/stats')).json.liveClients !== 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await new SseClient(`${url}/events`, as('ada')).opened();
  });

  it('errors of a store are problems in a controller of the application that takes the filter', async () => {
    const { get, origin } = await startHttpApp(adapter, { controllers: [Own] });
    const ask = async (path: string, headers = {}) => {
      const answer = await get(`${origin}/own/${path}`, headers);
      return [answer.status, answer.json.code, answer.headers['content-type'], answer.headers['retry-after']];
    };
    const problem = 'application/problem+json; charset=utf-8';

    expect(await ask('conflict')).toEqual([409, 'WRONG_EXPECTED_REVISION', problem, undefined]);
    expect(await ask('conflict', { 'if-match': '"7"' })).toEqual([412, 'WRONG_EXPECTED_REVISION', problem, undefined]);
    expect(await ask('missing')).toEqual([404, 'STREAM_NOT_FOUND', problem, undefined]);
    expect(await ask('invalid')).toEqual([400, 'VALIDATION_FAILED', problem, undefined]);
    expect(await ask('away')).toEqual([503, 'STORAGE_UNAVAILABLE', problem, '1']);
    expect(await ask('busy')).toEqual([503, 'STORAGE_UNAVAILABLE', problem, '30']);
    expect((await ask('other'))[1]).toBeUndefined();
  });
});
