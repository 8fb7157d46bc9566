/** A line of the table that the shop looks at. */
export interface OrderRow {
  readonly customer: string;
  readonly cents: number;
  readonly state: 'open' | 'confirmed' | 'cancelled' | 'paid';
}

/** Stands for a table in the application's own database: it lives longer than the application. */
export class OrderTable {
  rows = new Map<string, OrderRow>();

  /** Up to which global position the events are in the rows; a database would change both in one transaction. */
  position = 0;
}
