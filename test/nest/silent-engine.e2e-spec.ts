import { expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { EventStore, EventStoreModule, memoryEngine, OnStreamEvent, StreamSubscriptions } from 'nestjs-stream-store';
import { type EngineVerb, faultyEngine } from 'nestjs-stream-store/testing';
import { RecordingNestLogger, startApp } from '../support/servers/nest-app.js';

it.each<[EngineVerb | undefined]>([[undefined], ['readAll'], ['saveCheckpoint'], ['close']])(
  'an application ends in its time although its engine gives no answer any more (%s)',
  async (verb) => {
    @Injectable()
    class Billing {
      @OnStreamEvent({ all: true }, { durable: 'billing' })
      bill(): void {}

      @OnStreamEvent({ all: true })
      watch(): void {}
    }
    const engine = faultyEngine(memoryEngine());
    const imports = [EventStoreModule.forRoot({ engine, shutdownTimeoutMs: 300 })];
    const logger = new RecordingNestLogger();
    const app = await startApp({ imports, providers: [Billing] }, logger);
    await app.get(EventStore).append('order-1', { type: 'placed' });
    await app.get(StreamSubscriptions).whenSettled();
    engine.fail({ verb, when: 'never', times: Infinity });
    void app.get(EventStore).readAll();

    const begin = performance.now();
    await app.close();

    expect(performance.now() - begin).toBeLessThan(3_000);
    expect(logger.errors.some(({ message }) => message.includes('given up'))).toBe(true);
  },
  10_000,
);
