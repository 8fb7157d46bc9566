import { expect, it } from '@jest/globals';
import {
  type DataOf,
  defineEvents,
  defineStream,
  type EventOf,
  EventStore,
  eventType,
  type InputOf,
  type Jsonify,
  OnStreamEvent,
  type RecordedEvent,
  type StandardSchemaV1,
  type StreamEventContext,
  type SubscriptionTarget,
} from 'nestjs-stream-store';

// What must not compile stands behind @ts-expect-error: the type check of the repository fails where it compiles.

type Equal<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
const isTrue = <Condition extends true>(..._none: Condition[]): void => undefined;
const typeOf = <Type>(_value: Type) => ({
  is: <Expected>(..._differs: Equal<Type, Expected> extends true ? [] : [never]): void => undefined,
});

const euros: StandardSchemaV1<{ euros: string }, { euros: number }> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as { euros: number } }) },
};

const orderEvents = defineEvents({
  'order.placed': euros,
  'order.paid': eventType<{ at: Date; note?: string }>(),
  'order.closed': eventType<undefined>(),
});
const orders = defineStream('order', orderEvents);

declare const store: EventStore;
const never = (): boolean => false;

it('the types of events follow from their definitions', () => {
  isTrue<Equal<EventOf<typeof orderEvents, 'order.placed'>, RecordedEvent<{ euros: number }, 'order.placed'>>>();
  isTrue<Equal<DataOf<typeof orderEvents>['order.paid'], { at: string; note?: string }>>();
  isTrue<Equal<InputOf<typeof orderEvents>['order.placed'], { euros: string }>>();
  // @ts-expect-error there is no such type
  expect((event: EventOf<typeof orderEvents, 'order.lost'>) => event).toBeDefined();
});

it('a switch over the type narrows the data', () => {
  const told = (event: EventOf<typeof orderEvents>): number | string | undefined => {
    switch (event.type) {
      case 'order.placed':
        return event.data.euros;
      case 'order.paid':
        // @ts-expect-error it is text by the time it is read
        return event.data.at satisfies Date;
      case 'order.closed':
        return undefined;
    }
  };
  expect(told).toBeDefined();
});

it('create takes what the schema takes, and no other type or data', () => {
  const create = () => {
    orderEvents.create('order.placed', { euros: '20' }, { id: 'e-1', metadata: { by: 'ada' } });
    orderEvents.create('order.closed');
    // @ts-expect-error the schema takes text
    orderEvents.create('order.placed', { euros: 20 });
    // @ts-expect-error the data is missing
    orderEvents.create('order.placed');
    // @ts-expect-error there is no such type
    orderEvents.create('order.lost', {});
  };
  expect(create).toBeDefined();
});

it('a stream of a template takes and gives its own events', async () => {
  if (!never()) return;
  await store.append(orders.id('42'), orderEvents.create('order.placed', { euros: '20' }));
  await store.append(orders.id('42'), { type: 'order.paid', data: { at: new Date() } });
  // @ts-expect-error it is no event of an order
  await store.append(orders.id('42'), { type: 'cart.opened' });
  // @ts-expect-error the data is missing
  await store.append(orders.id('42'), { type: 'order.paid' });
  await store.append('anything', { type: 'cart.opened', data: new Map() });

  const [event] = await store.readStream(orders.id('42'));
  typeOf(event).is<EventOf<typeof orderEvents>>();
  const [named] = await store.readStream<typeof orderEvents>('order-42');
  typeOf(named).is<EventOf<typeof orderEvents>>();
  const [plain] = await store.readStream('order-42');
  typeOf(plain).is<RecordedEvent>();
});

it('a subscription hands out the events of its target', async () => {
  if (!never()) return;
  for await (const event of store.subscribe(orders.on('order.placed'))) {
    typeOf(event).is<EventOf<typeof orderEvents, 'order.placed'>>();
  }
  for await (const event of store.subscribe(orders.all)) typeOf(event).is<EventOf<typeof orderEvents>>();
  for await (const event of store.subscribe(orders.id('1'))) typeOf(event).is<EventOf<typeof orderEvents>>();
  for await (const event of store.subscribe({ all: true })) typeOf(event).is<RecordedEvent>();
  for await (const event of store.subscribe<typeof orderEvents>({ all: true })) {
    typeOf(event).is<EventOf<typeof orderEvents>>();
  }
  const target: SubscriptionTarget = 'x';
  for await (const event of store.subscribe(target)) typeOf(event).is<RecordedEvent>();
  // @ts-expect-error there is no such type
  orders.on('order.lost');
});

it('a reader gets of each value what its JSON text reads back as', () => {
  class Money {
    constructor(readonly cents: number) {}
    toJSON(): { cents: number } {
      return { cents: this.cents };
    }
  }
  interface Written {
    at: Date;
    total: Money;
    lines: [sku: string, count: number][];
    maybe?: string;
    either: string | null;
    either2: number | undefined;
    method(): void;
  }
  interface Read {
    at: string;
    total: { cents: number };
    lines: [sku: string, count: number][];
    maybe?: string;
    either: string | null;
    either2: number;
  }
  isTrue<Equal<Jsonify<Written>, Read>>();
  isTrue<Equal<Jsonify<unknown>, unknown>>();
  isTrue<Equal<Jsonify<undefined>, null>>();
  isTrue<Equal<Jsonify<readonly (Date | undefined)[]>, readonly (string | null)[]>>();
});

it('a handler takes the events of its target, and a transaction only where it has one', () => {
  class Handlers {
    @OnStreamEvent(orderEvents.on('order.placed', 'order.paid'))
    both(event: EventOf<typeof orderEvents, 'order.placed' | 'order.paid'>): string {
      return event.type;
    }

    @OnStreamEvent(orders.all, { durable: 'any' })
    any(event: RecordedEvent<unknown>): string {
      return event.type;
    }

    // @ts-expect-error it is also handed events of another type
    @OnStreamEvent(orderEvents.on('order.placed', 'order.paid'))
    placedOnly(event: EventOf<typeof orderEvents, 'order.placed'>): number {
      return event.data.euros;
    }

    @OnStreamEvent(orders.id('42'), { durable: 'ledger', transaction: true })
    inTransaction(_event: EventOf<typeof orderEvents>, context: StreamEventContext<{ query(): void }>): void {
      context.transaction.query();
    }

    // @ts-expect-error without the option there is no transaction
    @OnStreamEvent(orders.id('42'), { durable: 'no ledger' })
    withoutTransaction(_event: EventOf<typeof orderEvents>, context: StreamEventContext<{ query(): void }>): void {
      context.transaction.query();
    }

    @OnStreamEvent('orders')
    untyped(event: RecordedEvent<{ anything: number }>): number {
      return event.data.anything;
    }
  }
  const refused = () => {
    // @ts-expect-error a transaction keeps a checkpoint, and only durable handlers have one
    OnStreamEvent('orders', { transaction: true });
    // @ts-expect-error dead letters are kept under the name of a durable handler
    OnStreamEvent('orders', { onFailure: 'park-stream' });
  };
  expect([new Handlers(), refused]).toHaveLength(2);
});
