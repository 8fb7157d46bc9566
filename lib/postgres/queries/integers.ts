/** A limit or a place as a parameter; null for infinity. */
export function integerOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** The time from which on something holds, as a parameter; null when it holds from the beginning. */
export function timeOrNull(ms: number): number | null {
  return ms === -Infinity ? null : Math.min(Math.ceil(ms), Number.MAX_SAFE_INTEGER);
}

/** The elements of an array of integers without nulls, as the server writes it: `{1,2,3}`. */
export function integersOf(text: string | null): number[] {
  return (text ?? '{}').slice(1, -1).split(',').map(Number);
}
