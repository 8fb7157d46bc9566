import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  createEvent,
  DeadLetters,
  defineEvents,
  defineStream,
  EventStore,
  EventStoreModule,
  type EventOf,
  eventType,
  openEventStore,
  OnStreamEvent,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { engineOn, newFile } from '../sqlite/sqlite-files.js';
import { eventually } from '../support/waiting/eventually.js';
import { rejectionOf } from '../support/events.js';
import { RecordingNestLogger, startApp } from '../support/servers/nest-app.js';

const broken = { on: true };
const orderEvents = defineEvents({
  'order.placed': eventType<{ euros: number }>({
    version: 2,
    upcasts: {
      1: (euros: number) => {
        if (euros === 13 && broken.on) throw new Error('an unlucky number');
        return { euros };
      },
    },
    aliases: ['OrderPlaced'],
  }),
});
const orders = defineStream('order', orderEvents);
type Placed = EventOf<typeof orderEvents, 'order.placed'>;

/** A file in which an earlier release has written these. */
async function fileOfEarlierRelease(data: readonly number[], type = 'OrderPlaced'): Promise<string> {
  const file = newFile();
  const store = await openEventStore({ engine: engineOn(file) });
  for (const [index, euros] of data.entries()) await store.append(`order-${index}`, createEvent(type, euros));
  await store.close();
  return file;
}

@Injectable()
class Billing {
  readonly billed: number[] = [];
  readonly types = new Set<string>();

  @OnStreamEvent(orders.on('order.placed'), { durable: 'billing', retry: { attempts: 2, initialDelayMs: 0 } })
  bill(event: Placed): void {
    this.types.add(`${event.type} ${event.schemaVersion}`);
    this.billed.push(event.data.euros);
  }
}

async function start(file: string, logger = new RecordingNestLogger()) {
  const app = await startApp(
    {
      imports: [EventStoreModule.forRoot({ engine: engineOn(file), events: [orderEvents] })],
      providers: [Billing],
    },
    logger,
  );
  return {
    app,
    logger,
    billing: app.get(Billing),
    letters: app.get(DeadLetters),
    handlers: app.get(StreamSubscriptions),
  };
}

describe('a handler of typed events', () => {
  it('gets events of earlier releases in their present shape, and checked new ones', async () => {
    const { app, billing, handlers } = await start(await fileOfEarlierRelease([1, 2]));
    const store = app.get(EventStore);

    await store.append(orders.id('new'), orderEvents.create('order.placed', { euros: 3 }));
    await handlers.whenSettled();

    expect(billing.billed).toEqual([1, 2, 3]);
    expect([...billing.types]).toEqual(['order.placed 2']);
  });

  it('meets its policy at an event that has no upcast that works, and goes on with the others', async () => {
    broken.on = true;
    const { billing, letters, handlers, logger } = await start(await fileOfEarlierRelease([1, 13, 2]));
    await handlers.whenSettled();

    expect(billing.billed).toEqual([1, 2]);
    const [letter] = await letters.list();
    expect(letter).toMatchObject({ attempts: 2, error: { name: 'UpcastFailedError' }, event: { position: 1 } });
    expect(logger.errors.some(({ message }) => message.includes('dead letter'))).toBe(true);

    expect(await rejectionOf(letters.retry(letter.id))).toMatchObject({ code: 'HANDLER_FAILED' });
    broken.on = false;
    // A fixed release is another process: the letter keeps what was written.
    expect(letter.event).toMatchObject({ type: 'order.placed', data: 13, schemaVersion: 1 });
  });

  it('a fixed release retries the letter of the one before', async () => {
    broken.on = true;
    const file = await fileOfEarlierRelease([13]);
    const before = await start(file);
    await before.handlers.whenSettled();
    await before.app.close();
    broken.on = false;

    const { billing, letters } = await start(file);
    const [letter] = await letters.list();
    expect(letter.event).toMatchObject({ type: 'order.placed', data: { euros: 13 }, schemaVersion: 2 });
    await letters.retry(letter.id);

    expect(billing.billed).toEqual([13]);
    expect(await letters.count()).toBe(0);
  });

  it('gives its lease up at an event of a later release, without an attempt', async () => {
    const later = defineEvents({ 'order.placed': eventType({ version: 3, upcasts: { 1: Object, 2: Object } }) });
    const file = newFile();
    const store = await openEventStore({ engine: engineOn(file), events: [later] });
    await store.append('order-1', later.create('order.placed', 'of a later release'));
    const logger = new RecordingNestLogger();

    @Injectable()
    class Short {
      @OnStreamEvent(orders.all, { durable: 'short', leaseDurationMs: 1_000 })
      never(): void {
        throw new Error('it was called');
      }
    }
    const app = await startApp(
      { imports: [EventStoreModule.forRoot({ engine: engineOn(file), events: [orderEvents] })], providers: [Short] },
      logger,
    );

    await eventually('that it gives its lease back', () =>
      logger.errors.some(({ message }) => message.includes('gives its lease back')),
    );
    expect(await app.get(DeadLetters).count()).toBe(0);
    const [status] = await app.get(StreamSubscriptions).list();
    expect(status).toMatchObject({ position: 0, lastError: { code: 'UPCAST_FAILED', isNewer: true } });
    await store.close();
  });
});
