/** Something that was asked of one stream, with what the answer says about it. Times are of one clock. */
export type StreamOperation = { readonly begun: bigint; readonly ended: bigint } & (
  | { readonly kind: 'append'; readonly expected: number; readonly first: number; readonly last: number }
  /** An answer that shows the revision: of a read, or of an append that came too late. */
  | { readonly kind: 'look'; readonly revision: number; readonly expected?: number }
);

/**
 * Whether there is an order of the operations, one at a time, that gives every answer and in which each comes after those
 * that had ended before it began.
 *
 * In general that takes a search; here every answer names its place, so it takes a sort and a sweep.
 *
 * @returns what is wrong; undefined when nothing is
 */
export function whatIsNotLinear(operations: readonly StreamOperation[]): string | undefined {
  const appends = operations.filter((each) => each.kind === 'append').sort((a, b) => a.first - b.first);
  let revision = 0;
  const begunOfEnd = new Map<number, bigint>([[0, -1n]]);
  for (const { first, last, expected, begun } of appends) {
    if (first !== revision + 1) return `position ${first} follows ${revision}`;
    if (expected !== revision) return `an append that expected ${expected} was kept at ${first}`;
    revision = last;
    begunOfEnd.set(last, begun);
  }

  const byEnd = [...operations].sort((a, b) => compare(a.ended, b.ended));
  let completed = 0;
  let next = 0;
  for (const operation of [...operations].sort((a, b) => compare(a.begun, b.begun))) {
    for (; next < byEnd.length && byEnd[next].ended < operation.begun; next++) {
      completed = Math.max(completed, shownBy(byEnd[next]));
    }
    const seen = operation.kind === 'append' ? operation.first - 1 : operation.revision;
    if (seen < completed) return `an operation found revision ${seen} after another one had found ${completed}`;
    if (operation.kind === 'append') continue;
    if (operation.expected === operation.revision) return `an append was refused at the revision it expected, ${seen}`;
    const begun = begunOfEnd.get(seen);
    if (begun === undefined) return `revision ${seen} was seen, which is within a batch`;
    if (begun > operation.ended) return `revision ${seen} was seen before its append began`;
  }
  return undefined;
}

/** An append with its places in the whole log. */
export interface LogAppend {
  readonly begun: bigint;
  readonly ended: bigint;
  readonly first: number;
  readonly last: number;
}

/**
 * Whether the log has the appends, of whatever streams, in an order in which each comes after those that had ended before
 * it began.
 *
 * @returns what is wrong; undefined when nothing is
 */
export function whatIsOutOfOrder(appends: readonly LogAppend[]): string | undefined {
  const byEnd = [...appends].sort((a, b) => compare(a.ended, b.ended));
  let completed = 0;
  let next = 0;
  for (const { begun, first } of [...appends].sort((a, b) => compare(a.begun, b.begun))) {
    for (; next < byEnd.length && byEnd[next].ended < begun; next++) completed = Math.max(completed, byEnd[next].last);
    if (first <= completed) return `global position ${first} was given after ${completed} had been answered`;
  }
  return undefined;
}

function shownBy(operation: StreamOperation): number {
  return operation.kind === 'append' ? operation.last : operation.revision;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
