import { describe, expect, it } from '@jest/globals';
import { ForbiddenException, Injectable } from '@nestjs/common';
import { OnStreamEvent, StreamSubscriptions, type RecordedEvent } from 'nestjs-stream-store';
import type { AccessRule } from 'nestjs-stream-store/http';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { RecordingNestLogger } from '../support/servers/nest-app.js';
import { ADAPTERS, startHttpApp, type HttpApp } from './http-app.js';
import { SseClient } from './sse-client.js';

const revoked = new Set<string>();

/** Each tenant sees and writes what begins with its name; the one called `ops` sees all, and the store's own streams. */
const byTenant: AccessRule = ({ headers }: { headers: Record<string, string> }) => {
  const tenant = headers['x-tenant'];
  if (tenant === undefined || revoked.has(tenant)) throw new ForbiddenException('Who are you?');
  const isOps = tenant === 'ops';
  const isOwn = (streamId: string): boolean => isOps || streamId.startsWith(`${tenant}-`);
  return { canRead: isOwn, canWrite: isOwn, isOperator: isOps };
};

@Injectable()
class Refusing {
  @OnStreamEvent({ all: true }, { durable: 'refusing', retry: { attempts: 1 } })
  refuse({ streamId }: RecordedEvent): void {
    throw new Error(`no room for ${streamId}`);
  }
}

const TENANTS = ['acme', 'globex'];
const as = (tenant: string) => ({ 'x-tenant': tenant });

