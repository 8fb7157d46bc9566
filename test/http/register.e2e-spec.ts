import { describe, expect, it } from '@jest/globals';
import { type CanActivate, type ExecutionContext, Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { EventStoreModule, getEventStoreToken, type EventStore } from 'nestjs-stream-store';
import { EventStoreHttpModule, type EventStoreHttpOptions, type EventStoreHttpRoutes } from 'nestjs-stream-store/http';
import { numbered } from '../support/events.js';
import { startApp, startFailure } from '../support/servers/nest-app.js';
import { adapterOf, ADAPTERS, startHttpApp, type HttpApp } from './http-app.js';

@Injectable()
class Keys {
  readonly known = ['right'];
}

@Module({ providers: [Keys], exports: [Keys] })
class KeysModule {}

/** A guard that injects something. */
@Injectable()
class NeedsKey implements CanActivate {
  constructor(private readonly keys: Keys) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return this.keys.known.includes(headers['x-key']);
  }
}

const ENDPOINTS = [
  ['GET', '/streams'],
  ['GET', '/streams/orders'],
  ['GET', '/streams/orders/events'],
  ['GET', '/streams/orders/events/1'],
  ['GET', '/events'],
  ['GET', '/stats'],
  ['GET', '/subscriptions'],
  ['GET', '/dead-letters'],
] as const;
const WRITING = [
  ['POST', '/streams/orders/events'],
  ['POST', '/snapshots'],
  ['POST', '/dead-letters/x/retry'],
  ['DELETE', '/dead-letters/x'],
] as const;
const PAGE = [
  ['GET', '/page'],
  ['GET', '/page/index.html'],
  ['GET', '/page/main.js'],
] as const;
const ALL = [...ENDPOINTS, ...WRITING, ...PAGE];

/** Which endpoints there are: those that are not answered with Nest's own 404. */
async function endpointsOf({ send }: HttpApp, headers = {}): Promise<string[]> {
  const found: string[] = [];
  for (const [method, path] of ALL) {
    const { status, headers: answered } = await send(method, path, { headers });
    const isMissing = status === 404 && !answered['content-type']?.includes('problem');
    if (!isMissing) found.push(`${method} ${path}`);
  }
  return found;
}

const namesOf = (endpoints: readonly (readonly [string, string])[]) => endpoints.map((endpoint) => endpoint.join(' '));

describe('registering', () => {
  const register = (options: EventStoreHttpRoutes & EventStoreHttpOptions) => () =>
    EventStoreHttpModule.register(options);

  it('is refused without guards, unless it is said that everybody may come in', () => {
    expect(register({})).toThrow(/^Invalid EventStoreHttpModule.guards: there is none, and everybody could read/);
    expect(register({ guards: [] })).toThrow('guards');
    expect(register({ public: false })).toThrow('guards');
    expect(() => EventStoreHttpModule.registerAsync({ useFactory: () => ({}) })).toThrow('guards');
    expect(register({ public: true })).not.toThrow();
    expect(register({ guards: [NeedsKey] })).not.toThrow();
  });

  it.each<[string, object]>([
    ['path', { path: 'a b' }],
    ['path', { path: '' }],
    ['path', { path: ':id' }],
    ['path', { path: '../x*' }],
    ['path', { path: 7 }],
    ['guards', { guards: NeedsKey }],
    ['readOnly', { readOnly: 'no' }],
    ['page', { page: 1 }],
    ['public', { public: 'yes' }],
    ['store', { store: '' }],
  ])('is refused with a wrong %s: %j', (field, options) => {
    expect(register({ public: true, ...options })).toThrow(`Invalid EventStoreHttpModule.${field}`);
  });

  it.each<[string, object]>([
    ['maxPageSize', { maxPageSize: 0 }],
    ['maxPageSize', { maxPageSize: 10_001 }],
    ['maxPageBytes', { maxPageBytes: '1mb' }],
    ['maxEventsPerAppend', { maxEventsPerAppend: 1.5 }],
    ['maxBodyBytes', { maxBodyBytes: -1 }],
    ['maxLiveClients', { maxLiveClients: 0 }],
    ['heartbeatInterval', { heartbeatInterval: 0 }],
    ['maxLineClients', { maxLineClients: 0 }],
    ['maxLineClientsPerUser', { maxLineClientsPerUser: 1.5 }],
    ['stallTimeout', { stallTimeout: 'soon' }],
    ['liveSession', { liveSession: -1 }],
    ['access', { access: {} }],
    ['allowedOrigins', { allowedOrigins: 'https://a.test' }],
    ['allowedOrigins[0]', { allowedOrigins: ['https://a.test/path'] }],
    ['allowedOrigins[1]', { allowedOrigins: ['https://a.test', '*'] }],
    ['maxPages', { maxPages: 7 }],
  ])('fails while the application starts with a wrong %s: %j', async (field, options) => {
    const error = await startFailure({
      imports: [EventStoreModule.forRoot(), EventStoreHttpModule.register({ public: true, ...options })],
    });

    expect(error.message).toContain(`Invalid EventStoreHttpModule.${field}:`);
  });

  it('fails while the application starts when there is no store, or none of the name', async () => {
    const http = (store?: string) => EventStoreHttpModule.register({ public: true, store });

    expect((await startFailure({ imports: [http()] })).message).toContain('there is no event store: import');
    expect((await startFailure({ imports: [EventStoreModule.forRoot(), http('audit')] })).message).toContain(
      'there is no event store "audit": import EventStoreModule.forRoot() with it.',
    );
  });

  it('does no harm in an application without a server', async () => {
    await startApp({ imports: [EventStoreModule.forRoot(), EventStoreHttpModule.register({ public: true })] });
  });
});

