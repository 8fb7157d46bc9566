import { gzipSync, brotliCompressSync, deflateSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { numbered } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { RecordingNestLogger } from '../support/servers/nest-app.js';
import { scaled } from '../support/scale.js';
import { ADAPTERS, startHttpApp, type Answer, type HttpApp, type SendOptions } from './http-app.js';

type Asked = readonly [method: string, path: string, options?: SendOptions];

const OWN = 'application/json';
const EVENT = '{"type":"t","id":"e"}';
const CLOUD_EVENT = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}';

const IDS = [
  ...[
    'a',
    'a%2Fb',
    'a%2fb',
    '%61',
    '%C3%A9',
    '%c3%a9',
    '%F0%9F%98%80',
    'a+b',
    'a%20b',
    'a%2Bb',
    'a;b',
    'a:b',
    ':id',
    '*',
    '**',
  ],
  ...[
    '(a)',
    "a'b",
    'a!b',
    'a~b',
    'a@b',
    '$own',
    'a$b',
    'a,b',
    'a=b',
    'a&b',
    'a.b',
    '.',
    '...',
    '.a',
    'a.json',
    '-',
    '_',
    'a%25b',
  ],
  ...[
    '%2525',
    '%',
    '%2',
    '%zz',
    '%ff',
    '%C3',
    '%ED%A0%80',
    '%c0%af',
    '%00',
    '%0a',
    '%7f',
    '%e2%80%a8',
    '%3F',
    '%23',
    '%5c',
    '\\',
    'a|b',
  ],
  ...[
    'a^b',
    '{a}',
    '[a]',
    'a"b',
    '<a>',
    '`',
    '%2e',
    '%2e%2e',
    '%2E%2E%2Fx',
    '__proto__',
    'constructor',
    'x'.repeat(512),
    'x'.repeat(513),
  ],
  ...[
    '%F0%9F%98%80'.repeat(100),
    'a%',
    'a%2',
    '%E9',
    'a%2F',
    '%2F',
    '%2Fa',
    'a//b',
    'a%2F%2Fb',
    'a/',
    '/',
    '%20',
    '%09',
  ],
];

const PATHS: readonly Asked[] = IDS.flatMap((id): Asked[] => [
  ['GET', `/streams/${id}`],
  ['HEAD', `/streams/${id}/events`],
  ['GET', `/streams/${id}/events`],
  ['GET', `/streams/${id}/events/1`],
  ['POST', `/streams/${id}/events`, { headers: { 'content-type': OWN }, body: EVENT }],
  ['GET', `/streams/${id}/events`],
  ['GET', `/dead-letters/${id}`],
  ['DELETE', `/dead-letters/${id}`],
  ['POST', `/dead-letters/${id}/retry`],
]);

const QUERIES: readonly Asked[] = [
  ...[
    '',
    '&',
    '&&',
    '=',
    '=1',
    'limit',
    'limit=',
    'limit=1',
    'limit=1&',
    '&limit=1',
    'limit=1&limit=2',
    'limit=1&limit=1',
    'limit[]=1',
  ],
  ...[
    'limit%5B%5D=1',
    'limit[0]=1',
    '%6cimit=1',
    'limit=%31',
    'limit=1;after=2',
    'limit=+1',
    'limit=%2B1',
    'limit=1%20',
  ],
  ...[
    'limit=%ff',
    '%ff=1',
    'limit=%',
    'type=a&type=counted',
    'type[]=a',
    'type=a,b',
    'type=%00',
    'type=*',
    'type=c*&limit=1',
    'Type=a',
  ],
  ...[
    'after=1',
    'after=1.0',
    'after=1e0',
    'after=0x1',
    'after=-1',
    'after=9007199254740993',
    'after=null',
    'after=%EF%BC%91',
    'x=1',
  ],
  ...[
    'direction=backward',
    'direction=BACKWARD',
    'direction',
    '__proto__=1',
    'constructor=1',
    'toString=1',
    'limit=1?x=1',
    'limit=1#x',
  ],
  ...[
    'a=1&'.repeat(50),
    'type=a&'.repeat(51),
    'limit=2&type=a%26b',
    'limit=2&type=%F0%9F%98%80',
    'stream=a&stream=b',
    'from=2024-01-01',
  ],
  ...[
    'from=2024-01-01T00%3A00%3A00Z',
    'from=2024-01-01T00:00:00+01:00',
    'from=2024-01-01T00:00:00%2B01:00',
    'to=2024-01-01&limit=1',
  ],
  ...[
    'prefix=c',
    'prefix=%ff',
    'stream=counted',
    'stream=%2F',
    'streams=a*',
    'subscription=x',
    'lastEventId=1',
    '?limit=1',
    'limit=1&?',
  ],
].flatMap((query): Asked[] =>
  [
    '/streams',
    '/streams/counted',
    '/streams/counted/events',
    '/streams/counted/events/1',
    '/events',
    '/stats',
    '/dead-letters',
  ].map((path) => ['GET', `${path}?${query}`]),
);

