/** A whole number as a parameter: the next one for a fraction, null for both infinities. */
export function integerOrNull(value: number): number | null {
  return Number.isFinite(value) ? Math.ceil(value) : null;
}

/** The elements of an array of integers without nulls, as the server writes it: `{1,2,3}`. */
export function integersOf(text: string | null): number[] {
  return (text ?? '{}').slice(1, -1).split(',').map(Number);
}
