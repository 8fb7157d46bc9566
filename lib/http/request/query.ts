import { ValidationError } from '../../store/values/errors.js';
import { compileTypes } from '../../store/values/event-filter.js';
import { kindOf, shown } from '../../store/values/names.js';
import { urlOf, type HttpRequest } from './http-exchange.js';

/**
 * The query of a request, parsed strictly: every parameter is known, and given once, unless it is said to be a list.
 *
 * Not what the adapter has made of it: each has its own idea of `a[]=1`, `a=1&a=2` and `%ff`.
 */
export class Query {
  readonly #values = new Map<string, string[]>();

  /**
   * @param known the parameters that there are
   * @throws {ValidationError} that names the parameter
   */
  constructor(request: HttpRequest, known: readonly string[]) {
    const url = urlOf(request);
    const begin = url.indexOf('?');
    if (begin < 0) return;
    for (const pair of url.slice(begin + 1).split('&')) {
      if (pair === '') continue;
      const [name, value] = decoded(pair);
      if (!known.includes(name)) {
        const choice = known.length > 0 ? `take one of ${known.join(', ')}` : 'leave it out';
        throw new ValidationError(shortened(name), `there is no such parameter here: ${choice}.`);
      }
      const values = this.#values.get(name);
      if (values) values.push(value);
      else this.#values.set(name, [value]);
    }
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  list(name: string): readonly string[] | undefined {
    return this.#values.get(name);
  }

  /** @throws {ValidationError} when it is given more than once */
  text(name: string): string | undefined {
    const values = this.#values.get(name);
    if (values === undefined) return undefined;
    if (values.length > 1) throw new ValidationError(name, `it is given ${values.length} times: give it once.`);
    return values[0];
  }

  /** A whole number, at least 0, in decimal digits. */
  number(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : wholeNumber(text, name);
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const text = this.text(name);
    if (text === undefined || choices.includes(text as Choice)) return text as Choice | undefined;
    throw new ValidationError(name, `${shown(text)} is none of them: give ${choices.join(' or ')}.`);
  }

  /** The query once more, with some parameters changed: a reference that is relative to the URL of the request. */
  with(changes: Readonly<Record<string, string>>): string {
    const kept = [...this.#values].filter(([name]) => !(name in changes));
    const all = [...kept, ...Object.entries(changes).map(([name, value]) => [name, [value]] as const)];
    const pairs = all.flatMap(([name, values]) => values.map((value) => `${name}=${encodeURIComponent(value)}`));
    return `?${pairs.join('&')}`;
  }
}

/** Every event is compared with every one of them, until one fits. */
const MOST_TYPES = 50;

/** The types that events are to have, each a name or a pattern: the parameter `type`, as often as there are types. */
export function typesOf(query: Query): readonly string[] | undefined {
  const types = query.list('type');
  if (types && types.length > MOST_TYPES) {
    throw new ValidationError('type', `it is given ${types.length} times: give it at most ${MOST_TYPES} times.`);
  }
  compileTypes(types, 'type');
  return types;
}

/** @throws {ValidationError} for anything but decimal digits, and beyond what a number can hold exactly */
export function wholeNumber(text: string, field: string): number {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(number)) {
    throw new ValidationError(field, `${shown(text)} is no whole number: give decimal digits.`);
  }
  return number;
}

/** @throws {ValidationError} when a request that takes no query has one */
export function refuseQuery(request: HttpRequest): void {
  if (urlOf(request).includes('?')) new Query(request, []);
}

function decoded(pair: string): [string, string] {
  const equals = pair.indexOf('=');
  const parts = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
  try {
    return parts.map((part) => decodeURIComponent(part.replaceAll('+', ' '))) as [string, string];
  } catch {
    throw new ValidationError(shortened(parts[0]), 'it is not well-formed: encode it as UTF-8 with percent signs.');
  }
}

/** A name of a field for an error: whatever a client sends comes back short. */
export function shortened(name: string): string {
  return name.length > 80 ? `${name.slice(0, 80)}…` : name || kindOf(undefined);
}
