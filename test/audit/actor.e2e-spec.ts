import { describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, type NestModule, type MiddlewareConsumer } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { EventStoreModule } from 'nestjs-stream-store';
import { AuditTrail, AuditTrailModule } from 'nestjs-stream-store/audit';
import { ADAPTERS, adapterOf, type AdapterName } from '../http/http-app.js';
import { closedAfterTest, RecordingNestLogger } from '../support/servers/nest-app.js';

@Controller('orders')
class Orders {
  @Get()
  list() {
    return [];
  }
}

type WithUser = { user?: unknown; raw?: { user?: unknown } };
type Next = () => void;

/** The part of a Fastify instance that is used here. */
interface FastifyHooks {
  decorateRequest(name: string, value: null): void;
  addHook(name: string, hook: (request: WithUser) => Promise<void>): void;
}

const setUser =
  (user: unknown) =>
  (request: WithUser, _response: unknown, next: Next): void => {
    request.user = user;
    next();
  };

/** Of Nest: it gets the request of Fastify in its raw form. */
function behindMiddleware(user: unknown) {
  return class Behind implements NestModule {
    configure(consumer: MiddlewareConsumer): void {
      consumer.apply(setUser(user)).forRoutes('*path');
    }
  };
}

describe.each(ADAPTERS)('on %s, the actor of a record is the user whom', (adapter) => {
  it('middleware of a module has set', async () => {
    expect(await actorOf(adapter, { module: behindMiddleware({ id: 'ada' }) })).toBe('ada');
    expect(await actorOf(adapter, { module: behindMiddleware({ sub: 'grace' }) })).toBe('grace');
    expect(await actorOf(adapter, { module: behindMiddleware({ id: 0 }) })).toBe(0);
  });

  it('middleware of the application has set', async () => {
    expect(await actorOf(adapter, { prepare: (app) => app.use(setUser({ id: 'ada' })) })).toBe('ada');
  });

  it('nobody has set: null', async () => {
    expect(await actorOf(adapter, {})).toBeNull();
    expect(await actorOf(adapter, { module: behindMiddleware('ada') })).toBeNull();
    expect(await actorOf(adapter, { module: behindMiddleware(null) })).toBeNull();
  });
});

describe('on Fastify, the actor of a record is the user whom', () => {
  const hook = (set: (request: WithUser) => void) => (app: INestApplication) => {
    const fastify = app.getHttpAdapter().getInstance() as FastifyHooks;
    fastify.decorateRequest('user', null);
    fastify.addHook('onRequest', async (request) => set(request));
  };

  it('a hook has set on the request', async () => {
    expect(await actorOf('Fastify', { prepare: hook((request) => (request.user = { id: 'ada' })) })).toBe('ada');
  });

  it('a hook has set on the raw request', async () => {
    expect(await actorOf('Fastify', { prepare: hook(({ raw }) => (raw!.user = { id: 'ada' })) })).toBe('ada');
  });

  it('is on the request where the raw one has another', async () => {
    const both = hook((request) => {
      request.user = { sub: 'ada' };
      request.raw!.user = { id: 'grace' };
    });
    expect(await actorOf('Fastify', { prepare: both })).toBe('ada');
  });
});

interface Scene {
  readonly module?: new () => object;
  readonly prepare?: (app: INestApplication) => void;
}

/** Who has asked for the orders, by the trail. */
async function actorOf(adapter: AdapterName, { module, prepare }: Scene): Promise<unknown> {
  class Main {}
  const testing = await Test.createTestingModule({
    imports: [
      EventStoreModule.forRoot(),
      AuditTrailModule.forRoot(),
      { module: module ?? Main, controllers: [Orders] },
    ],
  })
    .setLogger(new RecordingNestLogger())
    .compile();
  const app = closedAfterTest(testing.createNestApplication(adapterOf(adapter)));
  prepare?.(app);
  await app.listen(0, '127.0.0.1');
  expect((await fetch(`${await app.getUrl()}/orders`)).status).toBe(200);
  const [{ actor }] = await app.get(AuditTrail).query({});
  return actor;
}
