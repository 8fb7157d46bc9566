import { ValidationError } from '../../store/values/errors.js';
import { bodyPath } from './body-path.js';
import { shortened } from './query.js';

// What `JSON.parse` quietly changes or drops is refused here: a number that JavaScript reads as another one, the first of
// two members of one name. The value no longer tells of it, so the text is looked at, once more, after it was parsed.

/** The data of an event may have 128 levels, in an event, in an array: the store refuses what lies deeper. */
const MAX_DEPTH = 130;
/** So many decimal digits survive in every double (IEEE 754). */
const SAFE_DIGITS = 15;

// Codes of the characters that matter.
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/**
 * The value of a JSON text that says no more than the value does.
 *
 * @param field names the whole in errors, which name the part: `data.items[0].amount`; empty for an event or an array of them
 * @throws {ValidationError} for a number that would be another one, for a member that is there twice, for half of a surrogate
 *   pair
 * @throws {SyntaxError} when it is no JSON
 */
export function parseFaithfully(text: string, field: string): unknown {
  const value: unknown = JSON.parse(text);
  // Names that are there twice are not looked for, which takes most of the time, unless some are missing.
  if (countNames(text) !== countMembers(value)) new TextCheck(text, field).run();
  return value;
}

/** How many members a JSON text names; NaN when there is, or may be, something else to refuse. */
function countNames(text: string): number {
  let names = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfText(text, at);
      if (at < 0) return NaN;
    } else if (code === COLON) {
      names++;
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (++depth > MAX_DEPTH) return NaN;
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      depth--;
    } else if (beginsNumber(code)) {
      const end = endOfNumber(text, at);
      if (!isFaithful(text, at, end)) return NaN;
      at = end - 1;
    }
  }
  return names;
}

/** Where the closing quotation mark is; -1 when half of a surrogate pair is written on the way, as an escape. */
function endOfText(text: string, begin: number): number {
  for (let at = begin + 1; ; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code !== BACKSLASH) continue;
    at++;
    if (text.charAt(at) === 'u' && text.charAt(at + 1).toLowerCase() === 'd') return -1;
  }
}

function countMembers(value: unknown): number {
  let members = 0;
  for (const left = [value]; left.length > 0;) {
    const next = left.pop();
    if (typeof next !== 'object' || next === null) continue;
    const values: unknown[] = Array.isArray(next) ? next : Object.values(next);
    if (!Array.isArray(next)) members += values.length;
    for (const member of values) if (typeof member === 'object' && member !== null) left.push(member);
  }
  return members;
}

/** An array or an object that is open while the text is gone through. */
interface Level {
  /** Of the element or the member where it stands. */
  key: number | string;
  /** The names of an object so far; undefined for an array. */
  readonly names: Set<string> | undefined;
}

/** Goes through a text that is known to be JSON, and refuses what is not faithful in it. */
class TextCheck {
  readonly #levels: Level[] = [];
  #at = 0;

  constructor(
    private readonly text: string,
    private readonly field: string,
  ) {}

  run(): void {
    const { text } = this;
    let isName = false;
    while (this.#at < text.length) {
      switch (text.charCodeAt(this.#at)) {
        case QUOTE:
          if (isName) this.#checkName();
          else this.#checkText();
          isName = false;
          break;
        case OPEN_OBJECT:
          this.#open('', new Set());
          isName = true;
          break;
        case OPEN_ARRAY:
          this.#open(0, undefined);
          break;
        case CLOSE_OBJECT:
        case CLOSE_ARRAY:
          this.#levels.pop();
          this.#at++;
          isName = false;
          break;
        case COMMA:
          isName = this.#goToNext();
          break;
        default:
          if (beginsNumber(text.charCodeAt(this.#at))) this.#checkNumber();
          else this.#at++;
      }
    }
  }

  #open(key: number | string, names: Set<string> | undefined): void {
    this.#levels.push({ key, names });
    this.#at = this.#levels.length > MAX_DEPTH ? this.text.length : this.#at + 1;
  }

  /** @returns whether a name follows */
  #goToNext(): boolean {
    this.#at++;
    const level = this.#levels.at(-1)!;
    if (typeof level.key === 'number') level.key++;
    return level.names !== undefined;
  }

  #checkName(): void {
    const level = this.#levels.at(-1)!;
    const name = this.#readText();
    level.key = name;
    if (level.names!.has(name)) this.#refuse('it is there twice, and only one would be kept: give it once.');
    level.names!.add(name);
    this.#checkSurrogates(name);
  }

  #checkText(): void {
    this.#checkSurrogates(this.#readText());
  }

  #readText(): string {
    const { text } = this;
    const begin = this.#at;
    let end = begin + 1;
    for (; text.charCodeAt(end) !== QUOTE; end++) if (text.charCodeAt(end) === BACKSLASH) end++;
    this.#at = end + 1;
    return JSON.parse(text.slice(begin, end + 1)) as string;
  }

  #checkSurrogates(text: string): void {
    if (/\p{Surrogate}/u.test(text)) this.#refuse('it has half of a surrogate pair, which is no character.');
  }

  #checkNumber(): void {
    const begin = this.#at;
    const end = endOfNumber(this.text, begin);
    if (!isFaithful(this.text, begin, end)) {
      const written = this.text.slice(begin, end);
      this.#refuse(
        `${shortened(written)} would be read as ${Number(written)}: give it as a text, or with fewer digits.`,
      );
    }
    this.#at = end;
  }

  #refuse(problem: string): never {
    const path = this.#levels.reduce((path, { key }) => bodyPath(path, key), this.field);
    throw new ValidationError(path || 'body', problem);
  }
}

function beginsNumber(code: number): boolean {
  return (code >= ZERO && code <= NINE) || code === MINUS;
}

function endOfNumber(text: string, begin: number): number {
  for (let at = begin + 1; ; at++) {
    const code = text.charCodeAt(at);
    const isInNumber = beginsNumber(code) || code === DOT || code === PLUS || isExponent(code);
    if (!isInNumber) return at;
  }
}

function isExponent(code: number): boolean {
  return code === 0x65 || code === 0x45;
}

/** Whether a number, as it is written, has the same value as the decimal text that JavaScript has for it. */
function isFaithful(text: string, begin: number, end: number): boolean {
  if (end - begin <= SAFE_DIGITS && !hasExponent(text, begin, end)) return true;
  const written = text.slice(begin, end);
  const value = Number(written);
  if (!Number.isFinite(value)) return false;
  const shortest = String(value);
  if (written === shortest) return true;
  const [a, b] = [decimalOf(written), decimalOf(shortest)];
  return a.digits === b.digits && (a.digits === '' || a.exponent === b.exponent);
}

function hasExponent(text: string, begin: number, end: number): boolean {
  for (let at = begin; at < end; at++) if (isExponent(text.charCodeAt(at))) return true;
  return false;
}

/** The digits of a number without zeros around them, empty for 0, and the power of ten of the last one. */
function decimalOf(text: string): { readonly digits: string; readonly exponent: number } {
  const [, whole, fraction = '', power = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const all = whole + fraction;
  let begin = 0;
  while (all.charCodeAt(begin) === 0x30) begin++;
  let end = all.length;
  while (end > begin && all.charCodeAt(end - 1) === 0x30) end--;
  return { digits: all.slice(begin, end), exponent: Number(power) - fraction.length + all.length - end };
}
