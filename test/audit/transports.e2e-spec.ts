import { once, type EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { type CanActivate, Controller, type ExecutionContext, Injectable, UseGuards } from '@nestjs/common';
import {
  AbstractGraphQLDriver,
  Args,
  GraphQLModule,
  GraphQLSchemaHost,
  Mutation,
  Query,
  Resolver,
} from '@nestjs/graphql';
import { ClientProxyFactory, MessagePattern, Payload, RpcException, Transport } from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { graphql } from 'graphql';
import { EventStoreModule } from 'nestjs-stream-store';
import { Audited, AuditTrail, AuditTrailModule, type AuditTrailOptions } from 'nestjs-stream-store/audit';
import { firstValueFrom, from, lastValueFrom, toArray } from 'rxjs';
import { closedAfterTest, RecordingNestLogger } from '../support/servers/nest-app.js';

/** A guard of messages has nothing but their context to say who it is. */
@Injectable()
class UserGuard implements CanActivate {
  user: { id: string } | undefined;

  canActivate(context: ExecutionContext): boolean {
    Object.assign(context.switchToRpc().getContext<object>(), { user: this.user });
    return true;
  }
}

@Controller()
class OrdersMessages {
  @UseGuards(UserGuard)
  @MessagePattern('orders.refund')
  refund(@Payload() { amount }: { amount: number }) {
    if (amount > 100) throw new RpcException('too much for card 4111');
    return { refunded: amount };
  }

  @MessagePattern('orders.list')
  list() {
    return from([1, 2, 3]);
  }
}

@WebSocketGateway()
class OrdersGateway {
  @SubscribeMessage('refund')
  refund(@MessageBody() { amount }: { amount: number }) {
    if (amount > 100) throw new WsException('too much for card 4111');
    return { event: 'refunded', data: amount };
  }
}

@Resolver()
class OrdersResolver {
  @Query(() => String)
  order(@Args('id') id: string) {
    return `order ${id}`;
  }

  @Mutation(() => Number)
  @Audited({ action: 'order.refund', params: ['amount'] })
  refund(@Args('id') _id: string, @Args('amount') amount: number) {
    if (amount > 100) throw new RangeError('too much for card 4111');
    return amount;
  }
}

/** The part of the package `ws` that is used; it has no types. */
interface Socket extends EventEmitter {
  send(text: string): void;
  terminate(): void;
}
const { WebSocket } = createRequire(import.meta.url)('ws') as {
  WebSocket: new (url: string, protocol: string) => Socket;
};

/** Makes the schema and serves it to nobody: the test asks it itself. */
@Injectable()
class NoServer extends AbstractGraphQLDriver {
  async start(): Promise<void> {}
  async stop(): Promise<void> {}
}

async function appWith(
  parts: { controllers?: (new () => object)[]; providers?: (new () => object)[]; imports?: object[] },
  options: AuditTrailOptions,
) {
  const testing = await Test.createTestingModule({
    ...parts,
    imports: [EventStoreModule.forRoot(), AuditTrailModule.forRoot(options), ...((parts.imports ?? []) as [])],
  })
    .setLogger(new RecordingNestLogger())
    .compile();
  const app = closedAfterTest(testing.createNestApplication());
  return { app, entries: () => app.get(AuditTrail).query() };
}

describe('messages of a microservice', () => {
  async function serve() {
    const { app, entries } = await appWith(
      { controllers: [OrdersMessages], providers: [UserGuard] },
      { body: ['amount', 'card'] },
    );
    // A free port, which the server tells once it listens.
    const server = app.connectMicroservice(
      { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } },
      { inheritAppConfig: true },
    );
    await app.init();
    await app.startAllMicroservices();
    const { port } = server.unwrap<import('node:net').Server>().address() as { port: number };
    const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
    return { app, entries, client };
  }

  it('are recorded with their pattern, and what is let through of their data', async () => {
    const { entries, client } = await serve();
    const answer: unknown = await firstValueFrom(client.send('orders.refund', { amount: 20, note: 'secret' }));
    const refusal: unknown = await firstValueFrom(client.send('orders.refund', { amount: 200 })).catch(
      (error: unknown) => error,
    );
    await client.close();

    expect(answer).toEqual({ refunded: 20 });
    expect(refusal).toMatchObject({ message: expect.stringContaining('too much') });
    const about = { action: 'OrdersMessages.refund', transport: 'rpc', pattern: 'orders.refund', actor: null };
    expect(await entries()).toMatchObject([
      { ...about, outcome: 'success', body: { amount: 20 } },
      { ...about, outcome: 'failure', body: { amount: 200 }, error: { name: 'Error' } },
    ]);
    expect(JSON.stringify(await entries())).not.toMatch(/secret|4111|status/);
  });

  it('are of the user whom a guard has set on their context, and never of one whom their data name', async () => {
    const { app, entries, client } = await serve();
    const message = { amount: 20, user: { id: 'mallory' } };
    await firstValueFrom(client.send('orders.refund', message));
    app.get(UserGuard).user = { id: 'ada' };
    await firstValueFrom(client.send('orders.refund', message));
    await client.close();

    expect((await entries()).map(({ actor }) => actor)).toEqual([null, 'ada']);
  });

  it('are recorded once when there are several answers, with their number', async () => {
    const { entries, client } = await serve();
    const answers = await lastValueFrom(client.send<number>('orders.list', {}).pipe(toArray()));
    await client.close();

    expect(answers).toEqual([1, 2, 3]);
    expect(await entries()).toMatchObject([{ pattern: 'orders.list', outcome: 'success', answers: 3 }]);
  });
});

