import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  EventStore,
  EventStoreModule,
  NO_STREAM,
  OnStreamEvent,
  StreamSubscriptions,
  type RecordedEvent,
} from 'nestjs-stream-store';

@Injectable()
class Orders {
  constructor(private readonly store: EventStore) {}

  async place(id: string, euros: number) {
    const placed = { type: 'order.placed', data: { euros } };
    await this.store.append(`order-${id}`, placed, { expectedRevision: NO_STREAM });
  }
}

@Injectable()
class Receipts {
  @OnStreamEvent({ streams: 'order-*', types: ['order.placed'] }, { durable: 'receipts' })
  print(event: RecordedEvent<{ euros: number }>) {
    console.log(`Receipt for ${event.streamId}: ${event.data.euros} euros`);
  }
}

@Module({ imports: [EventStoreModule.forRoot()], providers: [Orders, Receipts] })
class AppModule {}

const app = await NestFactory.createApplicationContext(AppModule, { logger: ['warn', 'error'] });
const orders = app.get(Orders);
await orders.place('42', 20);
await orders.place('43', 35);
await app.get(StreamSubscriptions).whenSettled(); // Handlers are called after the append, at their own pace.

await orders.place('42', 20).catch((error: Error) => console.log(error.message));
for await (const { globalPosition, streamId, type } of app.get(EventStore).replay()) {
  console.log(`${globalPosition}. ${type} in ${streamId}`);
}
await app.close();
