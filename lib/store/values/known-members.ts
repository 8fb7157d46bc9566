import { ValidationError } from './errors.js';
import { kindOf } from './names.js';

/** Refuses what is no object, and members that nobody reads: most likely a slip of the pen. */
export function checkMembers(value: object, field: string, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ValidationError(field, `it is ${kindOf(value)}: give an object with some of ${known.join(', ')}.`);
  }
  for (const name in value) {
    if (!known.includes(name)) {
      throw new ValidationError(
        field === 'options' ? name : `${field}.${name}`,
        `there is no such option: take one of ${known.join(', ')}.`,
      );
    }
  }
}
