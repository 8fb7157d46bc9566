import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RecordedEvent } from 'nestjs-stream-store';
import { rejectionOf } from '../support/events.js';
import { type PostgresServer, startPostgres } from '../support/engines/postgres-server.js';
import { openShop, type Shop } from './open-shop.js';
import { PLACES } from './places.js';
import { MOST_ITEMS } from './shop/order.js';

let server: PostgresServer;
beforeAll(async () => void (server = await startPostgres()), 120_000);
afterAll(() => server.stop(), 60_000);

const tea = { product: 'tea', cents: 450 };
const cup = { product: 'cup', cents: 1_200 };

describe.each(PLACES)('a shop that keeps its events %s', (_name, newPlace) => {
  let shop: Shop;
  beforeEach(async () => {
    shop = await openShop(newPlace(server));
  });

  async function placeOrder(id: string, customer = 'Ada'): Promise<void> {
    await shop.orders.place(id, { customer, card: `card of ${customer}` });
    await shop.orders.addItem(id, tea);
  }

  it('takes an order, charges its card, and shows it as paid', async () => {
    await placeOrder('1');
    await shop.orders.addItem('1', cup);
    await shop.orders.confirm('1');
    await shop.settled();

    expect([...shop.bank.charges.values()]).toEqual([1_650]);
    expect(shop.table.rows.get('1')).toEqual({ customer: 'Ada', cents: 1_650, state: 'paid' });
  });

  it('does not take an order twice', async () => {
    await placeOrder('1');

    const error = await rejectionOf(shop.orders.place('1', { customer: 'Bob', card: 'card of Bob' }));

    expect(error).toMatchObject({ code: 'WRONG_EXPECTED_REVISION', actual: 2 });
  });

  it('lets one win of those who confirm and cancel an order at the same time', async () => {
    const ids = ['1', '2', '3', '4', '5'];
    for (const id of ids) await placeOrder(id);

    const outcomes = await Promise.allSettled(ids.flatMap((id) => [shop.orders.confirm(id), shop.orders.cancel(id)]));
    await shop.settled();

    const losers = outcomes.filter(({ status }) => status === 'rejected');
    expect(losers).toHaveLength(ids.length);
    const paid = ids.filter((id) => shop.table.rows.get(id)!.state === 'paid');
    expect(shop.bank.charges.size).toBe(paid.length);
    for (const id of ids) expect(await shop.store.readStream(`order-${id}`)).toHaveLength(3);
  });

  it('makes changes that come at once one on top of the other, up to the last that fits', async () => {
    await shop.orders.place('1', { customer: 'Ada', card: 'card of Ada' });

    const outcomes = await Promise.allSettled(
      Array.from({ length: MOST_ITEMS + 3 }, () => shop.orders.addItem('1', tea)),
    );
    await shop.settled();

    expect(outcomes.filter(({ status }) => status === 'rejected')).toMatchObject(
      Array(3).fill({ reason: { message: 'Order 1 is full.' } }),
    );
    expect(shop.table.rows.get('1')!.cents).toBe(MOST_ITEMS * tea.cents);
  });

  it('asks the bank again when it is busy', async () => {
    shop.bank.busyFor = 2;
    await placeOrder('1');
    await shop.orders.confirm('1');
    await shop.settled();

    expect(shop.bank.requests).toHaveLength(3);
    expect(shop.table.rows.get('1')).toMatchObject({ state: 'paid' });
    expect(await shop.deadLetters.count()).toBe(0);
  });

  it('puts a payment aside that the bank refuses, and makes it when somebody asks for it again', async () => {
    shop.bank.blockedCards.add('card of Eve');
    await placeOrder('1', 'Eve');
    await placeOrder('2', 'Ada');
    await shop.orders.confirm('1');
    await shop.orders.confirm('2');
    await shop.settled();

    const [letter, ...others] = await shop.deadLetters.list({ subscription: 'payments' });
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ attempts: 3, event: { streamId: 'order-1', type: 'order.confirmed' } });
    expect(letter.error.message).toBe('The card card of Eve is blocked.');
    expect([shop.table.rows.get('1')!.state, shop.table.rows.get('2')!.state]).toEqual(['confirmed', 'paid']);

    shop.bank.blockedCards.clear();
    await shop.deadLetters.retry(letter.id);
    await shop.settled();

    expect(shop.table.rows.get('1')!.state).toBe('paid');
    expect(await shop.deadLetters.count()).toBe(0);
  });

  it('reports who ordered in January, those whose orders came late on paper too', async () => {
    const order = (id: string, customer: string, day: string): Promise<void> =>
      shop.orders.place(id, { customer, card: 'cash' }, new Date(day));
    await order('1', 'Ada', '2024-01-31T23:59:59.999Z');
    await order('2', 'Bob', '2024-02-01T00:00:00Z');
    await order('3', 'Cyd', '2024-01-01T00:00:00Z');
    await order('4', 'Dan', '2023-12-31T23:59:59.999Z');

    const [first, last] = [new Date('2024-01-01T00:00:00Z'), new Date('2024-01-31T23:59:59.999Z')];

    expect(await shop.report.customersBetween(first, last)).toEqual(['Cyd', 'Ada']);
  });

  it('shows an order live: what was there, and then what comes', async () => {
    await placeOrder('1');
    const changes = [() => shop.orders.addItem('1', cup), () => placeOrder('2'), () => shop.orders.confirm('1')];
    const seen: [number, string][] = [];

    for await (const { position, type } of shop.orders.follow('1')) {
      seen.push([position, type]);
      await changes.shift()?.();
      if (type === 'order.confirmed') break;
    }

    expect(seen).toEqual([
      [1, 'order.placed'],
      [2, 'order.item-added'],
      [3, 'order.item-added'],
      [4, 'order.confirmed'],
    ]);
  });

  it('makes its table anew from history, while orders are taken', async () => {
    for (const id of ['1', '2', '3']) await placeOrder(id);
    await shop.orders.confirm('1');
    await shop.settled();
    const before = new Map(shop.table.rows);
    shop.table.rows.clear();

    await Promise.all([shop.overview.rebuild(), placeOrder('4'), shop.orders.confirm('2')]);
    await shop.settled();

    const paid = { customer: 'Ada', cents: 450, state: 'paid' };
    const open = { customer: 'Ada', cents: 450, state: 'open' };
    expect(before).toEqual(new Map(Object.entries({ 1: paid, 2: open, 3: open })));
    expect(shop.table.rows).toEqual(new Map(Object.entries({ 1: paid, 2: paid, 3: open, 4: open })));
    expect(shop.bank.charges.size).toBe(2);
  });

  it('tells how far its handlers are, and lets one of them rest', async () => {
    await shop.handlers.pause('payments');
    await placeOrder('1');
    await shop.orders.confirm('1');

    expect(await shop.handlers.list()).toMatchObject([
      { name: 'payments', isDurable: true, state: 'paused', lag: 3, failures: 0 },
      { name: 'order-overview', isDurable: true },
    ]);
    expect(shop.bank.requests).toEqual([]);

    await shop.handlers.resume('payments');
    await shop.settled();

    expect(await shop.handlers.list()).toMatchObject([
      { name: 'payments', state: 'live', position: 4, lag: 0 },
      { name: 'order-overview', state: 'live', position: 4, lag: 0 },
    ]);
    expect(shop.table.rows.get('1')!.state).toBe('paid');
  });

  it('counts what it keeps', async () => {
    await placeOrder('1');
    await placeOrder('2');
    await shop.orders.confirm('2');
    await shop.settled();

    expect(await shop.store.stats()).toMatchObject({ totalEvents: 6, totalStreams: 3, eventsAppended: 6 });
    expect(await shop.store.getStreams({ prefix: 'order-' })).toMatchObject([
      { streamId: 'order-1', eventCount: 2, lastPosition: 2 },
      { streamId: 'order-2', eventCount: 3, lastPosition: 3 },
    ]);
  });

  describe('after it was closed and opened again', () => {
    const everything = async (): Promise<readonly RecordedEvent[]> => (await shop.store.readAll()).events;

    it('has every event as it was, and goes on counting', async () => {
      await placeOrder('1');
      await shop.orders.confirm('1');
      await shop.settled();
      const before = await everything();

      shop = await shop.reopened();

      expect(await everything()).toEqual(before);
      await placeOrder('2');
      expect((await everything()).map(({ globalPosition }) => globalPosition)).toEqual([1, 2, 3, 4, 5, 6]);
    });

    it('lets its handlers go on where they were', async () => {
      await placeOrder('1');
      await shop.orders.confirm('1');
      await shop.settled();

      shop = await shop.reopened();
      await placeOrder('2', 'Bob');
      await shop.orders.confirm('2');
      await shop.settled();

      expect(shop.bank.requests).toEqual(['card of Ada', 'card of Bob']);
      const states = [...shop.table.rows.values()].map(({ state }) => state);
      expect(states).toEqual(['paid', 'paid']);
    });

    it('charges what was confirmed while its payments rested', async () => {
      await shop.handlers.pause('payments');
      await placeOrder('1');
      await shop.orders.confirm('1');

      shop = await shop.reopened();
      await shop.settled();

      expect(shop.bank.requests).toEqual(['card of Ada']);
      expect(shop.table.rows.get('1')!.state).toBe('paid');
    });

    it('still has the payments that were dead-lettered', async () => {
      shop.bank.blockedCards.add('card of Eve');
      await placeOrder('1', 'Eve');
      await shop.orders.confirm('1');
      await shop.settled();

      shop = await shop.reopened();
      shop.bank.blockedCards.clear();
      const letters = await shop.deadLetters.list({ subscription: 'payments' });
      for (const { id } of letters) await shop.deadLetters.retry(id);
      await shop.settled();

      expect(letters).toMatchObject([{ event: { streamId: 'order-1' }, attempts: 3 }]);
      expect(shop.table.rows.get('1')!.state).toBe('paid');
      expect(await shop.deadLetters.count()).toBe(0);
    });

    it('shows an order live from where its reader had come', async () => {
      await placeOrder('1');
      shop = await shop.reopened();
      await shop.orders.addItem('1', cup);

      const page = shop.orders.follow('1', 2)[Symbol.asyncIterator]();
      const added = await page.next();
      await shop.orders.cancel('1');
      const cancelled = await page.next();

      expect([added.value, cancelled.value]).toMatchObject([
        { position: 3, data: cup },
        { position: 4, type: 'order.cancelled' },
      ]);
    });
  });
});
