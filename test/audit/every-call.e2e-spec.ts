import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, HttpException, Post, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { EventStore, EventStoreModule, memoryEngine, type StorageEngine } from 'nestjs-stream-store';
import { Audited, AuditTrail, AuditTrailModule, type AuditTrailOptions } from 'nestjs-stream-store/audit';
import { Subject } from 'rxjs';
import { aroundEngine } from '../support/engines/around-engine.js';
import { closedAfterTest, RecordingNestLogger } from '../support/servers/nest-app.js';

let handled = 0;
let thrown: unknown;
let answers = new Subject<string>();

@Controller('orders')
class OrdersController {
  @Post()
  @Audited({ action: 'order.place', body: ['order', 'amount'], query: ['q'] })
  place(@Body() _order: object) {
    handled++;
    return { isPlaced: true };
  }

  @Post('fail')
  fail(): never {
    handled++;
    throw thrown;
  }

  @Get('shared')
  shared() {
    handled++;
    return answers;
  }
}

const User = { current: undefined as unknown, request: new AsyncLocalStorage<string>() };

class UserGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    Object.assign(context.switchToHttp().getRequest<object>(), { user: User.current });
    return true;
  }
}

const engineThat = (refuses: (data: string) => boolean): StorageEngine => {
  const engine = memoryEngine();
  return {
    ...aroundEngine((_verb, ask) => ask(), engine),
    append(request) {
      if (request.events.some(({ data }) => refuses(data))) throw new Error('the disk does not like it');
      return engine.append(request);
    },
  };
};

