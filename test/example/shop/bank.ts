/** Stands for the bank, which is somebody else's: it lives longer than the application. */
export class Bank {
  /** Every request there was, also those it did not grant. */
  readonly requests: string[] = [];
  /** What was charged, by the key of the request: a key that is delivered again is answered, and not charged again. */
  readonly charges = new Map<string, number>();
  readonly blockedCards = new Set<string>();
  /** How many of the next requests it is too busy for. */
  busyFor = 0;

  async charge(card: string, cents: number, key: string): Promise<void> {
    this.requests.push(card);
    if (this.busyFor > 0) {
      this.busyFor--;
      throw new Error('The bank is busy.');
    }
    if (this.blockedCards.has(card)) throw new Error(`The card ${card} is blocked.`);
    this.charges.set(key, cents);
  }
}
