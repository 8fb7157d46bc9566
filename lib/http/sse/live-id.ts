import { ValidationError } from '../../store/values/errors.js';
import { shown } from '../../store/values/names.js';
import { MARK_PATTERN, type Place } from '../../store/values/place.js';
import { wholeNumber } from '../request/query.js';

const TEXT = new RegExp(`^(\\d+)(?:-(${MARK_PATTERN}))?$`);

/** What a client says when it reconnects: the position it has come to, and the mark of the event there, as in `42-0y3k9qa`. */
export function liveIdOf({ position, mark }: Place): string {
  return mark === undefined ? String(position) : `${position}-${mark}`;
}

/**
 * The place that a client says. A position alone is taken, too.
 *
 * @throws {ValidationError}
 */
export function placeOfLiveId(text: string, field: string): Place {
  const [, position, mark] = TEXT.exec(text) ?? [];
  if (position === undefined) {
    throw new ValidationError(field, `${shown(text)} is none: give the "id" of an event, such as 42-0y3k9qa or 42.`);
  }
  return { position: wholeNumber(position, field), mark };
}