describe.each(['express', 'fastify'])('no caller keeps a call out of the trail: on %s', (platform) => {
  async function serve(options: AuditTrailOptions = {}, engine: StorageEngine = memoryEngine()) {
    const logger = new RecordingNestLogger();
    const testing = await Test.createTestingModule({
      imports: [EventStoreModule.forRoot({ engine }), AuditTrailModule.forRoot(options)],
      controllers: [OrdersController],
    })
      .setLogger(logger)
      .compile();
    const app =
      platform === 'fastify'
        ? testing.createNestApplication(new FastifyAdapter())
        : testing.createNestApplication<NestExpressApplication>();
    closedAfterTest(app);
    app.useGlobalGuards(new UserGuard());
    app.use((request: { headers: Record<string, string> }, _response: unknown, next: () => void) => {
      User.request.run(request.headers['x-name'] ?? 'nobody', next);
    });
    await app.listen(0, '127.0.0.1');
    const url = `${await app.getUrl()}/orders`;
    const post = (path: string, body: string, headers: Record<string, string> = {}) =>
      fetch(url + path, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
    handled = 0;
    return { app, logger, url, post, trail: app.get(AuditTrail), store: app.get(EventStore) };
  }

  it.each<[string, string]>([
    ['half of a surrogate pair in a name', '{"order":{"\\ud800":1},"amount":1000000}'],
    ['it in a name deep inside', '{"order":{"a":[{"b\\udfff":[{"\\ud800\\ud800":1}]}]},"amount":1000000}'],
    ['it in a value', '{"order":["\\udfff\\ud800"],"amount":1000000}'],
    ['a name that an object has', '{"order":{"hasOwnProperty":1,"toJSON":"x","constructor":1},"amount":1000000}'],
    ['more levels than JSON text may have', `{"order":${'['.repeat(5_000)}${']'.repeat(5_000)},"amount":1000000}`],
    ['thousands of members', `{"order":[${'{"a":[1,2,3]},'.repeat(5_000)}0],"amount":1000000}`],
    ['a control character', '{"order":"\\u0000\\u0001","amount":1000000}'],
  ])('by %s', async (_what, body) => {
    for (const hashChain of [false, true]) {
      const { post, trail } = await serve({ hashChain, onFailure: 'fail-request' });

      expect([(await post('', body)).status, handled]).toEqual([201, 1]);
      const entries = await trail.query();
      expect(entries).toMatchObject([{ action: 'order.place', outcome: 'success', body: { amount: 1_000_000 } }]);
      expect(entries[0].incomplete).toBeUndefined();
    }
  });

  it.each<[string, unknown, unknown]>([
    ['a bigint', { id: 9223372036854775807n }, '9223372036854775807'],
    ['a bigint as subject', { sub: 7n }, '7'],
    ['half of a surrogate pair', { id: 'a\ud800' }, 'a\ufffd'],
    ['an object with both', { id: { tenant: 7n, '\udfff': '\udfff' } }, { tenant: '7', '\ufffd': '\ufffd' }],
    ['a number that JSON has not', { id: NaN }, 'NaN'],
    ['a map', { id: new Map() }, '[Map]'],
    ['a symbol', { id: Symbol('ada') }, '[symbol]'],
    ['a buffer', { id: Buffer.from('ada') }, '[Buffer]'],
    ['an id that states itself', { id: { bytes: Buffer.from('x'), toJSON: () => '65b1' } }, '65b1'],
    ['sixteen digits', { id: '4111111111111111' }, '4111111111111111'],
    ['a number of sixteen digits', { id: 4_111_111_111_111_111 }, 4_111_111_111_111_111],
  ])('by an id that is %s', async (_what, user, actor) => {
    User.current = user;
    try {
      const { post, trail } = await serve({ onFailure: 'fail-request' });
      await post('', '{"amount":1}');

      expect(await trail.query()).toMatchObject([{ actor, body: { amount: 1 } }]);
      expect(await trail.query({ actor: actor as never })).toHaveLength(1);
      if (typeof actor === 'string') expect(await trail.query({ actor: 'somebody' })).toEqual([]);
    } finally {
      User.current = undefined;
    }
  });

  it('finds the records of a user by an id that is a bigint', async () => {
    User.current = { id: 7n };
    const { post, trail } = await serve();
    await post('', '{"amount":1}');
    User.current = undefined;

    expect(await trail.query({ actor: 7n })).toMatchObject([{ actor: '7' }]);
    expect(await trail.query({ actor: 8n })).toEqual([]);
  });

  it.each<[string, unknown, object]>([
    ['whose name is cut within a character', named(`${'x'.repeat(99)}😀`), { name: `${'x'.repeat(99)}…` }],
    ['whose name has half of one', named('\ud800'), { name: '\ufffd' }],
    [
      'whose code is cut within a character',
      named('E', `${'y'.repeat(99)}😀`),
      { name: 'E', code: `${'y'.repeat(99)}…` },
    ],
    ['whose name holds a secret', named('token=TELL'), { name: 'token=[redacted]' }],
    ['that is no error', 'a text', { name: 'string' }],
    ['that is undefined', undefined, { name: 'undefined' }],
    ['that cannot be read', unreadable(), { name: 'object' }],
    ['whose status is none', strangeStatus(NaN), { name: 'HttpException' }],
    ['whose status is unknown', strangeStatus('500' as never), { name: 'HttpException' }],
  ])('by an error %s', async (_what, error, right) => {
    thrown = error;
    const { post, trail } = await serve();
    await post('/fail', '{}').catch(() => undefined);

    expect(await trail.query()).toMatchObject([{ outcome: 'failure', status: 500, error: right }]);
  });

  it('by what the application makes of the fields', async () => {
    const { post, trail } = await serve({
      redact: (_path, value) => (value === 'big' ? (5n as never) : '\ud800'),
      correlationId: () => '\udfff',
    });
    await post('', '{"order":["big","half"]}');

    expect(await trail.query()).toMatchObject([{ body: { order: ['5', '\ufffd'] }, correlationId: '\ufffd' }]);
  });

  it('by a field for which the application throws: it is left out, and named', async () => {
    const redact = (path: string, value: unknown) => {
      if (path.startsWith('body.order')) throw new Error(`not today: ${path}`);
      return value as never;
    };
    const { post, trail, logger } = await serve({ redact });

    expect((await post('', '{"order":{"a":1},"amount":5}')).status).toBe(201);
    expect(await trail.query()).toMatchObject([{ body: { amount: 5 }, incomplete: ['body.order'] }]);
    expect(logger.errors).toMatchObject([{ message: expect.stringContaining('not today: body.order.a') }]);
  });

  it.each([false, true])(
    'by what the store refuses: it is kept without the fields (hash chain: %s)',
    async (hashChain) => {
      const { post, trail, logger } = await serve(
        { hashChain, onFailure: 'fail-request' },
        engineThat((data) => data.includes('poison')),
      );
      const statuses = (
        await Promise.all(['"a"', '"poison"', '"b"'].map((order) => post('', `{"order":${order}}`)))
      ).map(({ status }) => status);

      expect(statuses).toEqual([201, 201, 201]);
      const entries = await trail.query();
      expect(entries.map(({ body }) => body?.order).sort()).toEqual(['a', 'b', undefined]);
      expect(entries.find(({ body }) => !body)).toMatchObject({
        action: 'order.place',
        status: 201,
        incomplete: ['body'],
      });
      expect(logger.warnings.join()).toContain('without its body');
      if (hashChain) expect(await trail.verify()).toMatchObject({ isIntact: true, verified: 3 });
    },
  );

  it('by an id of the request that is a token', async () => {
    const { post, trail } = await serve();
    await post('', '{}', { 'x-request-id': 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.dBjftJeZ4CVP' });

    expect((await trail.query())[0].correlationId).toMatch(/^[\da-f-]{36}$/);
  });

  it('and its functions are asked in the context of its own request', async () => {
    const seen: [string, string | undefined][] = [];
    answers = new Subject();
    const note = (what: string) => seen.push([what, User.request.getStore()]);
    const { url, trail } = await serve({
      hashChain: true,
      actor: async (context: ExecutionContext) => {
        note('actor');
        const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
        return headers['x-name'];
      },
      correlationId: () => void note('correlationId'),
      redact: (_path, value) => {
        note('redact');
        return value;
      },
      stream: () => `trail-of-${User.request.getStore() ?? 'nobody'}`,
      query: ['q'],
    });
    const ask = (name: string) => fetch(`${url}/shared?q=1`, { headers: { 'x-name': name } });
    const asked = [ask('ada'), ask('bob')];
    while (handled < 2 || !answers.observed) await new Promise((resolve) => setImmediate(resolve));
    // Both end in a context that is neither's.
    User.request.run('mallory', () => {
      answers.next('done');
      answers.complete();
    });
    await Promise.all(asked);

    expect(seen.filter(([what]) => what === 'redact')).toHaveLength(2);
    expect(seen.map(([, name]) => name).sort()).toEqual(['ada', 'ada', 'ada', 'bob', 'bob', 'bob']);
    const entries = await trail.query();
    expect(entries.map(({ actor, streamId }) => [actor, streamId]).sort()).toEqual([
      ['ada', 'trail-of-ada'],
      ['bob', 'trail-of-bob'],
    ]);
  });
});

describe('a record of a job', () => {
  it('is kept with whole characters only, and refused for what JSON cannot hold', async () => {
    const testing = await Test.createTestingModule({
      imports: [EventStoreModule.forRoot(), AuditTrailModule.register({ hashChain: true })],
    }).compile();
    const trail = (await closedAfterTest(testing).init()).get(AuditTrail);
    const about = { handler: 'Job', transport: 'job', outcome: 'success', durationMs: 1, correlationId: 'c' } as const;
    await trail.record({ ...about, actor: { '\ud800': ['\udfff'] }, action: 'a\ud800' });
    const refused = await trail.record({ ...about, actor: NaN, action: '\ud800' }).catch((error: unknown) => error);

    expect(await trail.query()).toMatchObject([{ actor: { '\ufffd': ['\ufffd'] }, action: 'a\ufffd' }]);
    expect(refused).toMatchObject({ code: 'VALIDATION_FAILED' });
    expect(await trail.verify()).toMatchObject({ isIntact: true, verified: 1 });
  });
});

function named(name: string, code?: string): Error {
  return Object.assign(new Error('no'), { name, code });
}

function unreadable(): object {
  return {
    get name(): never {
      throw new Error('no name');
    },
    get code(): never {
      throw new Error('no code');
    },
    getStatus(): never {
      throw new Error('no status');
    },
  };
}

function strangeStatus(status: number): HttpException {
  class StrangeException extends HttpException {
    override getStatus(): number {
      return status;
    }
  }
  return Object.assign(new StrangeException('no', 500), { name: 'HttpException' });
}
