import { UpcastFailedError } from '../values/errors.js';
import { messageOf } from '../values/error-text.js';
import { CompiledFilter, Pattern } from '../values/event-filter.js';
import type { JsonValue, RecordedEvent } from '../values/event.js';
import { toJsonText } from '../values/json-text.js';
import { isPromise } from '../values/maybe-promise.js';
import { isOwnStream } from '../values/names.js';
import { reshapedEvent } from '../values/recorded-event.js';
import { noteUpcastFailure, noteWritten } from '../values/typed/upcast-failure.js';
import type { EventCatalog, KnownType } from './event-catalog.js';

/**
 * Brings events into the shape that the store knows now: under the present name of their type, and with data of its present
 * version. Once for each record: an engine that keeps a record hands out the same one again.
 */
export class EventShaper {
  readonly #shaped = new WeakMap<RecordedEvent, RecordedEvent>();
  readonly #filters = new WeakMap<CompiledFilter, CompiledFilter>();
  readonly #types = new WeakMap<readonly Pattern[], readonly Pattern[]>();

  constructor(private readonly catalog: EventCatalog) {}

  /** The event in its present shape: the same when it has it, or nothing is known of its type. */
  shape(event: RecordedEvent): RecordedEvent {
    const known = this.catalog.find(event.type);
    if (!known || (known.name === event.type && known.type.version === event.schemaVersion)) return event;
    if (isOwnStream(event.streamId)) return event;
    let shaped = this.#shaped.get(event);
    if (!shaped) this.#shaped.set(event, (shaped = reshape(event, known)));
    return shaped;
  }

  /** Brings all events of a page into their present shape, in place, and takes out those that `types` do not let through now. */
  shapePage(events: RecordedEvent[], types: readonly Pattern[] | undefined): void {
    let kept = 0;
    for (const event of events) {
      const shaped = this.shape(event);
      if (shaped === event || !types || types.some((pattern) => pattern.matches(shaped.type))) events[kept++] = shaped;
    }
    events.length = kept;
  }

  /** What an engine is to be asked for in place of these types: with the former names of all that they let through. */
  withFormerNames(types: readonly Pattern[]): readonly Pattern[] {
    let all = this.#types.get(types);
    if (!all) this.#types.set(types, (all = [...types, ...this.#formerNames(types)]));
    return all;
  }

  /** The same for a filter. */
  filterWithFormerNames(filter: CompiledFilter): CompiledFilter {
    const { stream, streams, types } = filter;
    if (!types) return filter;
    let wider = this.#filters.get(filter);
    if (!wider) {
      const all = this.withFormerNames(types).map(({ source }) => source);
      wider = new CompiledFilter({ stream, ...(streams && { streams: streams.source }), types: all });
      this.#filters.set(filter, wider);
    }
    return wider;
  }

  #formerNames(types: readonly Pattern[]): Pattern[] {
    return [...this.catalog.types.values()]
      .filter(({ name }) => types.some((pattern) => pattern.matches(name)))
      .flatMap(({ type }) => type.aliases.map((alias) => new Pattern(alias)));
  }
}

function reshape(event: RecordedEvent, known: KnownType): RecordedEvent {
  const { type, name } = known;
  const failed = (reason: string, isNewer: boolean, cause?: unknown): RecordedEvent => {
    const unread = reshapedEvent(event, name, event.data, event.schemaVersion);
    const { streamId, position, schemaVersion } = event;
    noteUpcastFailure(
      unread,
      new UpcastFailedError(streamId, position, name, schemaVersion, reason, isNewer, { cause }),
    );
    return unread;
  };
  let shaped: RecordedEvent;
  if (event.schemaVersion > type.version) {
    shaped = failed(`only versions up to ${type.version} are known here`, true);
  } else {
    let data: JsonValue = event.data;
    let version = event.schemaVersion;
    try {
      for (; version < type.version; version++) data = upcast(type.upcasts[version], data);
      shaped = reshapedEvent(event, name, data, version);
    } catch (error) {
      shaped = failed(`upcasts[${version}] failed: ${messageOf(error).replace(/\.$/, '')}`, false, error);
    }
  }
  noteWritten(shaped, event);
  return shaped;
}

/** @throws what the upcast throws, or why what it answered cannot be data */
function upcast(change: (data: never) => unknown, data: JsonValue): JsonValue {
  const answer = change(data as never);
  if (isPromise(answer)) {
    // Nobody waits for it, so nobody else takes what it fails with.
    answer.catch(() => undefined);
    throw new TypeError('it answered with a promise: let it answer at once.');
  }
  return frozenCopy(answer);
}

/** As a reader gets it: what JSON cannot hold is refused, and what others may still hold and change is left to them. */
function frozenCopy(value: unknown): JsonValue {
  return JSON.parse(toJsonText(value, 'data'), (_, member: unknown) => Object.freeze(member)) as JsonValue;
}
