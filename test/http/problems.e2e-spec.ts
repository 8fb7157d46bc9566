import { describe, expect, it } from '@jest/globals';
import { type CanActivate, type ExecutionContext, HttpStatus, Injectable, UnauthorizedException } from '@nestjs/common';
import {
  memoryEngine,
  OnStreamEvent,
  SnapshotDiskError,
  StorageUnavailableError,
  type RecordedEvent,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import type { ProblemDetails } from 'nestjs-stream-store/http';
import * as errors from '../../lib/store/values/errors.js';
import { KNOWN_CODES, problemOf } from '../../lib/http/problems/problem-details.js';
import { readPage } from '../docs/markdown.js';
import { aroundEngine } from '../support/engines/around-engine.js';
import { numbered } from '../support/events.js';
import { RecordingNestLogger } from '../support/servers/nest-app.js';
import { ADAPTERS, startHttpApp, type Answer } from './http-app.js';

type ErrorClass = new (...args: unknown[]) => errors.EventStoreError;

const classes = (Object.values(errors) as unknown[]).filter(
  (exported): exported is ErrorClass =>
    typeof exported === 'function' && exported.prototype instanceof errors.EventStoreError,
);

describe('every error of the store', () => {
  it.each(classes.map((errorClass) => [errorClass.name, errorClass] as const))(
    'has a status: %s',
    (_name, errorClass) => {
      const { code } = new errorClass('first', 'second', 'third');

      // A new error belongs into the table of lib/http/problems/problem-details.ts, where somebody thinks about what a client may know.
      expect(KNOWN_CODES).toContain(code);
    },
  );

  it.each(classes.map((errorClass) => [errorClass.name, errorClass] as const))(
    'is a problem: %s',
    (_name, errorClass) => {
      const problem = problemOf(new errorClass('first', 'second', 'third'));

      expectProblem(problem);
      if (problem.status === 500) expect(Object.keys(problem)).toHaveLength(5);
    },
  );
});

describe('the table of statuses in docs/http.md', () => {
  it('has every error of the store that is not a 500, at its status, and no other', () => {
    const rows = readPage('docs/http.md').text.matchAll(/^\| (\d{3}) +\| (.*) \|$/gm);
    const documented = [...rows].flatMap(([, status, text]) =>
      [...text.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => [code, Number(status)] as const),
    );
    const ofStore = classes
      .map((errorClass) => problemOf(new errorClass('first', 'second', 'third')))
      .filter(({ status }) => status !== 500)
      .map(({ code, status }) => [code, status] as const);

    // The others have the names of their statuses.
    const ofHttp = documented.filter(([code, status]) => HttpStatus[status] === code);
    expect(documented.filter((row) => !ofHttp.includes(row)).sort()).toEqual([...ofStore].sort());
  });
});

function expectProblem(problem: ProblemDetails): void {
  expect(problem).toMatchObject({
    type: `urn:nestjs-stream-store:${problem.code.toLowerCase().replaceAll('_', '-')}`,
    title: expect.stringMatching(/^[A-Z][a-z ]+$/),
    status: expect.any(Number),
    detail: expect.stringMatching(/./),
    code: expect.stringMatching(/^[A-Z_]+$/),
  });
}

@Injectable()
class Failing {
  @OnStreamEvent('orders', { durable: 'failing', retry: { attempts: 1 } })
  fail(event: RecordedEvent): void {
    throw new Error(`secret-${event.position}`);
  }
}

@Injectable()
class NeedsKey implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    if (headers['x-key'] === undefined) throw new UnauthorizedException('Send a key.');
    return headers['x-key'] === 'right';
  }
}

/** The part of a Fastify instance that is used here. */
interface FastifyHooks {
  addHook(name: string, hook: () => Promise<void>): void;
}

function failure(members: object): Error {
  return Object.assign(new Error('Not so.'), members);
}

