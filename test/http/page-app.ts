import { existsSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import { createEvent, OnStreamEvent, type EventStore, type RecordedEvent } from 'nestjs-stream-store';
import { chromium, type Browser } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';

/** Whether pages can be opened here; `.ci/run` sees to it that they can. */
export const HAS_CHROMIUM = existsSync(CHROMIUM);

if (!HAS_CHROMIUM)
  console.warn(`The stream page is not tested: there is no ${CHROMIUM}. On Debian: apt-get install chromium`);

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** A handler that refuses what costs more than 95 euros, as long as it is told to. */
@Injectable()
export class Billing {
  refuses = true;

  @OnStreamEvent({ streams: 'order-*' }, { durable: 'billing', retry: { attempts: 2, initialDelayMs: 1 } })
  bill({ data }: RecordedEvent<{ euros: number }>): void {
    if (this.refuses && data.euros > 95) throw new Error('The payment gateway refused the card.');
  }
}

/** A day of a shop. */
export async function appendADay(store: EventStore, end: number): Promise<void> {
  const types = ['order.placed', 'order.paid', 'order.shipped', 'order.returned'];
  let seed = 7;
  const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  for (let index = 0; index < 300; index++) {
    const timestamp = end - 86_400_000 + (index / 299) * 86_400_000;
    const data = { customer: { id: index, name: 'Ada Lovelace', newsletter: random() > 0.5 }, euros: random() * 100 };
    const event = createEvent(types[Math.floor(random() ** 2 * 4)], data, { timestamp, metadata: { user: 'web' } });
    await store.append(`order-${4_700 + Math.floor(random() * 20)}`, event);
  }
}
