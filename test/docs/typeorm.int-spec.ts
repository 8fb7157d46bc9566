import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import {
  DeadLetters,
  EventStore,
  EventStoreModule,
  OnStreamEvent,
  type RecordedEvent,
  type StreamEventContext,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { postgresEngine, type PostgresTransaction } from 'nestjs-stream-store/postgres';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { RecordingNestLogger, startApp } from '../support/servers/nest-app.js';
import { usePostgres } from '../support/engines/postgres-stores.js';

// What docs/recipes.md says of TypeORM, with TypeORM.

const { server } = usePostgres();

describe('a store on the pool of TypeORM', () => {
  async function start(schema: string, orders: new (...args: never[]) => object, logger?: RecordingNestLogger) {
    return startApp(
      {
        imports: [
          TypeOrmModule.forRoot({ type: 'postgres', url: server().url, poolSize: 8, retryAttempts: 0 }),
          EventStoreModule.forRootAsync({
            inject: [getDataSourceToken()],
            useFactory: (source: DataSource) => ({
              engine: postgresEngine({ pool: (source.driver as unknown as { master: Pool }).master, schema }),
            }),
          }),
        ],
        providers: [orders],
      },
      logger,
    );
  }

  it('lets a handler write with its transaction what TypeORM reads, exactly once', async () => {
    const schema = server().newSchema();
    const table = `"${schema}".orders`;

    @Injectable()
    class Orders {
      failures = 1;

      @OnStreamEvent({ streams: 'order-*' }, { durable: 'orders', transaction: true, retry: { initialDelayMs: 1 } })
      async add({ streamId }: RecordedEvent, { transaction }: StreamEventContext<PostgresTransaction>): Promise<void> {
        await transaction.query(`INSERT INTO ${table} (id) VALUES ($1)`, [streamId]);
        if (this.failures-- > 0) throw new Error('after the insert');
      }
    }
    const app = await start(schema, Orders);
    const source = app.get<DataSource>(getDataSourceToken());
    await source.query(`CREATE TABLE ${table} (id text)`);

    await app.get(EventStore).append('order-1', { type: 'order.placed' });
    await app.get(EventStore).append('order-2', { type: 'order.placed' });
    await app.get(StreamSubscriptions).whenSettled();

    expect(await source.query(`SELECT id FROM ${table} ORDER BY id`)).toEqual([{ id: 'order-1' }, { id: 'order-2' }]);
    expect(await app.get(DeadLetters).count()).toBe(0);
  });

  it('ends with the application, without a word, and is there again at the next start', async () => {
    const schema = server().newSchema();
    const logger = new RecordingNestLogger();

    @Injectable()
    class Counting {
      static seen = 0;

      @OnStreamEvent('orders', { durable: 'counting' })
      count(): void {
        Counting.seen++;
      }
    }
    const first = await start(schema, Counting, logger);
    await first.get(EventStore).append('orders', { type: 'order.placed' });
    await first.get(StreamSubscriptions).whenSettled();
    await first.close();

    const next = await start(schema, Counting, logger);
    await next.get(EventStore).append('orders', { type: 'order.placed' });
    await next.get(StreamSubscriptions).whenSettled();
    await next.close();

    expect(Counting.seen).toBe(2);
    expect(logger.errors).toEqual([]);
    expect(logger.warnings.filter((warning) => !warning.includes('fsync'))).toEqual([]);
  });
});
