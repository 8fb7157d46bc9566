import type { Day } from './desk.js';

/** What happened in a day, in sentences. */
export function describeDay({ orders, bills, retried, putAside, leftAside }: Day): string {
  const billed = new Set(bills.map(({ order }) => order));
  return [
    `Orders in the store:  ${orders.length}`,
    `Bills sent:           ${bills.length}, one for each of ${billed.size} orders`,
    `Tried more than once: orders ${retried.join(', ')}`,
    `Dead letters:         ${putAside.map(({ order, reason }) => `${order} (${reason})`).join(', ')}`,
    `Left aside after the card was corrected and the dead letter retried: ${leftAside}`,
    '',
  ].join('\n');
}
