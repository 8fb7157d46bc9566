import { Injectable } from '@nestjs/common';
import { EventStore } from 'nestjs-stream-store';
import type { OrderEvent } from './order.js';

/** Looks back. */
@Injectable()
export class OrderReport {
  constructor(private readonly store: EventStore) {}

  /** Who ordered between two times, both inclusive, in the order of time: of when they ordered, not of when we heard. */
  async customersBetween(from: Date, to: Date): Promise<string[]> {
    const placed = await this.store.readTimeRange(from, to, { filter: { types: ['order.placed'] } });
    return (placed as OrderEvent[]).flatMap((event) => (event.type === 'order.placed' ? [event.data.customer] : []));
  }
}
