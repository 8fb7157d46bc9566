/** The part of a `pg` pool that this engine uses. */
export interface PostgresPool {
  connect(): Promise<PostgresConnection>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'connect', listener: (connection: NewConnection) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'connect', listener: (connection: NewConnection) => void): unknown;
  readonly options?: { readonly max?: number; readonly connectionTimeoutMillis?: number };
  /** How many connections wait in it to be used. */
  readonly idleCount?: number;
}

/** A connection that a pool has just made. */
export interface NewConnection {
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** The part of a `pg` client, taken from a pool, that this engine uses. */
export interface PostgresConnection {
  query(query: {
    name?: string;
    text: string;
    values?: unknown[];
    rowMode: 'array';
    types?: { getTypeParser: () => (text: string) => unknown };
  }): Promise<PostgresResult>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'notification', listener: (message: { channel: string; payload?: string }) => void): unknown;
  on(event: 'notice', listener: (notice: { routine?: string }) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'notice', listener: (notice: { routine?: string }) => void): unknown;
  /** @param destroy closes the connection instead of keeping it for others */
  release(destroy?: boolean): void;
}

export interface PostgresResult {
  readonly command: string;
  readonly rows: unknown[][];
}
