import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { OnStreamEvent, StreamSubscriptions, type NewEvent, type RecordedEvent } from 'nestjs-stream-store';
import type { AccessRule } from 'nestjs-stream-store/http';
import { EventStorePrometheusModule } from 'nestjs-stream-store/prometheus';
import { Registry } from 'prom-client';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { RecordingNestLogger } from '../support/servers/nest-app.js';
import { ADAPTERS, startHttpApp, type AdapterName, type Answer, type HttpApp } from './http-app.js';

/** Sees what begins with `acme-`, writes to that and to an inbox, and is no operator. */
const ofAcme: AccessRule = () => {
  const isOwn = (streamId: string): boolean => streamId.startsWith('acme-');
  return { canRead: isOwn, canWrite: (streamId) => isOwn(streamId) || streamId === 'inbox', isOperator: false };
};

@Injectable()
class Refusing {
  @OnStreamEvent({ all: true }, { durable: 'refusing', retry: { attempts: 1 } })
  refuse({ type }: RecordedEvent): void {
    throw new Error(`no room for ${type}`);
  }
}

const START = Date.UTC(2024, 0, 1);
const VISIBLE = 12;

/** A store with events of acme, and with hidden ones after them, between them, or nowhere. */
interface World extends HttpApp {
  /** The global positions of what is visible, by rank. */
  readonly visible: readonly number[];
}

type Hidden = 'nowhere' | 'after' | 'between';

async function startWorld(adapter: AdapterName, hidden: Hidden): Promise<World> {
  const clock = new ManualClock(START);
  const app = await startHttpApp(adapter, {
    http: { access: ofAcme, maxPageBytes: 900 },
    store: { clock },
    providers: [Refusing],
    logger: new RecordingNestLogger(),
  });
  const eventOf = (name: string, n: number): NewEvent => ({
    ...{ type: `${name}.happened`, id: `${name}-${n}`, data: { n, text: `secret of ${name}` }, metadata: { by: name } },
    timestamp: START + n * 1_000 + (name === 'acme' ? 0 : 500),
  });
  const hide = async (n: number): Promise<void> => {
    await app.store.append(`globex-${n % 4}`, eventOf('globex', n));
    await app.store.append('aaa', eventOf('aaa', n));
    await app.store.append('inbox', eventOf('inbox', n));
  };
  for (let n = 0; n < VISIBLE; n++) {
    if (hidden === 'between') await hide(n);
    await app.store.append(`acme-${n % 3}`, eventOf('acme', n));
    // Dead letters are events of the store, and have their places as well.
    await app.app.get(StreamSubscriptions).whenSettled();
  }
  for (let n = 0; n < VISIBLE && hidden === 'after'; n++) await hide(n);
  await app.app.get(StreamSubscriptions).whenSettled();
  const { events } = await app.store.readAll({ filter: { streams: 'acme-*' } });
  return { ...app, visible: events.map(({ globalPosition }) => globalPosition) };
}

const JSON_PAGE = 'application/json';
const FORMS = [JSON_PAGE, 'application/x-ndjson', 'application/cloudevents-batch+json', 'application/cloudevents+json'];

/** `<3>` stands for the global position of the third visible event. */
const READS = [
  ...['', '?limit=1', '?limit=2', '?limit=3', '?prefix=acme', '?prefix=globex', '?prefix=globex-&limit=1', '?prefix=a'],
  ...['?after=aaa', '?after=acme-1&limit=1', '?after=globex-0', '?after=zzz', '?limit=0', '?prefix=$', '?prefix=inb'],
].map((query) => `/streams${query}`);

const STREAM_READS = [
  'acme-0',
  'acme-9',
  'globex-1',
  'globex-9',
  'aaa',
  'inbox',
  '$dead-letters-refusing',
  '$x',
].flatMap((streamId) => {
  const path = `/streams/${encodeURIComponent(streamId)}`;
  const queries = [
    '',
    '?limit=2',
    '?direction=backward&limit=1',
    '?type=globex.*',
    '?after=2',
    '?after=99',
    '?limit=x',
  ];
  return [path, ...queries.map((query) => `${path}/events${query}`), `${path}/events/1`, `${path}/events/99`];
});

