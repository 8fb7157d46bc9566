import { ValidationError } from '../errors.js';
import { messageOf } from '../error-text.js';
import { isPromise } from '../maybe-promise.js';
import { kindOf } from '../names.js';
import type { StandardSchemaIssue, StandardSchemaResult, StandardSchemaV1 } from './standard-schema.js';

/** So many things that are wrong are said at most. */
const MOST_ISSUES = 5;

/**
 * What a schema answers to a value.
 *
 * @param field names the value in errors, whose field is the path to the first part that is not acceptable
 * @throws {ValidationError} with what the schema says; also when it throws, or would answer later
 */
export function checkBySchema(schema: StandardSchemaV1, value: unknown, field: string): unknown {
  let result: StandardSchemaResult<unknown> | Promise<StandardSchemaResult<unknown>>;
  try {
    result = schema['~standard'].validate(value);
  } catch (error) {
    throw new ValidationError(field, `its schema failed: ${messageOf(error)}`, { cause: error });
  }
  if (isPromise(result)) {
    // Nobody waits for it, so nobody else takes what it fails with.
    result.catch(() => undefined);
    throw new ValidationError(field, 'its schema answers with a promise: give a schema that is synchronous.');
  }
  if (result?.issues) throw refusal(result.issues, field);
  if (typeof result !== 'object' || result === null || !('value' in result)) {
    throw new ValidationError(field, `its schema answered ${kindOf(result)}: give one that follows Standard Schema.`);
  }
  return result.value;
}

function refusal(issues: readonly StandardSchemaIssue[], field: string): ValidationError {
  const [first, ...others] = issues.slice(0, MOST_ISSUES);
  if (!first) return new ValidationError(field, 'its schema refuses it, and does not say why.');
  const more = others.map((issue) => `; ${pathOf(field, issue)}: ${issue.message}`).join('');
  const rest = issues.length > MOST_ISSUES ? `; and ${issues.length - MOST_ISSUES} more` : '';
  return new ValidationError(pathOf(field, first), `${first.message}${more}${rest}`);
}

/** The path of an issue, as in `events[2].data.lines[0].sku`. */
function pathOf(field: string, { path = [] }: StandardSchemaIssue): string {
  return path.reduce<string>((above, segment) => {
    const key = typeof segment === 'object' ? segment.key : segment;
    return above + memberPath(key);
  }, field);
}

function memberPath(key: PropertyKey): string {
  if (typeof key === 'number') return `[${key}]`;
  const name = String(key);
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}
