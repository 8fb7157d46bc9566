import 'reflect-metadata';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DatabaseSync } from '@photostructure/sqlite';
import { EventStore, EventStoreModule, OnStreamEvent, type RecordedEvent } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { sqliteEngine } from 'nestjs-stream-store/sqlite';

// Reads a log of large events in every way there is, with a heap that holds few of them.

const [kind, place, schema, events] = process.argv.slice(2);
const count = Number(events);
const engine = (): ReturnType<typeof sqliteEngine> =>
  kind === 'sqlite'
    ? sqliteEngine({ file: place, driver: DatabaseSync })
    : postgresEngine({ connectionString: place, schema });

const say = (line: string): void => void process.stdout.write(`${line}\n`);

let handled = 0;

@Injectable()
class Handler {
  @OnStreamEvent({ streams: 'order-*' }, { durable: 'work', concurrency: 8 })
  async take({ data }: RecordedEvent): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    if ((data as string).length > 1_000_000 && ++handled === count) say(`handled ${handled}`);
  }
}

@Module({ imports: [EventStoreModule.forRoot({ engine: engine() })], providers: [Handler] })
class App {}

const app = await NestFactory.createApplicationContext(App, { logger: ['error'] });
const store = app.get(EventStore);
process.on('SIGTERM', () => void app.close().then(() => say('closed')));
say('ready');

async function pages(): Promise<number> {
  let [read, from] = [0, 0];
  for (let isEnd = false; !isEnd;) {
    const page = await store.readAll({ from, limit: 1_000 });
    read += page.events.length;
    from = page.globalPosition;
    ({ isEnd } = page);
  }
  return read;
}

async function replayed(): Promise<number> {
  let read = 0;
  for await (const batch of store.replay().batches()) read += batch.length;
  return read;
}

async function followed(): Promise<number> {
  let read = 0;
  for await (const batch of store.subscribe({ streams: 'order-*' }).batches()) {
    read += batch.length;
    if (read >= count) break;
  }
  return read;
}

// One by one, and all at once; the handler goes on meanwhile.
for (const way of [pages, replayed, followed]) say(`${way.name} ${await way()}`);
const atOnce = await Promise.all([pages(), replayed(), followed()]);
say(`at once ${atOnce.join(' ')}`);
setInterval(() => undefined, 60_000);