const LOG_READS = [
  ...['', '?limit=1', '?limit=5', '?direction=backward', '?direction=backward&limit=2', '?after=<3>', '?after=<12>'],
  ...['?after=<5>&direction=backward&limit=2', '?type=globex.*', '?type=globex.happened&type=acme.happened&limit=3'],
  ...['?type=*&limit=4', '?streams=*&limit=1', '?streams=globex-*', '?streams=globex-*&limit=1', '?streams=none-*'],
  ...[
    '?streams=a*&limit=2',
    '?stream=globex-1',
    '?stream=none',
    '?stream=acme-1',
    '?streams=$*',
    '?streams=$*&limit=1',
  ],
  ...['?from=2024-01-01', '?from=2024-01-01&limit=1', '?from=2024-01-01T00:00:03Z&after=<4>&limit=2'],
  ...['?from=2024-01-01T00:00:03.500Z&to=2024-01-01T00:00:03.500Z', '?to=2024-01-01T00:00:03.600Z&limit=3'],
  ...['?from=2024-01-01T00:00:11.001Z', '?from=2025-01-01', '?type=globex.*&from=2024-01-01&limit=1'],
].map((query) => `/events${query}`);

const OPERATIONS = ['/stats', '/subscriptions', '/dead-letters', '/dead-letters?subscription=refusing', '/nothing'];

/** What is asked, in this order, of worlds that are alike but for what is hidden. */
const WRITES: readonly (readonly [string, string, string | undefined, Record<string, string>?])[] = [
  ['POST', '/streams/globex-1/events', '{"type":"t"}'],
  ['POST', '/streams/globex-1/events', '{"type":"t"}', { 'if-match': '"3"' }],
  ['POST', '/streams/globex-1/events', '{"type":"t"}', { 'if-none-match': '*' }],
  ['POST', '/streams/globex-9/events', '{"type":"t"}', { 'if-match': '*' }],
  ['POST', '/streams/globex-1/events', '{', {}],
  ['POST', '/streams/inbox/events', '{"type":"t","id":"new"}'],
  ['POST', '/streams/inbox/events', '[{"type":"t"},{"type":"t"}]'],
  ['POST', '/streams/inbox/events', '[]'],
  ['POST', '/streams/inbox/events', '{"type":"t"}', { 'if-match': '"77"' }],
  ['POST', '/streams/inbox/events', '{"kind":"t"}'],
  ['POST', '/streams/acme-0/events', '{"type":"t"}', { 'if-match': '"77"' }],
  ['POST', '/streams/acme-0/events', '{"type":"t","id":"acme-new"}', { 'if-match': '"4"' }],
  ['POST', '/streams/acme-7/events', '{"type":"t","id":"globex-1"}', { 'if-none-match': '*' }],
  ['POST', '/snapshots', undefined],
  ['POST', '/dead-letters/refusing:999/retry', undefined],
  ['DELETE', '/dead-letters/refusing:999', undefined],
  ['DELETE', '/dead-letters/refusing:<2>', undefined],
  ['POST', '/dead-letters/refusing:<3>/retry', undefined],
  ['DELETE', '/streams/globex-1', undefined],
  ['PUT', '/streams/globex-1/events', '{}'],
];

describe.each(ADAPTERS)('on %s, what is hidden', (adapter) => {
  it('after everything else changes not a byte of any answer', async () => {
    const [plain, hiding] = [await startWorld(adapter, 'nowhere'), await startWorld(adapter, 'after')];

    for await (const [what, one, other] of asked(plain, hiding)) {
      expect([what, withoutNewPlace(other)]).toEqual([what, withoutNewPlace(one)]);
    }
  });

  it('between everything else changes but the numbers of global positions', async () => {
    const [plain, hiding] = [await startWorld(adapter, 'nowhere'), await startWorld(adapter, 'between')];

    for await (const [what, one, other] of asked(plain, hiding)) {
      expect([what, byRank(hiding, what, other)]).toEqual([what, byRank(plain, what, one)]);
    }
  });

  it('has no place in an answer that is shown', async () => {
    const world = await startWorld(adapter, 'between');

    for await (const [what, , { text, headers }] of asked(world, world)) {
      const said = decodeURIComponent(text + JSON.stringify(headers)).replaceAll(
        decodeURIComponent(what.split(' ')[1]),
        '',
      );
      const names = ['globex', 'aaa', 'inbox'].filter((name) => !what.includes(name) && said.includes(name));
      expect([what, names]).toEqual([what, []]);
    }
  });
});

