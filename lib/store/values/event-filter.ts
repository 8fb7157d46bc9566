import { ValidationError } from './errors.js';
import { checkMembers } from './known-members.js';
import { checkName, isOwnStream } from './names.js';

/** Which events to read. Every condition given must hold; an empty filter lets everything through. */
export interface EventFilter {
  /** Events of this stream only. */
  readonly stream?: string;
  /** Events of the streams whose id fits the pattern: `*` stands for any characters, also none; all else for itself. */
  readonly streams?: string;
  /** Events whose type is one of these; a type may be a pattern, such as `order.*`. */
  readonly types?: readonly string[];
}

/** A checked filter, ready to be asked. Engines that cannot ask it event by event find the conditions in its fields. */
export class CompiledFilter {
  readonly stream: string | undefined;
  readonly streams: Pattern | undefined;
  readonly types: readonly Pattern[] | undefined;
  /** The store's own streams show only to those who ask for them: by their id, or by a pattern that begins with `$`. */
  readonly hidesOwnStreams: boolean;

  /** @throws {ValidationError} when a condition is no text or names nothing */
  constructor(filter: EventFilter, field = 'filter') {
    checkMembers(filter, field, ['stream', 'streams', 'types']);
    if (filter.stream !== undefined) checkName(filter.stream, `${field}.stream`);
    if (filter.streams !== undefined) checkName(filter.streams, `${field}.streams`);
    this.stream = filter.stream;
    this.streams = filter.streams === undefined ? undefined : new Pattern(filter.streams);
    this.types = compileTypes(filter.types, `${field}.types`);
    this.hidesOwnStreams = filter.stream === undefined && !filter.streams?.startsWith('$');
  }

  matchesStream(streamId: string): boolean {
    if (this.hidesOwnStreams && isOwnStream(streamId)) return false;
    return (this.stream === undefined || this.stream === streamId) && (this.streams?.matches(streamId) ?? true);
  }

  matchesType(type: string): boolean {
    return this.types === undefined || this.types.some((pattern) => pattern.matches(type));
  }
}

/** The types of a filter, or undefined when every type is let through. */
export function compileTypes(types: readonly string[] | undefined, field: string): readonly Pattern[] | undefined {
  if (types === undefined) return undefined;
  if (!Array.isArray(types) || types.length === 0) {
    throw new ValidationError(field, 'give an array of at least one event type, or leave it out for all types.');
  }
  return types.map((type, index) => {
    checkName(type, `${field}[${index}]`);
    return new Pattern(type);
  });
}

/** A text in which `*` stands for any characters, also none. */
export class Pattern {
  readonly #hasWildcard: boolean;

  constructor(readonly source: string) {
    this.#hasWildcard = source.includes('*');
  }

  matches(text: string): boolean {
    return this.#hasWildcard ? matchesGlob(this.source, text) : text === this.source;
  }

  toString(): string {
    return this.source;
  }
}

/**
 * Matches in time proportional to both lengths, whatever the pattern: after a `*` it remembers one place to come back
 * to, so it cannot be made to try every combination, as a regular expression can.
 */
function matchesGlob(pattern: string, text: string): boolean {
  let inPattern = 0;
  let inText = 0;
  let afterStar = -1;
  let resumeAt = 0;
  while (inText < text.length) {
    if (pattern[inPattern] === '*') {
      afterStar = ++inPattern;
      resumeAt = inText;
    } else if (inPattern < pattern.length && pattern[inPattern] === text[inText]) {
      inPattern++;
      inText++;
    } else if (afterStar >= 0) {
      inPattern = afterStar;
      inText = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[inPattern] === '*') inPattern++;
  return inPattern === pattern.length;
}

/** What a read without a filter lets through: all but the store's own streams. */
const EVERYTHING = new CompiledFilter({});

/** What a caller's filter lets through. */
export function toFilter(filter: EventFilter | undefined): CompiledFilter {
  return filter === undefined ? EVERYTHING : new CompiledFilter(filter);
}
