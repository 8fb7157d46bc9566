import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  EventStore,
  EventStoreModule,
  memoryEngine,
  OnStreamEvent,
  type RecordedEvent,
  StorageCorruptedError,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { aroundEngine } from '../support/engines/around-engine.js';
import { until } from '../support/waiting/collect.js';
import { numbered } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { RecordingNestLogger, startApp } from '../support/servers/nest-app.js';

/** What the store logged; Nest logs what its exception filter meets besides. */
const reported = ({ errors }: RecordingNestLogger) => errors.filter(({ context }) => context === 'EventStore');

type Failures = { store: string; handler: string }[];

describe('a handler that fails', () => {
  class Unprintable extends Error {
    override toString(): string {
      throw new Error('not even that');
    }
  }
  const broken = new Error('broken');

  it.each<[string, (data: unknown) => unknown]>([
    [
      'by throwing',
      () => {
        throw broken;
      },
    ],
    ['by a rejected promise', () => Promise.reject(broken)],
    ['late', () => settled().then(() => Promise.reject(broken))],
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- users do
    ['with a text', () => Promise.reject('broken')],
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- users do
    ['with nothing', () => Promise.reject(undefined)],
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- users do
    ['with a symbol', () => Promise.reject(Symbol('broken'))],
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- users do
    ['with an object that has no text', () => Promise.reject(Object.create(null))],
    ['with an error that cannot be printed', () => Promise.reject(new Unprintable('broken'))],
  ])('%s is logged and measured, and gets the next event', async (_how, fail) => {
    @Injectable()
    class Fragile {
      readonly seen: unknown[] = [];

      @OnStreamEvent('orders')
      on({ data }: RecordedEvent): unknown {
        this.seen.push(data);
        return data === 2 ? fail(data) : undefined;
      }
    }
    const failures: Failures = [];
    const logger = new RecordingNestLogger();
    const metricsCollector = { onHandlerFailure: (failure: Failures[number]) => void failures.push(failure) };
    const app = await startApp(
      { imports: [EventStoreModule.forRoot({ metricsCollector })], providers: [Fragile] },
      logger,
    );
    const store = app.get(EventStore);

    await store.append('orders', numbered(1, 4));
    await until(() => app.get(Fragile).seen.length === 4, 'the fourth event');

    expect(app.get(Fragile).seen).toEqual([1, 2, 3, 4]);
    expect(failures).toEqual([{ store: 'memory-store', handler: 'Fragile.on' }]);
    expect(reported(logger)).toHaveLength(1);
    expect((await store.stats()).subscriptionsActive).toBe(1);
  });

  it('is logged with class, method, event, place, reason and stack', async () => {
    @Injectable()
    class Fragile {
      @OnStreamEvent('orders')
      on(): void {
        throw new Error('no stamps left');
      }
    }
    const logger = new RecordingNestLogger();
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Fragile] }, logger);

    await app.get(EventStore).append('orders', { type: 'placed', id: 'event-7' });
    await until(() => reported(logger).length > 0, 'the log line');

    const [{ message, stack }] = reported(logger);
    for (const part of ['Fragile.on', 'event-7', 'position 1', '"orders"', 'no stamps left']) {
      expect(message).toContain(part);
    }
    expect(stack).toContain('failing-handler.spec');
  });

  it('does not disturb other handlers', async () => {
    @Injectable()
    class Handlers {
      readonly seen: unknown[] = [];

      @OnStreamEvent('orders')
      fragile(): void {
        throw new Error('broken');
      }

      @OnStreamEvent('orders')
      sturdy({ data }: RecordedEvent): void {
        this.seen.push(data);
      }
    }
    const logger = new RecordingNestLogger();
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Handlers] }, logger);

    await app.get(EventStore).append('orders', numbered(1, 3));
    await until(() => reported(logger).length === 3, 'the third failure');

    expect(app.get(Handlers).seen).toEqual([1, 2, 3]);
  });

  it('goes on when the metrics collector fails, too', async () => {
    @Injectable()
    class Fragile {
      readonly seen: unknown[] = [];

      @OnStreamEvent('orders')
      on({ data }: RecordedEvent): void {
        this.seen.push(data);
        throw new Error('broken');
      }
    }
    const logger = new RecordingNestLogger();
    const metricsCollector = {
      onHandlerFailure: () => {
        throw new Error('so am I');
      },
    };
    const app = await startApp(
      { imports: [EventStoreModule.forRoot({ metricsCollector })], providers: [Fragile] },
      logger,
    );

    await app.get(EventStore).append('orders', numbered(1, 3));
    await until(() => app.get(Fragile).seen.length === 3, 'the third event');

    expect(app.get(Fragile).seen).toEqual([1, 2, 3]);
  });
});

it('a handler whose storage is damaged has stopped, is reported once, and the application goes on and ends', async () => {
  @Injectable()
  class Handler {
    @OnStreamEvent('orders')
    on(): void {}
  }
  let isBroken = false;
  const engine = aroundEngine((verb, ask) => {
    if (isBroken && verb === 'readStream') throw new StorageCorruptedError('log', 'disk on fire');
    return ask();
  }, memoryEngine());
  const logger = new RecordingNestLogger();
  const app = await startApp({ imports: [EventStoreModule.forRoot({ engine })], providers: [Handler] }, logger);

  isBroken = true;
  await app.get(EventStore).append('orders', numbered(1, 1));
  await until(() => reported(logger).length > 0, 'the log line');
  isBroken = false;

  expect(logger.errors).toHaveLength(1);
  expect(logger.errors[0].message).toContain('disk on fire');
  expect(await app.get(StreamSubscriptions).list()).toMatchObject([
    { name: 'Handler.on', state: 'halted', lastError: { reason: 'disk on fire' } },
  ]);
  await app.close();
});

it('a handler whose storage fails for a while waits, says so once, and goes on', async () => {
  @Injectable()
  class Handler {
    readonly seen: unknown[] = [];

    @OnStreamEvent('orders')
    on({ data }: RecordedEvent): void {
      this.seen.push(data);
    }
  }
  let isBroken = false;
  const engine = aroundEngine((verb, ask) => {
    if (isBroken && verb === 'readStream') throw new Error('permission denied for table events');
    return ask();
  }, memoryEngine());
  const logger = new RecordingNestLogger();
  const app = await startApp({ imports: [EventStoreModule.forRoot({ engine })], providers: [Handler] }, logger);

  isBroken = true;
  await app.get(EventStore).append('orders', numbered(1, 3));
  await until(() => logger.warnings.some((text) => text.includes('permission denied')), 'the warning');
  isBroken = false;
  await app.get(StreamSubscriptions).whenSettled();

  expect(app.get(Handler).seen).toEqual([1, 2, 3]);
  expect(logger.warnings.filter((text) => text.includes('permission denied'))).toHaveLength(1);
  expect(logger.errors).toEqual([]);
  await app.close();
});
