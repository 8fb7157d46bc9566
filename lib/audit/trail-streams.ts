import { END } from '../store/values/cursor.js';
import { StorageCorruptedError } from '../store/values/errors.js';
import type { EventStore } from '../store/event-store.js';
import type { StreamInfo } from '../store/values/stream-info.js';
import { AUDIT_EVENT_TYPE } from './audit-record.js';

const DAY = /(?:^|-)(\d{4}-\d\d-\d\d)$/;

/** The streams that a trail is made of: one for each day, or those that the application names. */
export class TrailStreams {
  constructor(
    private readonly store: EventStore,
    private readonly stream: string | ((at: Date) => string),
  ) {}

  /** The stream of a record. @param at when the call began */
  idAt(at: Date): string {
    const { stream } = this;
    return typeof stream === 'function' ? stream(at) : `${stream}-${at.toISOString().slice(0, 10)}`;
  }

  /** Those that hold records. */
  async list(): Promise<string[]> {
    if (typeof this.stream === 'string') return (await this.#days(this.stream)).map(({ streamId }) => streamId);
    // Whose names nobody can tell from the others.
    const found = await this.store.getStreams();
    const flags = await Promise.all(found.map(({ streamId }) => this.#holdsRecords(streamId)));
    return found.filter((_, index) => flags[index]).map(({ streamId }) => streamId);
  }

  /** The one with the newest record, which a new stream comes after; undefined when the trail is empty. */
  async newest(): Promise<string | undefined> {
    if (typeof this.stream === 'string') {
      const days = await this.#days(this.stream);
      return days.reduce<StreamInfo | undefined>((newest, day) => (isNewer(day, newest) ? day : newest), undefined)
        ?.streamId;
    }
    const filter = { types: [AUDIT_EVENT_TYPE] };
    const { events } = await this.store.readAll({ from: END, direction: 'backward', limit: 1, filter });
    return events[0]?.streamId;
  }

  /** A stream that is damaged is told by its end; where that cannot be read either, it may be of the trail. */
  async #holdsRecords(streamId: string): Promise<boolean> {
    const types = [AUDIT_EVENT_TYPE];
    try {
      return (await this.store.readStream(streamId, 0, { limit: 1, types })).length > 0;
    } catch (error) {
      if (!(error instanceof StorageCorruptedError)) throw error;
    }
    try {
      const [last] = await this.store.readStream(streamId, END, { limit: 1, direction: 'backward' });
      return last === undefined || last.type === AUDIT_EVENT_TYPE;
    } catch (error) {
      if (!(error instanceof StorageCorruptedError)) throw error;
      return true;
    }
  }

  async #days(prefix: string): Promise<StreamInfo[]> {
    const found = await this.store.getStreams({ prefix: `${prefix}-` });
    return found.filter(({ streamId }) => DAY.test(streamId) && streamId.length === prefix.length + 11);
  }
}

/** When the day of a stream begins, in milliseconds since 1970; undefined when its id does not tell. */
export function beginningOf(streamId: string): number | undefined {
  const [, day] = DAY.exec(streamId) ?? [];
  const beginning = day === undefined ? NaN : Date.parse(day);
  return Number.isNaN(beginning) ? undefined : beginning;
}

function isNewer({ lastEvent }: StreamInfo, other: StreamInfo | undefined): boolean {
  return other === undefined || (lastEvent?.getTime() ?? 0) >= (other.lastEvent?.getTime() ?? 0);
}
