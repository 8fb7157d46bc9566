import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ConsoleLogger, type LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { EventStore, EventStoreModule, OnStreamEvent, StreamSubscriptions } from 'nestjs-stream-store';
import { engineOn, newFile } from '../sqlite/sqlite-files.js';
import { closedAfterTest, RecordingNestLogger, startApp } from '../support/servers/nest-app.js';

class Billing {
  @OnStreamEvent('orders', { durable: 'billing', retry: { attempts: 3, initialDelayMs: 0 } })
  bill(): void {
    throw new Error('no stamps left');
  }
}

afterEach(() => {
  jest.restoreAllMocks();
});

it('says at the start what stores and handlers there are', async () => {
  class Others {
    @OnStreamEvent({ streams: 'order-*', types: ['placed'] }, { store: 'audit' })
    live(): void {}

    @OnStreamEvent({ all: true })
    all(): void {}
  }
  const file = newFile();
  const logger = new RecordingNestLogger();
  await startApp(
    {
      imports: [EventStoreModule.forRoot(), EventStoreModule.forRoot({ name: 'audit', engine: engineOn(file) })],
      providers: [Billing, Others],
    },
    logger,
  );

  expect(logger.lines.filter((line) => /^(Store|Handler) /.test(line))).toEqual([
    'Store "memory-store": in memory, where events end with the process',
    `Store "audit": in the SQLite file ${file}, which keeps every acknowledged event`,
    'Handler billing: stream "orders" of store "memory-store", durable',
    'Handler Others.live: placed in streams "order-*" of store "audit", live',
    'Handler Others.all: all streams of store "memory-store", live',
  ]);
});

describe('a failed attempt is logged once, with fields, and the stack once, at the end', () => {
  const FIELDS = { handler: 'billing', store: 'memory-store', event: 'event-7', stream: 'orders', position: 1 };

  async function fail(logger: LoggerService): Promise<void> {
    const builder = Test.createTestingModule({ imports: [EventStoreModule.forRoot()], providers: [Billing] });
    const app = closedAfterTest(await builder.setLogger(logger).compile());
    await app.init();
    await app.get(EventStore).append('orders', { type: 'placed', id: 'event-7' });
    await app.get(StreamSubscriptions).whenSettled();
  }

  /** What is written while an application fails. */
  async function written(logger: LoggerService): Promise<string> {
    const texts: string[] = [];
    const keep = (text: unknown): boolean => texts.push(String(text)) > 0;
    jest.spyOn(process.stdout, 'write').mockImplementation(keep);
    jest.spyOn(process.stderr, 'write').mockImplementation(keep);
    await fail(logger);
    jest.restoreAllMocks();
    return texts.join('');
  }

  it('by the logger of Nest as JSON', async () => {
    const text = await written(new ConsoleLogger({ json: true, colors: false }));
    const lines = text.split('\n').filter((line) => line.includes('no stamps left'));
    const messages = lines.map((line) => (JSON.parse(line) as { message: object }).message);

    expect(messages).toMatchObject([
      { ...FIELDS, attempt: 1, msg: expect.stringContaining('billing failed at attempt 1 of 3 on event event-7') },
      { ...FIELDS, attempt: 2 },
      { ...FIELDS, attempt: 3, err: { stack: expect.stringContaining('Billing.bill') } },
    ]);
    expect(text.match(/at Billing\.bill/g)).toHaveLength(1);
  });

  it('by the logger of Nest as text', async () => {
    const text = await written(new ConsoleLogger({ colors: false }));

    expect(text.match(/WARN \[EventStore\] billing failed at attempt \d of 3 on event event-7/g)).toHaveLength(2);
    expect(text.match(/ERROR \[EventStore\] billing failed 3 times on event event-7/g)).toHaveLength(1);
    expect(text.match(/at Billing\.bill/g)).toHaveLength(1);
    expect(text).not.toContain('ExceptionsHandler');
  });

  it('by a logger that takes the members of an object, as pino does', async () => {
    const kept: object[] = [];
    // What nestjs-pino does with what it is told (its Logger, call).
    const keep = (message: unknown): void => {
      if (typeof message === 'object') kept.push({ ...message });
    };
    await fail({ log: () => undefined, warn: keep, error: keep });

    expect(kept).toMatchObject([
      { ...FIELDS, attempt: 1 },
      { ...FIELDS, attempt: 2 },
      { ...FIELDS, attempt: 3, err: { stack: expect.stringContaining('Billing.bill') } },
    ]);
  });
});
