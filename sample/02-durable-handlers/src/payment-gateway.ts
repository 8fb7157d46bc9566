import { Injectable } from '@nestjs/common';

/** Stands for the payment service of somebody else, which fails now and then. */
@Injectable()
export class PaymentGateway {
  /** Cards that are refused, until somebody corrects them. */
  readonly #refused = new Set(['expired']);

  /** @throws when the card is refused, or when the service is busy */
  charge(card: string, attempt: number): void {
    if (this.#refused.has(card)) throw new Error('The card has expired.');
    if (card === 'slow' && attempt === 1) throw new Error('The payment service is busy.');
  }

  accept(card: string): void {
    this.#refused.delete(card);
  }
}