const TYPES: readonly (string | undefined)[] = [
  ...[
    undefined,
    '',
    ' ',
    OWN,
    'APPLICATION/JSON',
    ` ${OWN} `,
    `${OWN};`,
    `${OWN};;`,
    `${OWN}; charset=utf-8`,
    `${OWN};charset=UTF8`,
  ],
  ...[
    `${OWN}; charset="utf-8"`,
    `${OWN}; charset='utf-8'`,
    `${OWN}; charset=`,
    `${OWN}; charset=utf-16`,
    `${OWN}; charset=latin1`,
  ],
  ...[
    `${OWN}; charset=us-ascii`,
    `${OWN}; charset=utf-8; charset=latin1`,
    `${OWN}; x=y`,
    `${OWN}; x`,
    `${OWN}, ${OWN}`,
    `${OWN}/x`,
  ],
  ...[
    'application/problem+json',
    'application/vnd.api+json',
    'text/json',
    'text/plain',
    'json',
    'application',
    '*/*',
    'application/*',
  ],
  ...[
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'multipart/form-data',
    'application/octet-stream',
  ],
  ...[
    'application/x-ndjson',
    'text/event-stream',
    'application/cloudevents',
    'application/cloudevents+xml',
    'application/json5',
  ],
  ...[
    'application/cloudevents+json',
    'application/cloudevents+json; charset=utf-8',
    'APPLICATION/CLOUDEVENTS+JSON',
    'application/cloudevents+json; charset=utf-16',
  ],
  ...['application/cloudevents-batch+json', 'application/cloudevents-batch+json;', 'application/json\u00e9'],
];

const TYPED: readonly Asked[] = TYPES.flatMap((type): Asked[] => {
  const headers = type === undefined ? {} : { 'content-type': type };
  return [EVENT, CLOUD_EVENT, `[${CLOUD_EVENT}]`, '', '{', 'a=b'].flatMap((body): Asked[] => [
    ['POST', '/streams/NEW/events', { headers, body }],
    ['POST', '/streams/NEW/events', { headers: { ...headers, 'transfer-encoding': 'chunked' }, body }],
    ['POST', '/snapshots', { headers, body }],
    ['DELETE', '/dead-letters/x', { headers, body }],
    ['POST', '/dead-letters/x/retry', { headers, body }],
  ]);
});

