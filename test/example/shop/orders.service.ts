import { Injectable } from '@nestjs/common';
import {
  createEvent,
  EventStore,
  type NewEvent,
  NO_STREAM,
  START,
  type Subscription,
  type SubscriptionStart,
  WrongExpectedRevisionError,
} from 'nestjs-stream-store';
import { type ItemAdded, MOST_ITEMS, type Order, type OrderEvent, orderFrom, type OrderPlaced } from './order.js';

/** Takes orders and changes to them. */
@Injectable()
export class Orders {
  constructor(private readonly store: EventStore) {}

  /**
   * @param at when the customer ordered; now, unless the order came on paper
   * @throws {WrongExpectedRevisionError} when there is an order of this id
   */
  async place(id: string, order: OrderPlaced, at?: Date): Promise<void> {
    const placed = createEvent('order.placed', order, { timestamp: at });
    await this.store.append(`order-${id}`, placed, { expectedRevision: NO_STREAM });
  }

  async addItem(id: string, item: ItemAdded): Promise<void> {
    await this.#change(id, ({ items }) => {
      if (items.length === MOST_ITEMS) throw new Error(`Order ${id} is full.`);
      return createEvent('order.item-added', item);
    });
  }

  /** From now on it is to be paid. */
  async confirm(id: string): Promise<void> {
    await this.#change(id, ({ card, items }) => {
      const cents = items.reduce((sum, item) => sum + item.cents, 0);
      return createEvent('order.confirmed', { card, cents });
    });
  }

  async cancel(id: string): Promise<void> {
    await this.#change(id, () => createEvent('order.cancelled'));
  }

  /** The events of one order, those to come as well; for a page that shows it live. */
  follow(id: string, from: SubscriptionStart = START): Subscription {
    return this.store.subscribe(`order-${id}`, from, { name: 'order-page' });
  }

  /** Decides by what the order is now. When somebody else was quicker, it decides anew, by what they have made of it. */
  async #change(id: string, decide: (order: Order) => NewEvent<unknown>): Promise<void> {
    for (;;) {
      const order = orderFrom((await this.store.readStream(`order-${id}`)) as OrderEvent[]);
      if (order.state !== 'open') throw new Error(`Order ${id} is ${order.state}.`);
      const event = decide(order);
      try {
        await this.store.append(`order-${id}`, event, { expectedRevision: order.revision });
        return;
      } catch (error) {
        if (!(error instanceof WrongExpectedRevisionError)) throw error;
      }
    }
  }
}
