import 'reflect-metadata';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DatabaseSync } from '@photostructure/sqlite';
import { DeadLetters, END, EventStoreModule, OnStreamEvent, type RecordedEvent } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { sqliteEngine } from 'nestjs-stream-store/sqlite';

// Counts, pages, retries and discards more dead letters than its heap can hold.

const [kind, place, schema] = process.argv.slice(2);
const engine = (): ReturnType<typeof sqliteEngine> =>
  kind === 'sqlite'
    ? sqliteEngine({ file: place, driver: DatabaseSync })
    : postgresEngine({ connectionString: place, schema });

const say = (line: string): void => void process.stdout.write(`${line}\n`);

let handled = 0;

@Injectable()
class Billing {
  @OnStreamEvent({ streams: 'order-*' }, { durable: 'billing', from: END })
  bill({ data }: RecordedEvent): void {
    if ((data as string).length > 0) handled += 1;
  }
}

@Module({ imports: [EventStoreModule.forRoot({ engine: engine() })], providers: [Billing] })
class App {}

const app = await NestFactory.createApplicationContext(App, { logger: ['error'] });
const deadLetters = app.get(DeadLetters);
process.on('SIGTERM', () => void app.close().then(() => say('closed')));

async function paged(): Promise<number> {
  const ids = new Set<string>();
  for (let after: string | undefined, isEnd = false; !isEnd; isEnd = after === undefined) {
    const page = await deadLetters.page({ limit: 1_000, after });
    for (const { id } of page.deadLetters) ids.add(id);
    after = page.next;
  }
  return ids.size;
}

say(`counted ${await deadLetters.count()}`);
say(`paged ${await paged()}`);
say(`listed ${(await deadLetters.list()).length}`);
// A tenth of them, and the others.
const retried = await deadLetters.retryAll({ stream: 'order-0' });
say(`retried ${retried.handled} ${handled}`);
const discarded = await deadLetters.discardAll();
say(`discarded ${discarded.discarded}`);
say(`left ${await deadLetters.count()}`);
setInterval(() => undefined, 60_000);
