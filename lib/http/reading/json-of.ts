import { randomUUID } from 'node:crypto';

/** The JSON text of a value, in which -0 is -0; `JSON.stringify` makes 0 of it. */
export function jsonOf(value: unknown): string {
  if (!hasMinusZero(value)) return JSON.stringify(value);
  // Nobody can have put it into the value.
  const mark = randomUUID();
  const text = JSON.stringify(value, (_name, member: unknown) => (Object.is(member, -0) ? mark : member));
  return text.replaceAll(`"${mark}"`, '-0');
}

function hasMinusZero(value: unknown): boolean {
  if (typeof value === 'number') return Object.is(value, -0);
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) ? value.some(hasMinusZero) : Object.values(value).some(hasMinusZero);
}
