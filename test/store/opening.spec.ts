import { describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  EventStoreModule,
  memoryEngine,
  OnStreamEvent,
  openEventStore,
  StorageFailedError,
  StorageUnavailableError,
  StoreClosedError,
  type StorageEngine,
} from 'nestjs-stream-store';
import { ManualClock } from 'nestjs-stream-store/testing';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { createEventStore } from '../../lib/open-event-store.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { brokenEngine } from '../testing/broken-engine.js';

const away = (): Error => new StorageUnavailableError('database', false, new Error('connect ECONNREFUSED'));

/** An engine whose database is not there for so many tries. */
function engineAfter(tries: number, failure = away): { engine: StorageEngine; tried: () => number } {
  let tried = 0;
  const engine = brokenEngine(memoryEngine(), (inner) => ({
    open(context) {
      if (++tried <= tries) throw failure();
      return inner.open(context);
    },
  }));
  return { engine, tried: () => tried };
}

describe('an opening that failed', () => {
  it('after the engine was open can be repeated with the same engine', async () => {
    const engine = lateEngine();
    const options = { engine, retentionDuration: '7d', retention: { keepForDurable: true } } as const;
    engine.failNext('listCheckpoints', away());

    await expect(openEventStore(options)).rejects.toBeInstanceOf(StorageUnavailableError);
    const store = await openEventStore(options);

    await store.append('a', numbered(1, 1));
    expect(dataOf(await store.readStream('a'))).toEqual([1]);
    await store.close();
  });

  it('in Nest, where live handlers ask for the end of the log, can be repeated as well', async () => {
    const engine = lateEngine();
    class Live {
      @OnStreamEvent({ all: true })
      on(): void {
        // What it does is of no account.
      }
    }
    @Module({ imports: [EventStoreModule.forRoot({ engine })], providers: [Live] })
    class AppModule {}
    const start = async () => (await Test.createTestingModule({ imports: [AppModule] }).compile()).init();
    engine.failNext('readAll', away());

    await expect(start()).rejects.toBeInstanceOf(StorageUnavailableError);
    const app = await start();

    await app.close();
  });

  it('and an engine that then cannot be closed is said in the log', async () => {
    const engine = lateEngine();
    const errors: string[] = [];
    engine.failNext('listCheckpoints', away());
    engine.failNext('close', new Error('it hangs'));
    const logger = { warn: () => undefined, error: (text: string) => void errors.push(text) };
    const options = { engine, logger, retentionDuration: '7d', retention: { keepForDurable: true } } as const;

    await expect(openEventStore(options)).rejects.toBeInstanceOf(StorageUnavailableError);

    expect(errors).toEqual([expect.stringContaining('it hangs')]);
  });
});

describe('a database that is not there yet', () => {
  const open = (engine: StorageEngine, clock: ManualClock, startTimeoutMs?: number) => {
    const warnings: string[] = [];
    const logger = { warn: (text: string) => void warnings.push(text), error: () => undefined };
    return { opening: openEventStore({ engine, clock, logger, startTimeoutMs }), warnings };
  };

  it('is waited for, which the log says once', async () => {
    const clock = new ManualClock();
    const { engine, tried } = engineAfter(5);
    const { opening, warnings } = open(engine, clock);

    await clock.advance(10_000);
    const store = await opening;

    expect(tried()).toBe(6);
    expect(warnings).toEqual([
      'Store "memory-store" waits for what it keeps events in, for at most 30 s: The database is not available: connect ' +
        'ECONNREFUSED. Try again later.',
    ]);
    await store.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('is waited for as long as startTimeoutMs says, and then it fails with what it met', async () => {
    const clock = new ManualClock();
    const { engine } = engineAfter(Infinity);
    const { opening } = open(engine, clock, 5_000);
    let error: unknown;
    void opening.catch((reason: unknown) => (error = reason));

    await clock.advance(4_999);
    expect(error).toBeUndefined();
    await clock.advance(1);

    expect(error).toBeInstanceOf(StorageUnavailableError);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is not waited for with a startTimeoutMs of 0', async () => {
    const { engine, tried } = engineAfter(1);

    const error = await rejectionOf(openEventStore({ engine, startTimeoutMs: 0 }));

    expect(error).toBeInstanceOf(StorageUnavailableError);
    expect(tried()).toBe(1);
  });

  it('is not waited for when no waiting fixes what is wrong', async () => {
    const { engine, tried } = engineAfter(1, () => new StorageFailedError('database', new Error('wrong password')));

    const error = await rejectionOf(openEventStore({ engine }));

    expect(error).toBeInstanceOf(StorageFailedError);
    expect(tried()).toBe(1);
  });

  it('is waited for no more when the store is closed', async () => {
    const clock = new ManualClock();
    const { engine } = engineAfter(Infinity);
    const store = createEventStore({ engine, clock, logger: { warn: () => undefined, error: () => undefined } });
    const opening = rejectionOf(store.open());
    await clock.advance(300);

    await store.close();

    expect(await opening).toBeInstanceOf(StoreClosedError);
    expect(clock.pendingTimers).toBe(0);
  });
});
