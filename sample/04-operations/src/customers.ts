import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { sendAs } from './requests.js';

const PERIOD_MS = 250;
/** So that their streams are sorted as they come, behind those of the walk-through. */
const FIRST_ORDER = 1_001;
const NAMES = ['ada', 'bob', 'cleo', 'dan'];

/** Keep ordering for as long as the application runs, so that there is something to look at. */
@Injectable()
export class Customers implements BeforeApplicationShutdown {
  #timer: NodeJS.Timeout | undefined;

  keepOrdering(url: string): void {
    let next = FIRST_ORDER;
    const orderNext = async (): Promise<void> => {
      // Customers come as they like.
      if (Math.random() < 0.5) return;
      const order = next++;
      await placeOrder(`${url}/orders/${order}`, order);
      const earlier = order - 3;
      if (earlier >= FIRST_ORDER) await dealWith(`${url}/orders/${earlier}`, earlier);
    };
    // A request that fails is one more thing to look at.
    this.#timer = setInterval(() => void orderNext().catch(() => undefined), PERIOD_MS);
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.#timer);
  }
}

async function placeOrder(url: string, order: number): Promise<void> {
  const euros = 5 + ((order * 37) % 95);
  // Now and then somebody pays with a card that nobody knows.
  const card = order % 25 === 0 ? '4111 1111 1111 0000' : '4111 1111 1111 1111';
  await sendAs(NAMES[order % NAMES.length], url, { euros, card });
}

async function dealWith(url: string, order: number): Promise<void> {
  await sendAs('eve', `${url}/shipment`, { carrier: order % 3 === 0 ? 'bike' : 'van' });
  if (order % 8 === 0) await sendAs(NAMES[order % NAMES.length], `${url}/refund`, { euros: 5, reason: 'late' });
}
