import { request as httpRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import {
  Body,
  Controller,
  Get,
  HttpCode,
  Injectable,
  NotFoundException,
  Param,
  ParseIntPipe,
  Post,
  Req,
  Sse,
  StreamableFile,
  UseGuards,
  UseInterceptors,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { EventStore, EventStoreModule, OnStreamEvent } from 'nestjs-stream-store';
import {
  AUDIT_EVENT_TYPE,
  Audited,
  AuditTrail,
  AuditTrailInterceptor,
  AuditTrailModule,
  SkipAudit,
  type AuditTrailOptions,
} from 'nestjs-stream-store/audit';
import { ManualClock, whenSettled } from 'nestjs-stream-store/testing';
import { Subject, of } from 'rxjs';
import { closedAfterTest, RecordingNestLogger } from '../support/servers/nest-app.js';

@Injectable()
class UserGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: unknown }>();
    request.user = { id: request.headers['x-user'] ?? 'nobody', password: 'hash' };
    return request.headers['x-user'] !== 'mallory';
  }
}

const ticks = new Subject<number>();
let tickers = 0;
let hold: Promise<void> | undefined;
let slow = 0;
let leaving = 0;

/** Asks until there is an answer, and lets the event loop turn in between. */
async function until<T>(ask: () => T | false | Promise<T | false>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

@Controller('orders')
@UseGuards(UserGuard)
class OrdersController {
  @Get(':id')
  find(@Param('id') id: string) {
    if (id === 'none') throw new NotFoundException('No order of secret-customer');
    return { id };
  }

  @Post(':id/refund')
  @HttpCode(202)
  @Audited({ action: 'order.refund', body: ['amount', 'customer.id', 'customer.password'], query: ['reason'] })
  refund(@Param('id', ParseIntPipe) id: number, @Body() body: { amount: number }) {
    body.amount = 0;
    return { refunded: id };
  }

  @Post(':id/break')
  break(): never {
    throw Object.assign(new RangeError('card 4111 1111 1111 1111 declined'), { code: 'CARD_DECLINED' });
  }

  @Get(':id/slow')
  async slow() {
    slow++;
    await hold;
    return 'done';
  }

  @Get(':id/leaving')
  async leaving(@Req() request: IncomingMessage & { readonly raw?: IncomingMessage }) {
    leaving++;
    const { socket } = request.raw ?? request;
    if (!socket.destroyed) await once(socket, 'close');
    return 'too late';
  }

  @Get(':id/file')
  file() {
    return new StreamableFile(Buffer.from('a file'));
  }

  @Sse(':id/ticks')
  ticks() {
    tickers++;
    return ticks;
  }

  @Get(':id/observed')
  observed() {
    return of('one');
  }

  @SkipAudit()
  @Get(':id/quiet')
  quiet() {
    return 'quiet';
  }

  @Get(':id/twice')
  @UseInterceptors(AuditTrailInterceptor)
  twice() {
    return 'once';
  }
}

@Controller('health')
@SkipAudit()
class HealthController {
  @Get()
  check() {
    return 'ok';
  }

  @Get('deep')
  @Audited()
  deep() {
    return 'ok';
  }
}

@Injectable()
class Watcher {
  readonly seen: string[] = [];

  @OnStreamEvent({ all: true })
  watch({ type }: { type: string }): void {
    this.seen.push(type);
  }
}

describe.each(['express', 'fastify'])('the audit trail on %s', (platform) => {
  async function serve(options: AuditTrailOptions = {}, how: 'forRoot' | 'register' = 'forRoot') {
    const clock = new ManualClock('2024-01-31T23:59:59.500Z');
    const logger = new RecordingNestLogger();
    const testing = await Test.createTestingModule({
      imports: [EventStoreModule.forRoot({ clock }), AuditTrailModule[how](options)],
      controllers: [OrdersController, HealthController],
      providers: [Watcher],
    })
      .setLogger(logger)
      .compile();
    const app =
      platform === 'fastify' ? testing.createNestApplication(new FastifyAdapter()) : testing.createNestApplication();
    closedAfterTest(app);
    app.setGlobalPrefix('api');
    await app.listen(0, '127.0.0.1');
    const url = `${await app.getUrl()}/api`;
    const trail = app.get(AuditTrail);
    const get = (path: string, headers: Record<string, string> = {}) => fetch(url + path, { headers });
    const post = (path: string, body: object, headers: Record<string, string> = {}) =>
      fetch(url + path, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      });
    const entries = () => trail.query({ limit: 0 });
    const last = async () => (await entries()).at(-1)!;
    return { app, clock, logger, trail, url, get, post, entries, last, store: app.get(EventStore) };
  }

  it('says who did what, when, with which outcome, and nothing else of the request', async () => {
    const { get, store, clock } = await serve();
    const answer = await get('/orders/42?token=secret', {
      'x-user': 'ada',
      authorization: 'Bearer secret',
      'x-request-id': 'req-1',
    });

    expect([answer.status, await answer.json()]).toEqual([200, { id: '42' }]);
    const events = await store.readStream('audit-2024-01-31');
    expect(events).toMatchObject([{ type: AUDIT_EVENT_TYPE, timestamp: new Date(clock.now()), metadata: {} }]);
    expect(events[0].data).toEqual({
      actor: 'ada',
      action: 'OrdersController.find',
      handler: 'OrdersController.find',
      transport: 'http',
      method: 'GET',
      route: '/api/orders/:id',
      outcome: 'success',
      status: 200,
      durationMs: expect.any(Number),
      correlationId: 'req-1',
    });
  });

  it('keeps what the lists let through, as it was when the call came', async () => {
    const { post, last } = await serve({ params: ['id'], headers: ['User-Agent', 'x-none'], body: ['nothing'] });
    await post(
      '/orders/42/refund?reason=late&token=secret',
      {
        amount: 20,
        customer: { id: 7, name: 'Ada', password: 'secret' },
        card: '4111',
      },
      { 'user-agent': 'shop/1.0' },
    );

    const entry = await last();
    expect(entry).toMatchObject({
      action: 'order.refund',
      handler: 'OrdersController.refund',
      method: 'POST',
      route: '/api/orders/:id/refund',
      outcome: 'success',
      status: 202,
    });
    expect([entry.params, entry.query, entry.headers, entry.body]).toEqual([
      { id: '42' },
      { reason: 'late' },
      { 'user-agent': 'shop/1.0' },
      { amount: 20, 'customer.id': 7, 'customer.password': '[redacted]' },
    ]);
    expect(JSON.stringify(entry)).not.toMatch(/secret|4111|Ada/);
  });

  it('keeps of a failure the status, and the name and code of the error, not its message', async () => {
    const { get, post, entries, store } = await serve();
    const answers = [await get('/orders/none'), await post('/orders/1/break', {}), await post('/orders/x/refund', {})];

    expect(answers.map(({ status }) => status)).toEqual([404, 500, 400]);
    expect((await entries()).map(({ outcome, status, error }) => ({ outcome, status, error }))).toEqual([
      { outcome: 'failure', status: 404, error: { name: 'NotFoundException' } },
      { outcome: 'failure', status: 500, error: { name: 'RangeError', code: 'CARD_DECLINED' } },
      { outcome: 'failure', status: 400, error: { name: 'BadRequestException' } },
    ]);
    expect(JSON.stringify(await store.readAll())).not.toMatch(/4111|secret-customer/);
  });

  it('has its record before the caller has the answer', async () => {
    const { get, trail } = await serve();
    await get('/orders/1/observed');

    expect(await trail.query()).toHaveLength(1);
  });

  it('does not see what a guard refuses, nor a route that there is not', async () => {
    const { get, entries } = await serve();
    const answers = [await get('/orders/42', { 'x-user': 'mallory' }), await get('/nowhere')];

    expect(answers.map(({ status }) => status)).toEqual([403, 404]);
    expect(await entries()).toEqual([]);
  });

  it('leaves out what is marked so: method before class', async () => {
    const { get, entries } = await serve();
    await get('/orders/1/quiet');
    await get('/health');
    await get('/health/deep');

    expect((await entries()).map(({ handler }) => handler)).toEqual(['HealthController.deep']);
  });

  it('leaves out what the application says of handlers without a mark', async () => {
    const { get, post, entries } = await serve({ skip: (context) => context.getClass() === OrdersController });
    await get('/orders/1');
    await post('/orders/1/refund', {});

    expect((await entries()).map(({ handler }) => handler)).toEqual(['OrdersController.refund']);
  });

  it('takes what is marked only, when it was registered', async () => {
    const { get, post, entries } = await serve({}, 'register');
    await get('/orders/1');
    await post('/orders/1/refund', {});

    expect((await entries()).map(({ handler }) => handler)).toEqual(['OrdersController.refund']);
  });

  it('records a call once, also with a second interceptor in front of it', async () => {
    const { get, entries } = await serve();
    await get('/orders/1/twice');

    expect(await entries()).toHaveLength(1);
  });

  it('never audits the handlers of events, which would see their own records', async () => {
    const { app, get, entries } = await serve();
    await get('/orders/1');
    await whenSettled(app);

    expect(app.get(Watcher).seen).toEqual([AUDIT_EVENT_TYPE]);
    expect(await entries()).toHaveLength(1);
  });

  it('ties records to traces, or gives them an id of their own', async () => {
    const { get, entries } = await serve();
    await get('/orders/1', { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' });
    await get('/orders/1', { 'x-request-id': 'a b\u00ff<script>' });

    const [traced, own] = (await entries()).map(({ correlationId }) => correlationId);
    expect(traced).toBe('0af7651916cd43dd8448eb211c80319c');
    expect(own).toMatch(/^[\da-f-]{36}$/);
  });

  it('lets the application say who it was, which id, which stream, and what to redact', async () => {
    const { get, store } = await serve({
      actor: async () => ({ tenant: 't1', user: 'ada' }),
      correlationId: () => 'mine',
      stream: (at) => `trail-of-${at.getUTCFullYear()}`,
      params: ['id'],
      redact: (path, value) => (path === 'params.id' ? `#${(value as string).length}` : value),
    });
    await get('/orders/12345');

    expect((await store.readStream('trail-of-2024'))[0].data).toMatchObject({
      actor: { tenant: 't1', user: 'ada' },
      correlationId: 'mine',
      params: { id: '#5' },
    });
  });

  it('begins a new stream with each day, by the time at which the call began', async () => {
    const { get, clock, store } = await serve();
    await get('/orders/1');
    clock.jump(500);
    await get('/orders/2');
    let release!: () => void;
    hold = new Promise((resolve) => (release = resolve));
    const before = slow;
    const answer = get('/orders/3/slow');
    await until(() => slow > before);
    clock.jump(24 * 3_600_000);
    release();
    await answer;

    const streams = (await store.getStreams()).map(({ streamId, eventCount }) => [streamId, eventCount]);
    expect(streams).toEqual([
      ['audit-2024-01-31', 1],
      ['audit-2024-02-01', 2],
    ]);
  });

  it('notes of a live stream how many answers it gave until the client left', async () => {
    const { get, url, entries } = await serve();
    const before = tickers;
    const client = new AbortController();
    const answer = await fetch(`${url}/orders/1/ticks`, { signal: client.signal });
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    const text = async () => new TextDecoder().decode((await reader.read()).value);
    await until(() => tickers > before && ticks.observed);
    ticks.next(1);
    ticks.next(2);
    let seen = '';
    while (!seen.includes('data: 2')) seen += await text();
    client.abort();
    const all = await until(async () => {
      const found = await entries();
      return found.length > 0 && found;
    });

    expect(all).toMatchObject([{ handler: 'OrdersController.ticks', outcome: 'aborted', answers: 2, status: 200 }]);
    await get('/orders/1');
  });

  it('notes that the client had left before the answer', async () => {
    const { url, entries } = await serve();
    const before = leaving;
    const call = httpRequest(`${url}/orders/1/leaving`);
    call.on('error', () => undefined).end();
    await until(() => leaving > before);
    call.destroy();
    const all = await until(async () => {
      const found = await entries();
      return found.length > 0 && found;
    });

    expect(all).toMatchObject([{ outcome: 'success', clientGone: true }]);
  });

  it('lets files through', async () => {
    const { get, last } = await serve();

    expect(await (await get('/orders/1/file')).text()).toBe('a file');
    expect(await last()).toMatchObject({ handler: 'OrdersController.file', outcome: 'success' });
  });
});
