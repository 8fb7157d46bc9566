/**
 * `context.transaction` of a handler with the option `transaction`: runs SQL in the transaction that keeps the checkpoint.
 *
 * It is over when the attempt is: then it refuses. `BEGIN`, `COMMIT` and `ROLLBACK` are not for it.
 */
export interface PostgresTransaction {
  /**
   * As `query` of a client of `pg`, with a promise. A statement that fails ends the attempt, also when the handler swallows
   * that, unless there is a `SAVEPOINT` to go back to.
   *
   * @param statement SQL, or a configuration object of `pg`
   * @throws what `pg` fails with
   */
  query<Row = Record<string, unknown>>(
    statement: string | { readonly text: string; readonly values?: readonly unknown[] },
    values?: readonly unknown[],
  ): Promise<PostgresTransactionResult<Row>>;
}

export interface PostgresTransactionResult<Row> {
  readonly rows: Row[];
  /** How many rows the statement has changed or returned; null for statements that do neither. */
  readonly rowCount: number | null;
}
