/** What an `order.placed` event says. */
export interface OrderPlaced {
  readonly number: number;
  readonly card: string;
  readonly cents: number;
}

/** What a `bill.sent` event says. */
export interface BillSent {
  readonly order: number;
}

/** The orders of the day. Every fifth is paid with a card that works at the second attempt only; number 13's is expired. */
export function orderOf(number: number): OrderPlaced {
  const card = number === 13 ? 'expired' : number % 5 === 0 ? 'slow' : 'good';
  return { number, card, cents: 500 + ((number * 137) % 9_500) };
}