describe.each(ADAPTERS)('on %s, with a rule of access', (adapter) => {
  async function start(options = {}): Promise<HttpApp> {
    revoked.clear();
    const app = await startHttpApp(adapter, {
      http: { access: byTenant },
      providers: [Refusing],
      logger: new RecordingNestLogger(),
      ...options,
    });
    for (let index = 0; index < 30; index++) {
      const tenant = TENANTS[index % 2];
      const event = { type: `${tenant}.happened`, data: `secret of ${tenant}`, metadata: { tenant } };
      await app.store.append(`${tenant}-${index % 6}`, event);
    }
    await app.app.get(StreamSubscriptions).whenSettled();
    return app;
  }

  it('no endpoint shows one tenant a byte of the other', async () => {
    const { get, post, send } = await start();

    for (const [mine, theirs] of [TENANTS, [...TENANTS].reverse()]) {
      const headers = as(mine);
      const answers = [];
      for (const path of [
        '/streams',
        '/streams?limit=2',
        `/streams?prefix=${theirs}`,
        `/streams/${mine}-${mine === 'acme' ? 0 : 1}`,
        '/events',
        '/events?direction=backward&limit=7',
        '/events?from=2000-01-01',
        '/events?streams=*',
        `/events?streams=*${theirs.slice(1)}*`,
        '/events?limit=1',
        '/dead-letters',
        '/dead-letters?subscription=refusing',
      ]) {
        answers.push(await get(path, headers));
        answers.push(await get(path, { ...headers, accept: 'application/x-ndjson, application/json;q=0.5' }));
        answers.push(
          await get(path, { ...headers, accept: 'application/cloudevents-batch+json, application/json;q=0.5' }),
        );
      }
      for (const { status, text } of answers) {
        // A question may name what it asks for, and comes back in the address of the next page.
        expect([status, decodeURIComponent(text).includes(theirs)]).toEqual([200, false]);
      }
      const foreign = mine === 'acme' ? 'globex-1' : 'acme-0';
      const refused = [
        await get(`/streams/${foreign}`, headers),
        await get(`/streams/${foreign}/events`, headers),
        await get(`/streams/${foreign}/events/1`, headers),
        await get(`/streams/${foreign}/events`, { ...headers, accept: 'text/event-stream' }),
        await get(`/events?stream=${foreign}`, headers),
        await get('/streams/$dead-letters-refusing/events', headers),
        await get('/stats', headers),
        await get('/subscriptions', headers),
        await post(`/streams/${foreign}/events`, { type: 't' }, headers),
        await post('/streams/unknown/events', { type: 't' }, headers),
        await send('POST', '/snapshots', { headers }),
      ];
      for (const { status, text } of refused) {
        expect([status, text.includes(`secret of ${theirs}`)]).toEqual([403, false]);
      }
    }
  });

  it('a stream that is not there is refused like one that is', async () => {
    const { get } = await start();

    const [there, missing] = [await get('/streams/globex-1', as('acme')), await get('/streams/globex-x', as('acme'))];

    expect(there.text.replace('globex-1', 'globex-x')).toBe(missing.text);
  });

  it('a dead letter of a stream that may not be read is answered like one that is not there', async () => {
    const { send } = await start();
    const headers = as('acme');

    for (const [method, path] of [
      ['DELETE', (id: string) => `/dead-letters/${id}`],
      ['POST', (id: string) => `/dead-letters/${id}/retry`],
    ] as const) {
      const [there, missing] = [
        await send(method, path('refusing:2'), { headers }),
        await send(method, path('refusing:999'), { headers }),
      ];
      expect([there.status, there.text.replaceAll('refusing:2', 'refusing:999')]).toEqual([404, missing.text]);
    }
  });

  it.each([
    ['/events?limit=4', 'events'],
    ['/events?limit=4&direction=backward', 'events'],
    ['/events?limit=4&from=2000-01-01', 'events'],
    ['/events?limit=1&type=*.happened', 'events'],
    ['/events?limit=1&streams=*', 'events'],
    ['/streams?limit=1', 'streams'],
    ['/streams?limit=2', 'streams'],
  ])('the pages of %s are full, tell nothing of what is hidden, and end with what is visible', async (path, kind) => {
    const { get } = await start();
    for (const tenant of TENANTS) {
      const other = TENANTS.find((name) => name !== tenant)!;
      const [sizes, found] = [[] as number[], [] as string[]];
      for (let page: string | null = path; page !== null;) {
        const { json, text, headers } = await get(page, as(tenant));
        const entries = json[kind] as unknown as { streamId: string }[];
        sizes.push(entries.length);
        found.push(...entries.map(({ streamId }) => streamId));
        expect(decodeURIComponent(text + String(headers.link))).not.toContain(other);
        const next: string | null = json.next;
        page = next === null ? null : path.replace(/\?.*/, next);
      }
      const limit = Number(/limit=(\d+)/.exec(path)![1]);
      const whole = kind === 'events' ? 15 : 3;
      expect(found).toHaveLength(whole);
      expect(sizes.slice(0, -1).every((size) => size === limit)).toBe(true);
      expect(sizes).toHaveLength(Math.ceil(whole / limit));
    }
  });

  it.each([
    '/streams?limit=1&prefix=NAME-',
    '/streams?prefix=NAME-',
    '/events?limit=1&streams=NAME-*',
    '/events?limit=1&streams=NAME-*&direction=backward',
    '/events?limit=1&type=NAME.*',
    '/events?limit=1&from=2000-01-01&type=NAME.*',
  ])('%s is answered alike for a name that is hidden and for one that is not there', async (path) => {
    const { get } = await start();
    const forms = ['application/json', 'application/x-ndjson', 'application/cloudevents-batch+json'];
    for (const accept of path.startsWith('/events') ? forms : forms.slice(0, 1)) {
      const answers = [];
      for (const name of ['globex', 'nobody']) {
        const { status, text, headers } = await get(path.replaceAll('NAME', name), { ...as('acme'), accept });
        delete headers.date;
        answers.push({ status, text, headers });
      }
      expect(answers[0]).toEqual(answers[1]);
    }
  });

  it('as many lines as were asked for come, however many hidden events lie between them', async () => {
    const { get } = await start();

    const { text } = await get('/events?limit=9', { ...as('acme'), accept: 'application/x-ndjson' });

    const streams = text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as RecordedEvent).streamId);
    expect(streams).toHaveLength(9);
    expect(streams.every((streamId) => streamId.startsWith('acme-'))).toBe(true);
  });

  it('who may write to a stream and not read it is not told its revision by a refusal', async () => {
    const access: AccessRule = () => ({ canRead: () => false, canWrite: () => true, isOperator: false });
    const { store, post } = await startHttpApp(adapter, { http: { access } });
    await store.append('inbox', [{ type: 't' }, { type: 't' }, { type: 't' }]);

    const { status, json } = await post('/streams/inbox/events', { type: 't' }, { 'if-match': '"7"' });

    expect(json).toEqual({
      type: 'urn:nestjs-stream-store:wrong-expected-revision',
      title: 'Wrong expected revision',
      status,
      detail: 'The stream is not at the revision that was expected.',
      code: 'WRONG_EXPECTED_REVISION',
    });
    expect(status).toBe(412);
  });

  it('who may write to a stream and not read it is told what was kept, and not where', async () => {
    const access: AccessRule = () => ({ canRead: () => false, canWrite: () => true, isOperator: false });
    const { store, post } = await startHttpApp(adapter, { http: { access }, store: { maxEventsPerStream: 5 } });
    await store.append('inbox', [{ type: 't' }, { type: 't' }, { type: 't' }]);

    const { status, json, headers } = await post('/streams/inbox/events', [{ type: 't' }, { type: 't' }]);
    const full = await post('/streams/inbox/events', { type: 't' });

    expect([status, json, headers.etag]).toEqual([201, { streamId: 'inbox', count: 2 }, undefined]);
    expect([full.status, full.json.code, full.json.maximum]).toEqual([409, 'STREAM_LIMIT_REACHED', undefined]);
  });

  it('clients that follow the same events get each what they may see, and share no more', async () => {
    const { url, store } = await start();
    const [acme, globex, ops] = ['acme', 'globex', 'ops'].map((tenant) => new SseClient(`${url}/events`, as(tenant)));
    await Promise.all([acme.received(15), globex.received(15), ops.received(30)]);

    for (const tenant of TENANTS) await store.append(`${tenant}-new`, { type: 'new', data: `secret of ${tenant}` });
    await Promise.all([acme.received(16), globex.received(16), ops.received(32)]);

    expect([acme.text.includes('globex'), globex.text.includes('acme')]).toEqual([false, false]);
    expect(ops.events.at(-1)).toMatchObject({ streamId: 'globex-new' });
  });

  it('gives the streams of the store itself only to those the rule gives them to', async () => {
    const { get } = await start();

    expect((await get('/streams/$dead-letters-refusing/events', as('ops'))).status).toBe(200);
    expect((await get('/events?streams=$*', as('ops'))).text).toContain('dead-letter.added');
    expect((await get('/events?streams=$*', as('acme'))).json.events).toEqual([]);
  });

  it('a live client is told of no place but those of events it may see, and misses nothing when it reconnects', async () => {
    const clock = new ManualClock();
    const { url, store } = await start({ store: { clock } });
    await store.append('globex-0', { type: 'hidden' });
    const follow = (query: string, more = {}) => new SseClient(`${url}/events${query}`, { ...as('acme'), ...more });
    const clients = [follow('?after=end'), follow('')];
    await clients[0].opened();
    await clients[1].received(15);
    await store.append('globex-0', [{ type: 'hidden' }, { type: 'hidden' }]);

    await clock.advance(15_000);
    for (const client of clients) await client.until(({ blocks }) => blocks.some(({ isComment }) => isComment));
    const lastIds = clients.map(({ lastEventId }) => lastEventId!);
    const { events } = await store.readAll({ limit: 0, filter: { streams: 'acme-*' } });
    const visible = events.map(({ globalPosition }) => globalPosition);
    const told = clients.flatMap(({ blocks }) =>
      blocks.flatMap(({ id }) => (id === undefined ? [] : Number.parseInt(id, 10))),
    );
    await store.append('acme-0', { type: 'new' });

    expect(told.filter((position) => position > 0 && !visible.includes(position))).toEqual([]);
    for (const lastId of lastIds) {
      expect(Number.parseInt(lastId, 10)).toBe(visible.at(-1));
      const again = await follow('', { 'last-event-id': lastId }).received(1);
      expect(again.events[0]).toMatchObject({ type: 'new' });
    }
  });

  it('a live client that says a place it cannot have been at is not told whether anything is there', async () => {
    const { url, store } = await start();
    const [{ globalPosition: hidden }] = (await store.readAll({ filter: { streams: 'globex-*' } })).events;

    for (const place of [hidden, 9_000]) {
      const client = await new SseClient(`${url}/events`, { ...as('acme'), 'last-event-id': `${place}` }).received(15);
      expect(client.blocks.find(({ event }) => event === 'reset')!.data).toBe(`{"after":${place}}`);
      const quiet = new SseClient(`${url}/events?after=${place}`, as('acme'));
      await quiet.until(({ blocks }) => blocks.length > 0);
      expect(quiet.blocks[0]).toMatchObject({ id: `${place}`, event: undefined });
    }
  });

  it('a live client of whose events there are none yet is told of no place', async () => {
    const { url, store } = await start();

    const client = new SseClient(`${url}/events?after=end`, as('nobody'));
    await client.until(({ blocks }) => blocks.length > 0);
    await store.append('nobody-1', { type: 'first' });
    await client.received(1);

    expect(client.blocks[0]).toMatchObject({ id: undefined, retry: '1000' });
  });

  it('a live client is gone a minute after it was revoked, and does not come in again', async () => {
    const clock = new ManualClock();
    const { url, get } = await start({ store: { clock } });
    const client = await new SseClient(`${url}/events`, as('acme')).received(15);

    revoked.add('acme');
    await clock.advance(60_000);
    await client.ended();

    const again = await get('/events', {
      ...as('acme'),
      accept: 'text/event-stream',
      'last-event-id': client.lastEventId!,
    });
    expect(again.status).toBe(403);
  });

  it('a rule that answers nonsense lets nobody in', async () => {
    const access = (() => ({ canRead: true })) as unknown as AccessRule;
    const { get } = await startHttpApp(adapter, { http: { access }, logger: new RecordingNestLogger() });

    expect((await get('/streams')).status).toBe(500);
  });
});
