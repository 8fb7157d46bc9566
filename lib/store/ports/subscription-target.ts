import { Cursor, END, START } from '../values/cursor.js';
import { ValidationError } from '../values/errors.js';
import { CompiledFilter, compileTypes } from '../values/event-filter.js';
import { checkMembers } from '../values/known-members.js';
import { checkName } from '../values/names.js';
import type { Place } from '../values/place.js';
import { checkPosition } from '../values/positions.js';
import type { SubscriptionTarget } from '../values/target.js';
import type { CheckedTarget, SubscriptionStart } from './subscription.js';

/**
 * Checks which events a subscription is for.
 *
 * @param field names the target in the error
 * @throws {ValidationError}
 */
export function checkTarget(target: SubscriptionTarget, field = 'target'): CheckedTarget {
  if (typeof target === 'string') {
    checkName(target, field);
    return { streamId: target, types: undefined };
  }
  checkMembers(target, field, ['stream', 'streams', 'all', 'types']);
  const { stream, streams, all, types } = target as { stream?: string; streams?: string; all?: true; types?: string[] };
  if ([stream, streams, all].filter((choice) => choice !== undefined).length !== 1 || (all ?? true) !== true) {
    throw new ValidationError(
      field,
      'give a stream id, or one of { stream }, { streams: "order-*" } and { all: true }.',
    );
  }
  if (stream !== undefined) {
    checkName(stream, `${field}.stream`);
    return { streamId: stream, types: compileTypes(types, `${field}.types`) };
  }
  return { streamId: undefined, filter: new CompiledFilter({ streams, types }, field) };
}

/**
 * Checks a target as somebody wrote it, who may have meant a pattern by a text.
 *
 * @throws {ValidationError} also for a text with a star, which would be the one stream that has a star in its name
 */
export function checkGivenTarget(target: SubscriptionTarget, field = 'target'): CheckedTarget {
  if (typeof target === 'string' && target.includes('*')) {
    throw new ValidationError(
      field,
      `"${target}" is one stream with a star in its name: give { streams: '${target}' } for all that fit, or ` +
        `{ stream: '${target}' } for that one.`,
    );
  }
  return checkTarget(target, field);
}

/** The target in words, for the log. */
export function describeTarget(target: SubscriptionTarget): string {
  if (typeof target === 'string') return `stream "${target}"`;
  const { stream, streams, types } = target as { stream?: string; streams?: string; types?: readonly string[] };
  const what =
    stream === undefined ? (streams === undefined ? 'all streams' : `streams "${streams}"`) : `stream "${stream}"`;
  return types === undefined ? what : `${types.join(', ')} in ${what}`;
}

/**
 * The place after which a subscription begins.
 *
 * @throws {ValidationError} when `from` is no start, or a cursor that does not belong to the target
 */
export function checkStart(from: SubscriptionStart, target: CheckedTarget): Place | typeof START | typeof END {
  if (from === START || from === END) return from;
  if (!(from instanceof Cursor)) {
    return isPlace(from) ? checkedPlace(from) : checkedPlace({ position: from });
  }
  if (from.streamId !== target.streamId) {
    throw new ValidationError(
      'from',
      target.streamId === undefined
        ? `a cursor belongs to one stream, "${from.streamId}": give a global position, START or END.`
        : `the cursor is of stream "${from.streamId}", not of "${target.streamId}".`,
    );
  }
  return checkedPlace(from);
}

function isPlace(from: unknown): from is Place {
  return typeof from === 'object' && from !== null && 'position' in from;
}

function checkedPlace({ position, id, mark }: Place): Place {
  checkPosition(position, 'from');
  if ((id !== undefined && typeof id !== 'string') || (mark !== undefined && typeof mark !== 'string')) {
    throw new ValidationError('from', 'the id of its place is no text: give a place as a subscription had it.');
  }
  return { position, id, mark };
}