describe('what is hidden', () => {
  it('has no place in metrics: neither streams nor types nor ids', async () => {
    const registry = new Registry();
    const { store, get, app } = await startHttpApp('Express', {
      http: { access: ofAcme },
      providers: [Refusing],
      imports: [EventStorePrometheusModule.forRoot({ registry, endpoint: {} })],
      logger: new RecordingNestLogger(),
    });
    for (let n = 0; n < 3; n++) await store.append(`globex-${n}`, { type: 'globex.merged', id: `globex-id-${n}` });
    await app.get(StreamSubscriptions).whenSettled();
    await get('/streams/globex-1');
    await get('/events?streams=globex-*');

    const { status, text } = await get(`${new URL(await app.getUrl()).origin}/metrics`);

    expect([status, text.includes('event_store_events'), text.includes('globex')]).toEqual([200, true, false]);
  });
});

type Said = Pick<Answer, 'status' | 'text'> & { readonly headers: object };

/** Asks both worlds the same, page by page. */
async function* asked(one: World, other: World): AsyncGenerator<[what: string, one: Said, other: Said]> {
  for (const path of [...READS, ...STREAM_READS, ...LOG_READS, ...OPERATIONS]) {
    for (const method of ['GET', 'HEAD']) {
      for (const accept of path.includes('/events') ? FORMS : FORMS.slice(0, 1)) {
        let paths: readonly (string | null)[] = [placed(one, path), placed(other, path)];
        for (let page = 0; paths.every((here) => here !== null); page++) {
          const [a, b] = [await say(one, method, paths[0], accept), await say(other, method, paths[1], accept)];
          yield [`${method} ${path} ${accept} page ${page}`, a, b];
          paths = [a, b].map(({ link }) => (link === undefined ? null : path.split('?')[0] + link));
        }
      }
    }
  }
  for (const [method, path, body, headers] of WRITES) {
    const send = async (world: World): Promise<Said> =>
      toSaid(
        await world.send(method, placed(world, path), {
          headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
          body,
        }),
      );
    yield [`${method} ${path} ${body}`, await send(one), one === other ? await send(one) : await send(other)];
  }
}

function placed({ visible }: World, path: string): string {
  return path.replace(/<(\d+)>/g, (_, rank: string) => String(visible[Number(rank) - 1]));
}

async function say(world: World, method: string, path: string, accept: string): Promise<Said & { link?: string }> {
  const answer = await world.send(method, path, { headers: { accept } });
  const link = /^<(.*)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
  const next = method === 'GET' && answer.status === 200 && accept === JSON_PAGE ? answer.json.next : undefined;
  return { ...toSaid(answer), link: link ?? next ?? undefined };
}

function toSaid({ status, text, headers }: Answer): Said {
  return { status, text, headers: without(headers, 'date') };
}

/** What was said of an append, without the global position: that tells how much was appended before, whoever may see it. */
function withoutNewPlace({ status, text, headers }: Said): Said {
  if (status !== 201) return { status, text, headers };
  const toldTo = text.replace(/"globalPosition":\d+/, '"globalPosition":0');
  return { status, text: toldTo, headers: without(headers, 'content-length') };
}

/** What was said, with the rank of a visible event for its global position. */
function byRank({ visible }: World, what: string, said: Said): Said {
  const { status, text, headers } = withoutNewPlace(said);
  // Elsewhere the place is that of a stream.
  const places = what.includes(' /events')
    ? /("globalPosition":|"globalposition":"|refusing:|[?&]after=)(\d+)/g
    : /("globalPosition":|"globalposition":"|refusing:)(\d+)/g;
  const rank = (said: string): string =>
    said.replace(places, (whole, before: string, digits: string) => {
      const index = visible.indexOf(Number(digits));
      return index < 0 ? whole : `${before}#${index + 1}`;
    });
  const { link } = headers as { link?: string };
  return {
    ...{ status, text: rank(text) },
    headers: { ...without(headers, 'content-length'), ...(link !== undefined && { link: rank(link) }) },
  };
}

function without(headers: object, name: string): object {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
}
