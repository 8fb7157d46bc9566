import { expect, it } from '@jest/globals';
import { START } from 'nestjs-stream-store';
import { ManualClock } from 'nestjs-stream-store/testing';
import pg from 'pg';
import { collect } from '../support/waiting/collect.js';
import { numbered } from '../support/events.js';
import { eventually } from '../support/waiting/eventually.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { RecordingLogger } from '../support/recorders.js';

// The smallest that there is, so that it can be filled.
const { server, openStore } = usePostgres({ fsync: 'off', max_notify_queue_pages: '64' });

/** Fills the queue of notifications, which a session that listens and sits in a transaction keeps from being emptied. */
async function fillQueue(): Promise<() => Promise<void>> {
  const reader = new pg.Client(server().url);
  await reader.connect();
  await reader.query('LISTEN news');
  await reader.query('BEGIN');
  await reader.query('SELECT 1');
  const writer = new pg.Client(server().url);
  await writer.connect();
  const say = (): Promise<boolean> =>
    writer.query(`SELECT pg_notify('news', repeat('x', 7000) || gen_random_uuid())`).then(
      () => true,
      () => false,
    );
  while (await say());
  await writer.end();
  return () => reader.end();
}

it('appends are kept while the queue of notifications is full, which is said once, and announced when it is not', async () => {
  const schema = server().newSchema();
  const [logger, clock] = [new RecordingLogger(), new ManualClock()];
  const store = await openStore({ schema }, { logger, clock });
  const other = await openStore({ schema });
  const seen = collect(other.subscribe('orders', START));
  const warnings = (): number => logger.warnings.filter((text) => text.includes('without telling')).length;

  const empty = await fillQueue();
  for (let event = 1; event <= 3; event++) {
    await store.append('orders', numbered(event, event));
    await clock.advance(50);
  }

  await eventually('the events without a hint', () => seen.items.length === 3);
  expect(warnings()).toBe(1);

  await empty();
  await clock.advance(10_000);
  await eventually('an announcement', async () => {
    const rows = await server().run('SELECT pg_notification_queue_usage() AS usage');
    return Number(rows[0].usage) < 0.5;
  });
  await store.append('orders', numbered(4, 4));
  await eventually('the event after them', () => seen.items.length === 4);
  expect(warnings()).toBe(1);
}, 60_000);
