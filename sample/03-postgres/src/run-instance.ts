import { NestFactory } from '@nestjs/core';
import { StreamSubscriptions } from 'nestjs-stream-store';
import pg from 'pg';
import { AppModule } from './app.module.js';
import type { DatabaseSchema } from './database.js';
import type { Instance } from './instance.js';
import { OrderDesk } from './order-desk.service.js';

/** Runs one instance of the application in this process: until it is to close, and all orders are packed. */
export async function runInstance(
  instance: Instance,
  { url, schema }: DatabaseSchema,
  closing: AbortSignal,
): Promise<void> {
  const pool = new pg.Pool({ connectionString: url });
  // Without a listener, a connection that breaks while nobody uses it would end the process.
  pool.on('error', (error) => console.warn(error.message));
  const app = await NestFactory.createApplicationContext(AppModule.of(instance, pool, schema), {
    logger: ['warn', 'error'],
  });
  const subscriptions = app.get(StreamSubscriptions);
  const [{ state }] = await subscriptions.list();
  instance.tell({ state: state === 'standby' ? 'standby' : 'running' });

  await app.get(OrderDesk).takeOrders(closing);
  await subscriptions.whenSettled();
  await app.close();
  await pool.end();
}
