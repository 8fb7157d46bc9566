import type { RecordedEvent } from 'nestjs-stream-store';

export const MOST_ITEMS = 10;

export interface OrderPlaced {
  readonly customer: string;
  readonly card: string;
}

export interface ItemAdded {
  readonly product: string;
  readonly cents: number;
}

export interface OrderConfirmed {
  readonly card: string;
  readonly cents: number;
}

type EventOf<Type extends string, Data = null> = RecordedEvent<Data> & { readonly type: Type };

/** What happens to an order, in its stream `order-<id>`. */
export type OrderEvent =
  | EventOf<'order.placed', OrderPlaced>
  | EventOf<'order.item-added', ItemAdded>
  | EventOf<'order.confirmed', OrderConfirmed>
  | EventOf<'order.cancelled'>;

/** What happens to its payment, in the stream `payment-<id>`. */
export type PaymentEvent = EventOf<'payment.received', { readonly cents: number }>;

/** An order, as its events have made it. */
export interface Order {
  /** The position of its last event, which is what a change has to expect. */
  readonly revision: number;
  readonly card: string;
  readonly items: readonly ItemAdded[];
  readonly state: 'open' | 'confirmed' | 'cancelled';
}

export function orderFrom(events: readonly OrderEvent[]): Order {
  return events.reduce(after, { revision: 0, card: '', items: [], state: 'open' });
}

function after(order: Order, { type, data, position: revision }: OrderEvent): Order {
  switch (type) {
    case 'order.placed':
      return { ...order, revision, card: data.card };
    case 'order.item-added':
      return { ...order, revision, items: [...order.items, data] };
    case 'order.confirmed':
      return { ...order, revision, state: 'confirmed' };
    case 'order.cancelled':
      return { ...order, revision, state: 'cancelled' };
  }
}
