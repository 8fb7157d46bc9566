import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import {
  EventStore,
  OperationAbortedError,
  type RecordedEvent,
  type Replay,
  type ReplayOptions,
} from 'nestjs-stream-store';
import type { Earthquake } from './earthquake.js';

/** Lets a day of earthquakes happen again. */
@Injectable()
export class DayReplay implements BeforeApplicationShutdown {
  readonly #stopping = new AbortController();
  #running: Promise<number> | undefined;

  constructor(private readonly store: EventStore) {}

  /**
   * The quakes of a day in the order they happened, although they were appended region by region.
   *
   * @param day in UTC, such as `2018-02-06`
   */
  async quakesOf(day: string, options: ReplayOptions = {}): Promise<RecordedEvent<Earthquake>[]> {
    const quakes: RecordedEvent<Earthquake>[] = [];
    for await (const event of this.#replay(day, options)) quakes.push(event as RecordedEvent<Earthquake>);
    return quakes;
  }

  /**
   * Replays the day over and over, until the application ends.
   *
   * @param speed how much faster than it was: 1440 makes a day a minute
   * @returns how many quakes were replayed
   */
  repeat(day: string, speed: number, onQuake: (quake: RecordedEvent<Earthquake>) => void): Promise<number> {
    this.#running ??= this.#repeat(day, { speed, signal: this.#stopping.signal }, onQuake);
    return this.#running;
  }

  /** Nest calls this when the application ends, here with Ctrl-C: the pause between two quakes ends at once. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #repeat(
    day: string,
    options: ReplayOptions,
    onQuake: (quake: RecordedEvent<Earthquake>) => void,
  ): Promise<number> {
    let replayed = 0;
    try {
      for (;;) {
        for await (const event of this.#replay(day, options)) {
          onQuake(event as RecordedEvent<Earthquake>);
          replayed++;
        }
      }
    } catch (error) {
      if (error instanceof OperationAbortedError) return replayed;
      throw error;
    }
  }

  #replay(day: string, options: ReplayOptions = {}): Replay {
    return this.store.replay(`${day}T00:00:00Z`, `${day}T23:59:59.999Z`, {
      ...options,
      filter: { streams: 'earthquakes-*' },
    });
  }
}