describe('messages of a web socket', () => {
  it('are recorded with their pattern, and what is let through of their data', async () => {
    const actor = (context: ExecutionContext) =>
      context.switchToWs().getClient<{ protocol: string }>().protocol || null;
    const { app, entries } = await appWith({ providers: [OrdersGateway] }, { body: ['amount'], actor });
    app.useWebSocketAdapter(new WsAdapter(app));
    await app.listen(0, '127.0.0.1');
    const socket = new WebSocket((await app.getUrl()).replace('http', 'ws'), 'ada');
    await once(socket, 'open');
    const ask = async (amount: number) => {
      socket.send(JSON.stringify({ event: 'refund', data: { amount, note: 'secret' } }));
      const [message] = (await once(socket, 'message')) as [Buffer];
      return JSON.parse(message.toString()) as object;
    };
    const answers = [await ask(20), await ask(200)];
    socket.terminate();

    expect(answers).toMatchObject([{ event: 'refunded', data: 20 }, { event: 'exception' }]);
    const about = { action: 'OrdersGateway.refund', transport: 'ws', pattern: 'refund', actor: 'ada' };
    expect(await entries()).toMatchObject([
      { ...about, outcome: 'success', body: { amount: 20 } },
      { ...about, outcome: 'failure', body: { amount: 200 } },
    ]);
    expect(JSON.stringify(await entries())).not.toMatch(/secret|4111/);
  });
});

describe('fields of GraphQL', () => {
  it('are recorded with operation and field, and what is let through of their arguments', async () => {
    const imports = [GraphQLModule.forRoot({ driver: NoServer, autoSchemaFile: true })];
    const { app, entries } = await appWith({ providers: [OrdersResolver], imports }, {});
    await app.init();
    const { schema } = app.get(GraphQLSchemaHost);
    const contextValue = { req: { headers: { 'x-request-id': 'req-1' }, user: { id: 'ada' } } };
    const ask = (source: string) => graphql({ schema, source, contextValue });
    const answers = [
      await ask('{ order(id: "1") }'),
      await ask('mutation { refund(id: "secret", amount: 20) }'),
      await ask('mutation { refund(id: "secret", amount: 200) }'),
    ];

    expect(answers.map(({ data }) => ({ ...data }))).toEqual([{ order: 'order 1' }, { refund: 20 }, {}]);
    const about = { transport: 'graphql', actor: 'ada', correlationId: 'req-1' };
    const refund = { ...about, action: 'order.refund', handler: 'OrdersResolver.refund', pattern: 'mutation refund' };
    expect(await entries()).toMatchObject([
      { ...about, action: 'OrdersResolver.order', pattern: 'query order', outcome: 'success' },
      { ...refund, outcome: 'success', params: { amount: 20 } },
      { ...refund, outcome: 'failure', params: { amount: 200 }, error: { name: 'RangeError' } },
    ]);
    expect(JSON.stringify(await entries())).not.toMatch(/secret|4111/);
  });
});