describe.each(ADAPTERS)('on %s', (adapter) => {
  const boot = (http: EventStoreHttpRoutes & EventStoreHttpOptions) => startHttpApp(adapter, { http });

  it('there is nothing to write with, and no page, unless it is asked for', async () => {
    expect(await endpointsOf(await boot({ readOnly: undefined }))).toEqual(namesOf(ENDPOINTS));
    expect(await endpointsOf(await boot({ readOnly: true, page: true }))).toEqual(namesOf([...ENDPOINTS, ...PAGE]));
    expect(await endpointsOf(await boot({ readOnly: false }))).toEqual(namesOf([...ENDPOINTS, ...WRITING]));
    expect(await endpointsOf(await boot({ readOnly: false, page: true }))).toEqual(namesOf(ALL));
  });

  it('a guard keeps the door of every endpoint, and may inject what the imports bring', async () => {
    const { store, send } = await boot({ guards: [NeedsKey], imports: [KeysModule], readOnly: false, page: true });
    await store.append('orders', numbered(1, 1));

    for (const [method, path] of ALL) {
      expect([method, path, (await send(method, path)).status]).toEqual([method, path, 403]);
      expect([method, path, (await send(method, path, { headers: { 'x-key': 'right' } })).status]).not.toContain(403);
    }
    expect((await store.stats()).totalEvents).toBe(1);
  });

  it('the path is where it was asked for, under the prefix of the application', async () => {
    const app = await startHttpApp(adapter, { http: { path: '/ops/store/' }, prefix: 'api' });
    await app.store.append('orders', numbered(1, 1));

    expect((await app.get(`${app.origin}/api/ops/store/streams/orders`)).status).toBe(200);
    expect((await app.get(`${app.origin}/ops/store/streams/orders`)).status).toBe(404);
    expect((await app.get(`${app.origin}/api/event-store/streams`)).status).toBe(404);
    const malformed = { headers: { 'content-type': 'application/json' }, body: '{' };
    const answer = await app.send('POST', `${app.origin}/api/ops/store/streams/orders/events`, malformed);
    expect(answer.json).toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  it('several stores have endpoints of their own, with options from elsewhere', async () => {
    const module = await Test.createTestingModule({
      imports: [
        EventStoreModule.forRoot({ name: 'orders' }),
        EventStoreModule.forRoot({ name: 'audit' }),
        EventStoreHttpModule.register({ path: 'orders', public: true, store: 'orders', readOnly: false }),
        EventStoreHttpModule.registerAsync({
          path: 'audit',
          guards: [NeedsKey],
          store: 'audit',
          imports: [KeysModule],
          inject: [Keys],
          useFactory: ({ known }: Keys) => ({ maxPageSize: known.length }),
        }),
      ],
    }).compile();
    const app = module.createNestApplication(adapterOf(adapter), { logger: false });
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    for (const name of ['orders', 'audit'])
      await app.get<EventStore>(getEventStoreToken(name)).append(name, numbered(1, 2));
    const ask = async (path: string, headers = {}) => {
      const answer = await fetch(url + path, { headers });
      return [answer.status, await answer.json()] as const;
    };

    expect(await ask('/orders/stats')).toMatchObject([200, { store: 'orders', readOnly: false }]);
    expect(await ask('/audit/stats')).toMatchObject([403, {}]);
    expect(await ask('/audit/stats', { 'x-key': 'right' })).toMatchObject([200, { store: 'audit', readOnly: true }]);
    expect(await ask('/audit/events?limit=2', { 'x-key': 'right' })).toMatchObject([400, { field: 'limit' }]);
    expect(await ask('/orders/events?limit=2')).toMatchObject([200, { events: [{ streamId: 'orders' }, {}] }]);
    await app.close();
  });
});