describe.each(ADAPTERS)('on %s, what goes wrong', (adapter) => {
  const expectAnswer = ({ status, headers, json }: Answer, code: string): void => {
    expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(json).toMatchObject({ status, code });
    expectProblem(json as unknown as ProblemDetails);
    expect(headers['x-content-type-options']).toBe('nosniff');
  };

  it('is a problem with a code, whether a guard, a parser, the store or a handler says so', async () => {
    const logger = new RecordingNestLogger();
    const { get, post, send, store, app } = await startHttpApp(adapter, {
      http: { guards: [NeedsKey] },
      providers: [Failing],
      logger,
    });
    const key = { 'x-key': 'right' };
    await store.append('orders', numbered(1, 1));
    await app.get(StreamSubscriptions).whenSettled();

    expectAnswer(await get('/streams'), 'UNAUTHORIZED');
    expectAnswer(await get('/streams', { 'x-key': 'wrong' }), 'FORBIDDEN');
    expectAnswer(await get('/streams/nope', key), 'STREAM_NOT_FOUND');
    expectAnswer(await get('/streams?limit=x', key), 'VALIDATION_FAILED');
    expectAnswer(await get('/events', { ...key, accept: 'image/png' }), 'NOT_ACCEPTABLE');
    expectAnswer(await post('/streams/orders/events', '{', key), 'VALIDATION_FAILED');
    expectAnswer(
      await post('/streams/orders/events', 'x', { ...key, 'content-type': 'text/plain' }),
      'UNSUPPORTED_MEDIA_TYPE',
    );
    expectAnswer(await post('/streams/orders/events', `"${'x'.repeat(2_000_000)}"`, key), 'PAYLOAD_TOO_LARGE');
    expectAnswer(
      await post('/streams/orders/events', { type: 't' }, { ...key, 'if-match': '"9"' }),
      'WRONG_EXPECTED_REVISION',
    );
    expectAnswer(
      await post('/streams/orders/events', { type: 't' }, { ...key, origin: 'http://evil.test' }),
      'FORBIDDEN',
    );
    expectAnswer(await send('POST', '/snapshots', { headers: key }), 'UNSUPPORTED_OPERATION');
    expectAnswer(await send('DELETE', '/dead-letters/nope', { headers: key }), 'DEAD_LETTER_NOT_FOUND');
    expectAnswer(await send('POST', '/dead-letters/failing:1/retry', { headers: key }), 'HANDLER_FAILED');
    expect(logger.errors.filter(({ context }) => context === 'EventStoreHttp')).toEqual([]);
  });

  it('tells a client nothing of the inside of the server, and the log everything', async () => {
    let fail = false;
    const engine = aroundEngine((_verb, ask) => {
      if (fail) throw new Error('connect ECONNREFUSED postgres://admin:hunter2@db.internal:5432');
      return ask();
    }, memoryEngine());
    const logger = new RecordingNestLogger();
    const { get, post, store } = await startHttpApp(adapter, { store: { engine }, logger });
    await store.append('orders', numbered(1, 1));
    fail = true;

    const answers = [
      await get('/streams'),
      await get('/streams/orders'),
      await get('/streams/orders/events'),
      await get('/events'),
      await get('/events', { accept: 'application/x-ndjson' }),
      await get('/events', { accept: 'text/event-stream' }),
      await get('/stats'),
      await post('/streams/orders/events', { type: 't' }),
    ];
    fail = false;

    for (const answer of answers) {
      expectAnswer(answer, 'INTERNAL_SERVER_ERROR');
      expect(answer.text).not.toMatch(/ECONN|hunter2|internal:|at .*\.ts|node_modules/);
    }
    const logged = logger.errors.filter(({ context }) => context === 'EventStoreHttp');
    expect(logged).toHaveLength(answers.length);
    expect(logged[0].message).toContain('ECONNREFUSED');
  });

  it('says whether an append may have been kept, when the storage has gone', async () => {
    let isAway = false;
    const engine = aroundEngine((verb, ask) => {
      if (isAway && verb === 'append')
        throw new StorageUnavailableError('database', true, new Error('ECONNRESET db:5432'));
      return ask();
    }, memoryEngine());
    const { post } = await startHttpApp(adapter, { store: { engine }, logger: new RecordingNestLogger() });
    isAway = true;

    const answer = await post('/streams/orders/events', { type: 't' });

    expectAnswer(answer, 'STORAGE_UNAVAILABLE');
    expect([answer.status, answer.json.isOutcomeUnknown, answer.text.includes('db:5432')]).toEqual([503, true, false]);
  });

  it('hides where snapshots lie when the disk refuses one', async () => {
    const engine = {
      ...aroundEngine((_verb, ask) => ask(), memoryEngine()),
      supports: { snapshot: true, leases: false, transactions: false },
      snapshot: () => {
        throw new SnapshotDiskError('write', '/var/lib/secret', new Error('ENOSPC'));
      },
    };
    const { send } = await startHttpApp(adapter, { store: { engine }, logger: new RecordingNestLogger() });

    const answer = await send('POST', '/snapshots');

    expectAnswer(answer, 'SNAPSHOT_DISK_FAILED');
    expect(answer.text).not.toContain('secret');
  });

  it.each<[string, unknown, number, Record<string, unknown>]>([
    [
      'of http-errors',
      failure({ statusCode: 401, headers: { 'WWW-Authenticate': 'Bearer realm="shop"' } }),
      401,
      { 'www-authenticate': 'Bearer realm="shop"' },
    ],
    ['with a number', failure({ status: 429, headers: { 'Retry-After': 120 } }), 429, { 'retry-after': '120' }],
    ['with several', failure({ status: 405, headers: { Allow: ['GET', 'HEAD'] } }), 405, { allow: 'GET, HEAD' }],
    [
      'of a status that says when by itself',
      failure({ status: 503, headers: { 'retry-after': '60' } }),
      503,
      { 'retry-after': '60' },
    ],
    [
      'of Nest',
      Object.assign(new UnauthorizedException(), { headers: { 'x-reason': 'old' } }),
      401,
      { 'x-reason': 'old' },
    ],
    ['of the server', failure({ statusCode: 500, headers: { 'x-trace': '7' } }), 500, { 'x-trace': '7' }],
    [
      'without a status',
      failure({ headers: { 'x-secret': '1', 'retry-after': '9' } }),
      500,
      { 'x-secret': undefined, 'retry-after': undefined },
    ],
    [
      'that break out, or are none',
      failure({
        status: 400,
        headers: {
          'x-a': 'b\r\nset-cookie: c=d',
          'x b': '1',
          'x-c': { d: 1 },
          'x-e': [],
          'x-f': ['g', 'h\n'],
          'x-i': null,
          'x-j': 'k',
        },
      }),
      400,
      {
        'x-a': undefined,
        'x b': undefined,
        'x-c': undefined,
        'x-e': undefined,
        'x-f': undefined,
        'x-i': undefined,
        'x-j': 'k',
        'set-cookie': undefined,
      },
    ],
    [
      'that are for who answers',
      failure({
        status: 400,
        headers: {
          'Content-Type': 'text/html',
          'Content-Length': '1',
          'Transfer-Encoding': 'chunked',
          'Set-Cookie': 'a=b',
          'Cache-Control': 'public',
        },
      }),
      400,
      {
        'content-type': 'application/problem+json; charset=utf-8',
        'set-cookie': undefined,
        'cache-control': 'no-store',
      },
    ],
    [
      'of another answer',
      failure({ status: 404, headers: new Headers({ 'x-upstream': 'db' }) }),
      404,
      { 'x-upstream': undefined },
    ],
    ['that are no object', failure({ status: 404, headers: 'x-a: b' }), 404, {}],
  ])('keeps the headers of an error %s', async (_what, error, status, expected) => {
    const guard: CanActivate = {
      canActivate() {
        throw error;
      },
    };
    const { get } = await startHttpApp(adapter, { http: { guards: [guard] }, logger: new RecordingNestLogger() });

    const answer = await get('/streams');

    expect(answer.status).toBe(status);
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, answer.headers[name]]))).toEqual(expected);
    expect(answer.json.status).toBe(status);
  });

  it('keeps the headers of what stands before the routes', async () => {
    const { get } = await startHttpApp(adapter, {
      logger: new RecordingNestLogger(),
      prepare: (app) => {
        const error = failure({ status: 429, headers: { 'Retry-After': '30' } });
        if (adapter === 'Express')
          app.use((_request: unknown, _response: unknown, next: (error: unknown) => void) => next(error));
        else
          (app.getHttpAdapter().getInstance() as FastifyHooks).addHook('onRequest', async () => Promise.reject(error));
      },
    });

    const answer = await get('/streams');

    expectAnswer(answer, 'TOO_MANY_REQUESTS');
    expect(answer.headers['retry-after']).toBe('30');
  });

  it('says 503 and when to reconnect, once the store is closed', async () => {
    const { get, store } = await startHttpApp(adapter);
    await store.close();

    const answer = await get('/streams');

    expectAnswer(answer, 'STORE_CLOSED');
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
  });

  it('keeps to one line in the log, whatever a name has in it', async () => {
    const logger = new RecordingNestLogger();
    const { get, post } = await startHttpApp(adapter, { logger });

    for (const name of ['a\r\nERROR faked', 'a\u001b[31m', 'a\u2028b']) {
      await get(`/streams/${encodeURIComponent(name)}`);
      await post(`/streams/${encodeURIComponent(name)}/events`, { type: name });
    }

    expect([...logger.errors, ...logger.warnings]).toEqual([]);
  });

  it('is left to the application outside of the paths of the module', async () => {
    const { send, origin } = await startHttpApp(adapter);

    const elsewhere = await send('POST', `${origin}/elsewhere`, {
      headers: { 'content-type': 'application/json' },
      body: '{',
    });

    expect(elsewhere.headers['content-type']).not.toContain('problem');
  });
});
