import type { Checkpoint } from '../../store/values/checkpoint.js';
import { LogForkedError } from '../../store/values/errors.js';
import type { EventStore } from '../../store/event-store.js';
import { internalsOf } from '../../store/store-internals.js';
import { goesOnFrom, type Place } from '../../store/values/place.js';
import type { PlaceMemory } from '../../subscription/place-memory.js';
import { cutAt } from './cut-checkpoint.js';

/** Compares places with the log, which may have gone back since they were noted. */
export class LogPlaces {
  /** @param streamId the stream that positions count in; undefined for the whole log */
  constructor(
    private readonly store: EventStore,
    private readonly streamId: string | undefined,
    private readonly known: PlaceMemory,
  ) {}

  /** The newest of the places that are known from which the log goes on, up to a position; undefined when there is none. */
  newest(upTo = Infinity): Promise<Place | undefined> {
    return this.known.newest(upTo, (at) => this.#isThere(at));
  }

  /**
   * A checkpoint, as far as the log goes on from it.
   *
   * @param handler whose it is, and by which name the log calls it
   * @param mayRewind whether it may be cut to the newest place that is as it was
   * @throws {LogForkedError} when it may not
   */
  async fit(
    kept: Checkpoint,
    handler: { readonly name: string; readonly label: string },
    mayRewind: boolean,
  ): Promise<Checkpoint> {
    const place = { position: kept.position, id: kept.id };
    const furthest = kept.furthest ?? place;
    if (await this.#isThere(furthest)) return kept;
    const { head } = await internalsOf(this.store).look(this.streamId ?? null, 0);
    const error = new LogForkedError(`Handler "${handler.label}"`, furthest.position, head);
    if (!mayRewind) throw error;
    const common = (await this.#isThere(place)) ? place : await this.newest(Math.min(place.position, head));
    const begin = common ?? { position: 0 };
    internalsOf(this.store).noteFork(handler.name, error, `it begins again after position ${begin.position}`);
    return cutAt(kept, begin);
  }

  async #isThere(at: Place): Promise<boolean> {
    if (at.position === 0) return true;
    return goesOnFrom(at, await internalsOf(this.store).look(this.streamId ?? null, at.position));
  }
}
