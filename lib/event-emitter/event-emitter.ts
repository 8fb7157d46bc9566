/** The part of `EventEmitter2` that the bridge uses. */
export interface EventEmitter {
  /** Whether names are patterns: only when the emitter was made so. */
  readonly wildcard?: boolean;
  /** What stands between the parts of a name. Default `.`. */
  readonly delimiter?: string;
  on(eventName: string | symbol | (string | symbol)[], listener: EmitterListener): unknown;
  off(eventName: string, listener: EmitterListener): unknown;
  emit(eventName: string): unknown;
  emitAsync(eventName: string, ...args: unknown[]): Promise<unknown>;
  listeners(eventName: string): readonly unknown[];
  listenersAny(): readonly unknown[];
  eventNames(): readonly unknown[];
}

/** Called with the emitter as `this`, on which `event` is then the name that was emitted. */
export type EmitterListener = (this: { readonly event?: unknown }, ...args: unknown[]) => unknown;

/** Whether the emitter would have to understand `*` or `**` for anything to fit this name. */
export function hasWildcard(eventName: string, { delimiter = '.' }: EventEmitter): boolean {
  return eventName.split(delimiter).some((part) => part === '*' || part === '**');
}

/**
 * Whether nobody has asked for what would be emitted under this name, although the emitter would do something: fail for an
 * `error` that nobody listens for, take `*` for any part, or call what every object has, such as `__proto__`.
 */
export function reachesNobody(eventName: string, emitter: EventEmitter): boolean {
  if (emitter.wildcard) {
    // Each part is looked up by itself, and found on every object.
    const isInherited = eventName.split(emitter.delimiter ?? '.').some((part) => part in Object.prototype);
    if (isInherited || hasWildcard(eventName, emitter)) return true;
  } else if (eventName in Object.prototype) {
    return eventName.startsWith('__') || !emitter.eventNames().includes(eventName);
  }
  return eventName === 'error' && emitter.listeners(eventName).length + emitter.listenersAny().length === 0;
}

/** The name of what is being emitted, as text: it may be a symbol, or an array of parts. */
export function textOfName(event: unknown, { delimiter = '.' }: EventEmitter): string {
  return Array.isArray(event) ? event.map(String).join(delimiter) : String(event);
}

/** Finds out which patterns a name fits, by asking another emitter of the same kind. */
export class EventNamePatterns<Value> {
  #fitting: Value[] = [];

  /** @param probe that nobody else uses */
  constructor(private readonly probe: EventEmitter) {}

  /** @param pattern as the emitter takes it: a name, or the parts of one */
  add(pattern: string | symbol | (string | symbol)[], value: Value): void {
    this.probe.on(pattern, () => this.#fitting.push(value));
  }

  /** The values of the patterns that the name fits, in no particular order. */
  fitting(eventName: string): Value[] {
    this.#fitting = [];
    this.probe.emit(eventName);
    return this.#fitting;
  }
}
