import type pg from 'pg';

export interface Parcel {
  readonly order: string;
  readonly packedBy: string;
}

/** A table of the application, beside those of the store: what was packed, in the order in which it was. */
export class Parcels {
  readonly #table: string;

  constructor(
    private readonly database: pg.Pool | pg.Client,
    schema: string,
  ) {
    this.#table = `"${schema}".parcels`;
  }

  async createTable(): Promise<void> {
    await this.database.query(
      `CREATE TABLE IF NOT EXISTS ${this.#table} (number bigserial, order_id text PRIMARY KEY, packed_by text NOT NULL)`,
    );
  }

  /** @returns false when the order had been packed before */
  async add(order: string, packedBy: string): Promise<boolean> {
    const insert = `INSERT INTO ${this.#table} (order_id, packed_by) VALUES ($1, $2) ON CONFLICT DO NOTHING`;
    return (await this.database.query(insert, [order, packedBy])).rowCount === 1;
  }

  async list(): Promise<Parcel[]> {
    const select = `SELECT order_id AS "order", packed_by AS "packedBy" FROM ${this.#table} ORDER BY number`;
    return (await this.database.query<Parcel>(select)).rows;
  }
}
