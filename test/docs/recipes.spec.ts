import { describe, expect, it } from '@jest/globals';
import { Injectable, Module, type OnApplicationShutdown, type OnModuleInit, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommandBus, CommandHandler, CqrsModule, EventBus, EventsHandler } from '@nestjs/cqrs';
import { Exclude, instanceToPlain } from 'class-transformer';
import { IsPositive } from 'class-validator';
import { ClsModule, ClsService } from 'nestjs-cls';
import { Logger, LoggerModule } from 'nestjs-pino';
import {
  DeadLetters,
  EventData,
  EventMetadata,
  EventStore,
  EventStoreModule,
  OnStreamEvent,
  type RecordedEvent,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { until } from '../support/waiting/collect.js';
import { closedAfterTest, startApp } from '../support/servers/nest-app.js';

// What docs/recipes.md says of other libraries, with these libraries.

const RETRY = { attempts: 1 };

describe('with @nestjs/cqrs', () => {
  class OrderPaid {
    constructor(readonly orderId: string) {}
  }
  class ShipOrder {
    constructor(readonly orderId: string) {}
  }

  @EventsHandler(OrderPaid)
  class FailingListener {
    handle(): void {
      throw new Error('no truck');
    }
  }

  @CommandHandler(ShipOrder)
  class FailingCommand {
    execute(): Promise<void> {
      return Promise.reject(new Error('no truck'));
    }
  }

  @Injectable()
  class Shipping {
    constructor(
      private readonly events: EventBus,
      private readonly commands: CommandBus,
    ) {}

    @OnStreamEvent('published', { durable: 'published', retry: RETRY })
    publish({ streamId }: RecordedEvent): void {
      void this.events.publish(new OrderPaid(streamId));
    }

    @OnStreamEvent('executed', { durable: 'executed', retry: RETRY })
    async ship({ streamId }: RecordedEvent): Promise<void> {
      await this.commands.execute(new ShipOrder(streamId));
    }
  }

  it('a handler that publishes sees no failure, one that executes a command does', async () => {
    const app = await startApp({
      imports: [CqrsModule.forRoot(), EventStoreModule.forRoot()],
      providers: [Shipping, FailingListener, FailingCommand],
    });
    await app.get(EventStore).append('published', { type: 'order.paid' });
    await app.get(EventStore).append('executed', { type: 'order.paid' });
    await app.get(StreamSubscriptions).whenSettled();

    const letters = await app.get(DeadLetters).list();

    expect(letters.map(({ subscription, error }) => [subscription, error.message])).toEqual([['executed', 'no truck']]);
  });
});

describe('with class-validator and class-transformer', () => {
  class PlaceOrder {
    euros = 20;
    @Exclude() cardNumber = '4111 1111 1111 1111';
  }

  it('what @Exclude() hides is kept, unless the instance is made plain first', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot()] });
    const store = app.get(EventStore);
    await store.append('orders', { type: 'as it is', data: new PlaceOrder() });
    await store.append('orders', { type: 'plain', data: instanceToPlain(new PlaceOrder()) });

    const [asItIs, plain] = await store.readStream('orders');

    expect(asItIs.data).toEqual({ euros: 20, cardNumber: '4111 1111 1111 1111' });
    expect(plain.data).toEqual({ euros: 20 });
  });

  it('a pipe of the parameter checks the data before the handler gets it', async () => {
    class OrderPlaced {
      @IsPositive() euros!: number;
    }
    const checked = new ValidationPipe({ transform: true, validateCustomDecorators: true });
    const seen: unknown[] = [];

    @Injectable()
    class Billing {
      @OnStreamEvent('orders', { durable: 'billing', retry: RETRY })
      bill(@EventData(checked) order: OrderPlaced): void {
        seen.push(order instanceof OrderPlaced, order.euros);
      }
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Billing] });
    await app.get(EventStore).append('orders', { type: 'order.placed', data: { euros: 20 } });
    await app.get(EventStore).append('orders', { type: 'order.placed', data: { euros: -1 } });
    await app.get(StreamSubscriptions).whenSettled();

    expect(seen).toEqual([true, 20]);
    expect(await app.get(DeadLetters).count()).toBe(1);
  });
});

