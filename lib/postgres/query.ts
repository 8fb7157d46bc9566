/** The columns of a row, as the server writes them. */
export type Row = readonly (string | null)[];

/** A statement, and what its rows mean. */
export interface Query<Answer> {
  /** Whether it changes what is kept. */
  readonly writes?: boolean;
  /** Whether connections remember its plan, which takes longer to make than a short statement to run. */
  readonly isPrepared?: boolean;
  readonly text: string;
  readonly values: readonly unknown[];
  answer(rows: readonly Row[]): Answer;
}
