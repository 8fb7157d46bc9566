import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import {
  DeadLetters,
  EventStore,
  EventStoreModule,
  type EventStoreOptions,
  memoryEngine,
  OnStreamEvent,
  type RecordedEvent,
  type StreamEventContext,
  StreamSubscriptions,
} from 'nestjs-stream-store';
import { aroundEngine } from '../support/engines/around-engine.js';
import { until } from '../support/waiting/collect.js';
import { numbered, rejectionOf } from '../support/events.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { RecordingNestLogger, startApp } from '../support/servers/nest-app.js';

/** A handler whose calls last until the test lets them end. */
@Injectable()
class Slow {
  readonly begun: unknown[] = [];
  readonly ended: unknown[] = [];
  signal: AbortSignal | undefined;
  #release: () => void = () => undefined;
  isHeld = true;

  @OnStreamEvent('orders', { durable: 'slow', timeoutMs: 0, retry: { attempts: 1 } })
  async on({ data }: RecordedEvent, { signal }: StreamEventContext): Promise<void> {
    this.begun.push(data);
    this.signal = signal;
    if (this.isHeld) await new Promise<void>((resolve) => (this.#release = resolve));
    this.ended.push(data);
  }

  release(): void {
    this.isHeld = false;
    this.#release();
  }
}

async function start(options: EventStoreOptions, logger = new RecordingNestLogger()): Promise<TestingModule> {
  return startApp({ imports: [EventStoreModule.forRoot(options)], providers: [Slow] }, logger);
}

describe('closing an application with a durable handler', () => {
  it('waits for the event it is at, begins no other, and the next application goes on with that', async () => {
    const engine = memoryEngine();
    const app = await start({ engine });
    const slow = app.get(Slow);
    await app.get(EventStore).append('orders', numbered(1, 3));
    await until(() => slow.begun.length === 1, 'the first call');
    let isClosed = false;
    const closed = app.close().then(() => (isClosed = true));

    for (let turn = 0; turn < 10; turn++) await settled();
    expect(isClosed).toBe(false);
    slow.release();
    await closed;
    expect([slow.begun, slow.ended]).toEqual([[1], [1]]);

    const next = await start({ engine });
    next.get(Slow).release();
    await next.get(StreamSubscriptions).whenSettled();
    expect(next.get(Slow).ended).toEqual([2, 3]);
  });

  it('waits no longer than shutdownTimeoutMs: the attempt is aborted, and the event is delivered again', async () => {
    const engine = memoryEngine();
    const clock = new ManualClock();
    const logger = new RecordingNestLogger();
    const app = await start({ engine, clock, shutdownTimeoutMs: 2_000 }, logger);
    const slow = app.get(Slow);
    await app.get(EventStore).append('orders', numbered(1, 2));
    await until(() => slow.begun.length === 1, 'the first call');
    let isClosed = false;
    const closed = app.close().then(() => (isClosed = true));
    await settled();

    await clock.advance(1_999);
    expect([isClosed, slow.signal!.aborted]).toEqual([false, false]);
    await clock.advance(1);
    await closed;
    expect(slow.signal!.aborted).toBe(true);
    expect(logger.errors.map(({ message }) => message)).toEqual([
      'slow did not finish within shutdownTimeoutMs (2000 ms). Its attempts were aborted.',
    ]);
    slow.release();

    const next = await start({ engine });
    next.get(Slow).release();
    await next.get(StreamSubscriptions).whenSettled();
    expect(next.get(Slow).ended).toEqual([1, 2]);
    expect(await next.get(DeadLetters).count()).toBe(0);
  });

  it('waits for a dead letter that is being retried', async () => {
    const engine = memoryEngine();

    @Injectable()
    class Fragile {
      isBroken = true;
      release: (() => void) | undefined;

      @OnStreamEvent('orders', { durable: 'fragile', retry: { attempts: 1 } })
      async on(): Promise<void> {
        if (this.isBroken) throw new Error('broken');
        await new Promise<void>((resolve) => (this.release = resolve));
      }
    }
    const metadata = { imports: [EventStoreModule.forRoot({ engine })], providers: [Fragile] };
    const app = await startApp(metadata);
    await app.get(EventStore).append('orders', numbered(1, 1));
    await app.get(StreamSubscriptions).whenSettled();
    app.get(Fragile).isBroken = false;
    const retried = app.get(DeadLetters).retry('fragile:1');
    const fragile = app.get(Fragile);
    await until(() => fragile.release !== undefined, 'the call');

    const closed = app.close();
    await settled();
    fragile.release!();
    await retried;
    await closed;

    expect(await (await startApp(metadata)).get(DeadLetters).count()).toBe(0);
  });

  it('saves its checkpoint before the store closes', async () => {
    const asked: string[] = [];
    const engine = aroundEngine((verb, ask) => {
      if (verb === 'saveCheckpoint' || verb === 'close') asked.push(verb);
      return ask();
    }, memoryEngine());
    const app = await start({ engine });
    app.get(Slow).release();
    await app.get(EventStore).append('orders', numbered(1, 1));
    await app.get(StreamSubscriptions).whenSettled();

    await app.close();

    expect(asked).toEqual(['saveCheckpoint', 'saveCheckpoint', 'close']);
  });

  it('while it waits for its next attempt does not wait for that', async () => {
    const engine = memoryEngine();
    const clock = new ManualClock();

    @Injectable()
    class Fragile {
      readonly attempts: number[] = [];

      @OnStreamEvent('orders', {
        durable: 'fragile',
        retry: { attempts: 3, initialDelayMs: 60_000, maxDelayMs: 60_000 },
      })
      on(_event: RecordedEvent, { attempt }: StreamEventContext): void {
        this.attempts.push(attempt);
        throw new Error('broken');
      }
    }
    const metadata = { imports: [EventStoreModule.forRoot({ engine, clock })], providers: [Fragile] };
    const app = await startApp(metadata);
    await app.get(EventStore).append('orders', numbered(1, 1));
    await until(() => app.get(Fragile).attempts.length === 1, 'the first attempt');
    await settled();

    await app.close();

    expect(app.get(Fragile).attempts).toEqual([1]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('no handler can be resumed any more, and no dead letter retried', async () => {
    const app = await start({});
    const subscriptions = app.get(StreamSubscriptions);
    await app.close();

    await subscriptions.resume('slow');

    expect(await rejectionOf(subscriptions.whenSettled())).toMatchObject({ code: 'HANDLER_STOPPED' });
    expect(await rejectionOf(app.get(DeadLetters).retry('slow:1'))).toMatchObject({ code: 'STORE_CLOSED' });
  });
});

it('closing an application with a live handler lets it handle everything that was appended', async () => {
  @Injectable()
  class Mailer {
    readonly mailed: unknown[] = [];

    @OnStreamEvent('orders', { concurrency: 2 })
    async on({ data }: RecordedEvent): Promise<void> {
      await settled();
      this.mailed.push(data);
    }
  }
  const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Mailer] });
  await app.get(EventStore).append('orders', numbered(1, 50));

  await app.close();

  expect(app.get(Mailer).mailed).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
});