it('with nestjs-cls, a handler begins in an empty context, and enters what the metadata say', async () => {
  type Tenants = { tenant: string };
  const seen: unknown[] = [];

  @Injectable()
  class Orders {
    constructor(
      readonly store: EventStore,
      readonly cls: ClsService<Tenants>,
    ) {}

    async place(id: string): Promise<void> {
      const tenant = this.cls.get('tenant');
      await this.store.append(`order-${id}`, { type: 'order.placed', metadata: { tenant } });
    }

    @OnStreamEvent({ streams: 'order-*' }, { durable: 'order-table' })
    async list(@EventMetadata('tenant') tenant: string): Promise<void> {
      seen.push(this.cls.isActive());
      await this.cls.runWith({ tenant }, async () => {
        await Promise.resolve();
        seen.push(this.cls.get('tenant'));
      });
    }
  }
  const app = await startApp({
    imports: [ClsModule.forRoot({ global: true }), EventStoreModule.forRoot()],
    providers: [Orders],
  });
  const orders = app.get(Orders);
  for (const tenant of ['a', 'b']) await orders.cls.runWith({ tenant }, () => orders.place(tenant));
  await app.get(StreamSubscriptions).whenSettled();

  expect(seen).toEqual([false, 'a', false, 'b']);
});

it('with nestjs-pino, what the store logs has members, and nothing of the data', async () => {
  const lines: Record<string, unknown>[] = [];
  const stream = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };

  @Injectable()
  class Billing {
    @OnStreamEvent('orders', { durable: 'billing', retry: { attempts: 2, initialDelayMs: 0 } })
    bill(): void {
      throw new Error('no stamps left');
    }
  }
  @Module({
    imports: [LoggerModule.forRoot({ pinoHttp: { stream } }), EventStoreModule.forRoot()],
    providers: [Billing],
  })
  class AppModule {}
  const app = closedAfterTest(await NestFactory.createApplicationContext(AppModule, { bufferLogs: true }));
  app.useLogger(app.get(Logger));
  await app.get(EventStore).append('orders', { type: 'placed', id: 'event-7', data: { card: '4111' } });
  await app.get(StreamSubscriptions).whenSettled();

  const ofEvent = { handler: 'billing', event: 'event-7', stream: 'orders', position: 1 };
  expect(lines.filter(({ event }) => event !== undefined)).toMatchObject([
    { level: 40, ...ofEvent, attempt: 1, msg: expect.stringContaining('billing failed at attempt 1 of 2') },
    { level: 50, ...ofEvent, attempt: 2, err: { stack: expect.stringContaining('Billing.bill') } },
  ]);
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 30, msg: expect.stringMatching(/^Store "memory-store"/) }),
  );
  expect(JSON.stringify(lines)).not.toContain('4111');
});

it('a client that ends in onApplicationShutdown, as the one for Prisma, serves handlers to their end', async () => {
  // In the place of PrismaClient, whose engine is no package of the registry: what counts is when it ends.
  class Client {
    isConnected = false;

    async $connect(): Promise<void> {
      this.isConnected = true;
    }

    async $disconnect(): Promise<void> {
      this.isConnected = false;
    }
  }
  @Injectable()
  class PrismaService extends Client implements OnModuleInit, OnApplicationShutdown {
    async onModuleInit(): Promise<void> {
      await this.$connect();
    }

    async onApplicationShutdown(): Promise<void> {
      await this.$disconnect();
    }
  }
  let goOn!: () => void;
  const seen: unknown[] = [];

  @Injectable()
  class Tables {
    constructor(private readonly prisma: PrismaService) {}

    @OnStreamEvent('orders', { durable: 'tables' })
    async insert(): Promise<void> {
      await new Promise<void>((resolve) => (goOn = resolve));
      seen.push(this.prisma.isConnected);
    }
  }
  const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [PrismaService, Tables] });
  await app.get(EventStore).append('orders', { type: 'order.placed' });
  await until(() => goOn !== undefined, 'the call');
  const closed = app.close();
  goOn();
  await closed;

  expect(seen).toEqual([true]);
  expect(app.get(PrismaService).isConnected).toBe(false);
});