const BODIES: readonly (string | Buffer)[] = [
  ...[
    '',
    ' ',
    '\n',
    '\ufeff',
    `\ufeff${EVENT}`,
    ` ${EVENT}\n`,
    EVENT + EVENT,
    `${EVENT},`,
    '[]',
    '[[]]',
    `[${EVENT},]`,
    '{}',
    'null',
    '1',
    '"t"',
    'true',
  ],
  ...[
    '{"type":"t","type":"u"}',
    '{"type":1}',
    '{"type":"t","x":1}',
    '{"type":"t","data":1e400}',
    '{"type":"t","data":9007199254740993}',
    '{"type":"t","data":-0}',
  ],
  ...[
    '{"type":"t","data":{"__proto__":1}}',
    '{"__proto__":1,"type":"t"}',
    '{"type":"t","data":{"constructor":{"prototype":1}}}',
    '{"type":"t","data":{"constructor":1}}',
  ],
  ...[
    '{"type":"\\ud800"}',
    '{"type":"t","data":"\\ud800"}',
    '{"type":"t\u0000"}',
    '{"type":"t","data":"\u0000"}',
    "{'type':'t'}",
    '{type:"t"}',
    '{"type":"t"/**/}',
    'undefined',
    'NaN',
  ],
  ...[
    `{"type":"t","data":${'['.repeat(127)}${']'.repeat(127)}}`,
    `{"type":"t","data":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    `[${Array(1_001).fill(EVENT).join()}]`,
  ],
  ...[
    '{"type":"t","id":""}',
    '{"type":"t","timestamp":"2024"}',
    '{"type":"t","timestamp":1e3}',
    '{"type":"t","metadata":[]}',
    '{"type":"t","metadata":null}',
    '{"type":null}',
    '[null]',
    '[1,"a"]',
  ],
  ...[
    Buffer.from([0xff, 0xfe]),
    Buffer.from('{"type":"\u00e9"}', 'latin1'),
    Buffer.from(EVENT, 'utf16le'),
    Buffer.from([0x7b]),
    Buffer.from('{"type":"t","data":"\ud800"}'),
  ],
  ...[`{"type":"t","data":"${'x'.repeat(90_000)}"}`, `{"type":"t","data":"${'x'.repeat(2_000_000)}"}`],
];

const SENT: readonly Asked[] = BODIES.flatMap((body): Asked[] =>
  [OWN, 'application/cloudevents+json', 'application/cloudevents-batch+json'].flatMap((type): Asked[] => [
    ['POST', '/streams/NEW/events', { headers: { 'content-type': type }, body }],
    ['POST', '/streams/NEW/events', { headers: { 'content-type': type, 'transfer-encoding': 'chunked' }, body }],
  ]),
);

const ENCODED: readonly Asked[] = [
  ...(
    [
      ['gzip', gzipSync(EVENT)],
      ['GZIP', gzipSync(EVENT)],
      ['x-gzip', gzipSync(EVENT)],
      ['deflate', deflateSync(EVENT)],
      ['br', brotliCompressSync(EVENT)],
      ['identity', EVENT],
      ['Identity', EVENT],
      ['', EVENT],
      ['gzip, gzip', gzipSync(gzipSync(EVENT))],
      ['gzip', EVENT],
      ['gzip', gzipSync(EVENT).subarray(0, 10)],
      ['zstd', EVENT],
      ['nonsense', EVENT],
      ['gzip', gzipSync(Buffer.alloc(3_000_000, 0x20))],
    ] as const
  ).flatMap(([encoding, body]): Asked[] =>
    [OWN, 'application/cloudevents+json'].map((type) => [
      'POST',
      '/streams/NEW/events',
      { headers: { 'content-type': type, 'content-encoding': encoding }, body },
    ]),
  ),
];

const TAGS = [
  '"1"',
  '"0"',
  '"3"',
  '1',
  '*',
  ' * ',
  '"*"',
  '',
  'W/"3"',
  '"3", "4"',
  '"3","3"',
  '"03"',
  '"3.0"',
  '"-1"',
  '"9007199254740993"',
  '"x"',
  '""',
  '3"',
  "'3'",
  '"\u00e9"',
];

const CONDITIONAL: readonly Asked[] = ['if-match', 'if-none-match'].flatMap((name) =>
  TAGS.flatMap((tag): Asked[] => [
    ['POST', '/streams/counted/events', { headers: { 'content-type': OWN, [name]: tag }, body: '{"kind":1}' }],
    ['POST', '/streams/nothing/events', { headers: { 'content-type': OWN, [name]: tag }, body: '{"kind":1}' }],
    ['POST', '/streams/other/events', { headers: { 'content-type': OWN, [name]: tag }, body: EVENT }],
    ['GET', '/streams/counted', { headers: { [name]: tag } }],
    ['GET', '/streams/counted/events', { headers: { [name]: tag } }],
  ]),
);

const ACCEPTS = [
  '',
  '*/*',
  'text/html',
  OWN,
  'application/x-ndjson',
  'application/*',
  'application/json;q=0',
  '*/*;q=0',
  'application/json;q=2',
  'APPLICATION/X-NDJSON',
  'application/cloudevents-batch+json',
  'application/cloudevents+json',
  'text/html, */*;q=0.1',
  ',',
  ';',
  'application/json, application/x-ndjson',
  'application/x-ndjson;q=1.0, application/json;q=0.9',
  'application/problem+json',
];

const ACCEPTED: readonly Asked[] = ACCEPTS.flatMap((accept) =>
  [
    '/streams',
    '/streams/counted',
    '/streams/counted/events',
    '/streams/counted/events/1',
    '/events',
    '/stats',
    '/streams/none/events',
  ].flatMap((path): Asked[] => ['GET', 'HEAD'].map((method) => [method, path, { headers: { accept } }])),
);

const ODD: readonly Asked[] = [
  '',
  '/',
  '/streams/',
  '//streams',
  '/Streams',
  '/STREAMS/counted',
  '/streams//events',
  '/streams/counted/events/01',
  '/streams/counted/events/1.0',
  '/streams/counted/events/0',
  '/streams/counted/events/x',
  '/streams/counted/events/%31',
  '/streams/counted/Events',
  '/streams/counted/',
  '/streams/counted/events/1/',
  '/./streams',
  '/streams/../streams',
  '/%73treams',
  '/streams%2Fcounted',
  '/nothing',
  '/page',
  '/events/',
  '/events/x',
  '/stats/',
  '/stats?',
  '/snapshots',
  '/streams/counted/events?',
].flatMap((path): Asked[] =>
  ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) => [method, path]),
);

const anId = fc.oneof(
  fc.constantFrom(...IDS.filter((id) => isDecodable(id) && !id.includes('/') && id !== 'x'.repeat(513))),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).map(encodedSomehow),
);
const aParameter = fc.tuple(
  fc.constantFrom('limit', 'after', 'from', 'to', 'type', 'stream', 'streams', 'direction', 'prefix', 'x'),
  fc.oneof(
    fc.constantFrom('1', '2', 'backward', '*', '', '%ff', '2024-01-01'),
    fc.string({ unit: 'binary', maxLength: 8 }).map(encodedSomehow),
  ),
);
const aRead: fc.Arbitrary<Asked> = fc
  .record({
    method: fc.constantFrom('GET', 'HEAD'),
    place: fc.constantFrom('/streams/ID', '/streams/ID/events', '/streams/ID/events/2', '/events', '/streams'),
    ...{ id: anId, pairs: fc.array(aParameter, { maxLength: 3 }), accept: fc.constantFrom(...ACCEPTS) },
  })
  .map(({ method, place, id, pairs, accept }) => {
    const query = pairs.map(([name, value]) => `${name}=${value}`).join('&');
    return [method, place.replace('ID', () => id) + (query && `?${query}`), { headers: { accept } }];
  });
const aBody = fc.oneof(
  fc.constantFrom(...BODIES),
  fc.json().map((data) => `{"type":"t","id":"e","data":${data}}`),
  fc.json().map((metadata) => `[{"type":"t","id":"e","metadata":${metadata}}]`),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
);
// One thing at a time is odd: which of several is said first, is a matter of who looks first.
const anAppend: fc.Arbitrary<Asked> = fc
  .tuple(
    anId.filter((id) => !/^\$|\p{Control}/u.test(decodeURIComponent(id))),
    fc.oneof(
      aBody.map((body) => ({ body, headers: {} })),
      fc.constantFrom(...TYPES).map((type) => ({ body: EVENT, headers: { 'content-type': type ?? '' } })),
      fc
        .tuple(fc.constantFrom('if-match', 'if-none-match'), fc.constantFrom(...TAGS))
        .map(([name, tag]) => ({ body: EVENT, headers: { [name]: tag } })),
    ),
    fc.constantFrom({}, { 'transfer-encoding': 'chunked' }),
  )
  .map(([id, { body, headers }, chunked]) => [
    'POST',
    `/streams/${id}-NEW/events`,
    { headers: { 'content-type': OWN, ...headers, ...chunked }, body },
  ]);

const RANDOM: readonly Asked[] = [
  ...fc.sample(aRead, { numRuns: scaled(2_000), seed: 4_711 }),
  // Each to a stream of its own, so that a difference makes no more of them.
  ...fc.sample(anAppend, { numRuns: scaled(2_000), seed: 4_711 }),
];

/** As a URL may have it: the text is as long as it may be left as it is. */
function encodedSomehow(text: string): string {
  const isUrl = /^[!-~]+$/.test(text) && !/[?#%]/.test(text);
  return isUrl ? text : encodeURIComponent(Buffer.from(text).toString()) || '%20';
}

/** Where they differ, as docs/http.md says. */
const DIFFERENCES: Readonly<Record<string, (asked: Asked, express: Said, fastify: Said) => boolean>> = {
  'Fastify answers an address that is no valid URL by itself': ([, path], express, fastify) =>
    !isDecodable(path) && express.status === fastify.status,
  'Express takes a slash at the end, and endpoints in any case; Fastify takes encoded letters': ([, path], ...both) =>
    /\/(?:$|\?)|Streams|STREAMS|Events|%73/.test(path) &&
    both.some(({ status, isOurs }) => status === 404 && isOurs === false),
  'Fastify refuses an empty body that is said to be JSON': ([, path, options], _express, { status, field }) =>
    options?.body === '' && !path.endsWith('/events') && status === 400 && field === 'body',
  'Express reads charsets that begin with utf- alone': ([, , options], { status }) =>
    /charset=(?:UTF8|us-ascii)/.test(String(options?.headers?.['content-type'])) && status === 415,
  'Express takes no JSON but objects and arrays': (_asked, express, fastify) =>
    express.field === 'body' && fastify.field === 'event',
  'Fastify refuses names that may be dangerous': ([, , options], express, fastify) =>
    /"__proto__"|"prototype"/.test(String(options?.body)) &&
    express.status === 201 &&
    /__proto__|constructor/.test(fastify.field!),
  'Fastify inflates nothing': ([, , options]) =>
    !/^(?:|identity)$/i.test(String(options?.headers?.['content-encoding'] ?? '')),
};

describe('Express and Fastify', () => {
  const occurred = new Set<string>();

  it.each([
    ['paths', PATHS],
    ['queries', QUERIES],
    ['types of content', TYPED],
    ['bodies', SENT],
    ['encodings of content', ENCODED],
    ['conditions', CONDITIONAL],
    ['types that are accepted', ACCEPTED],
    ['odd requests', ODD],
    ['requests at random', RANDOM],
  ])('answer alike: %s', async (_what, requests) => {
    const [express, fastify] = await Promise.all(ADAPTERS.map(start));
    const differences: string[] = [];
    for (const [index, [method, path, options]] of requests.entries()) {
      const asked = [method, path.replace('NEW', `new-${index}`), options] as const;
      const [one, other] = await Promise.all([ask(express, asked), ask(fastify, asked)]);
      if (JSON.stringify(one) === JSON.stringify(other)) continue;
      const known = Object.keys(DIFFERENCES).find((name) => DIFFERENCES[name](asked, one, other));
      if (known === undefined) differences.push(JSON.stringify([asked, one, other]));
      else occurred.add(known);
    }

    expect(differences).toEqual([]);
  });

  it('differ where the documentation says so, and there only', () => {
    expect([...occurred].sort()).toEqual(Object.keys(DIFFERENCES).sort());
  });
});

async function start(adapter: (typeof ADAPTERS)[number]): Promise<HttpApp> {
  const store = { clock: new ManualClock(0), maxEventsPerStream: 0 };
  const app = await startHttpApp(adapter, { store, logger: new RecordingNestLogger() });
  await app.store.append(
    'counted',
    numbered(1, 3).map((event, index) => ({ ...event, id: `c${index}` })),
  );
  return app;
}

/** What is to be alike of an answer: of a problem what it is and where, otherwise all that is not of the adapter itself. */
interface Said {
  readonly status: number;
  readonly code?: string;
  readonly field?: string;
  /** Of an error: whether it is a problem of ours. */
  readonly isOurs?: boolean;
}

async function ask(app: HttpApp, [method, path, options]: Asked): Promise<Said & object> {
  const { status, headers, text }: Answer = await app.send(method, path, options);
  const isOurs = headers['x-content-type-options'] !== undefined;
  if (status >= 400 && !isOurs) return { status, isOurs };
  if (status >= 400 && text !== '') {
    const { code, field } = JSON.parse(text) as Said;
    return { status, code, field };
  }
  const { etag, link, 'content-type': type, 'cache-control': cache } = headers;
  return {
    status,
    ...{
      etag,
      link,
      type,
      cache,
      text: text.replace(
        /"(globalPosition|id|eventsRead|eventsAppended|totalEvents|totalStreams|memoryUsageBytes)":("[^"]*"|\d+)/g,
        '"$1":0',
      ),
    },
  };
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
