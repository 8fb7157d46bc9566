import type { RecordedEvent } from '../store/values/event.js';
import type { AggregateDefinition } from './aggregate-definition.js';
import type { AggregateLog } from './aggregate-log.js';
import { applied } from './state-fold.js';
import type { SnapshotDocuments } from './snapshot-documents.js';
import type { KeptState, StateCache } from './state-cache.js';

/** A state, and how far its stream had come. */
export interface LoadedState<State> {
  /** The position of the last event in it; 0 before the first. */
  readonly revision: number;
  readonly globalPosition: number;
  /** The state: an instance of its own each time, as often as it was loaded for. */
  take(): State;
}

/** Up to where a state is wanted. */
export interface Until {
  /** A position, inclusive. */
  readonly revision: number;
  /** When the last event in it was kept, inclusive, in milliseconds since 1970. */
  readonly recordedAt: number;
}

export const NOW: Until = { revision: Infinity, recordedAt: Infinity };

/** How far a state has come, before it is known whether it can be kept. */
type Progress = Omit<KeptState, 'text'>;

const BEGINNING: Progress = { revision: 0, globalPosition: 0, lastId: '', recordedAt: -Infinity, snapshotRevision: 0 };

/**
 * Loads states: from the memory of this process, else from a snapshot, else from the first event; then always with the
 * events that came after. What it loads it remembers, as a text from which an instance is made for each who wants one. A
 * state of which no text can be made is folded from its first event each time, once for each instance that is wanted.
 */
export class StateLoader<State> {
  constructor(
    private readonly definition: AggregateDefinition<State>,
    private readonly log: AggregateLog,
    private readonly cache: StateCache,
    private readonly snapshots: SnapshotDocuments | undefined,
  ) {}

  /** The state before the first event. */
  beginning(): LoadedState<State> {
    return this.#loaded(BEGINNING, undefined, []);
  }

  /**
   * @param copies how often the state is to be taken
   * @throws {EventsExpiredError} when retention removed events of the stream
   * @throws {ValidationError} when one of its events is of a type that nothing applies
   */
  async load(streamId: string, id: string, copies: number, until = NOW): Promise<LoadedState<State>> {
    const remembered = this.cache.get(streamId);
    if (remembered) {
      const loaded = await this.#readOn(streamId, id, remembered, copies, until);
      if (loaded) return loaded;
      // The log went back: a snapshot may be from before that.
      if (isWithin(until, remembered)) this.cache.delete(streamId);
    }
    const snapshot = await this.snapshots?.find(id);
    const loaded = snapshot && (await this.#readOn(streamId, id, snapshot, copies, until));
    return loaded ?? (await this.#readOn(streamId, id, undefined, copies, until))!;
  }

  /**
   * The state after events that were appended to a loaded one.
   *
   * @param areExact whether the events are as the log has them: then the state is remembered
   */
  async advance(
    streamId: string,
    id: string,
    loaded: LoadedState<State>,
    events: readonly RecordedEvent[],
    areExact: boolean,
  ): Promise<LoadedState<State>> {
    const progress = reached((loaded as Loaded<State>).progress, events);
    const states = [loaded.take()];
    this.#fold(states, events);
    return areExact ? this.#keep(streamId, id, progress, states) : this.#loaded(progress, undefined, states);
  }

  /** @returns undefined when the state is no beginning for that, or the stream does not go on from it */
  async #readOn(
    streamId: string,
    id: string,
    from: KeptState | undefined,
    copies: number,
    until: Until,
  ): Promise<LoadedState<State> | undefined> {
    if (from && !isWithin(until, from)) return undefined;
    // The other copies are made of the text, where there is one.
    const folded = this.definition.isPlain ? 1 : copies;
    const states = Array.from({ length: folded }, () => this.#begin(from));
    let progress: Progress = from ?? BEGINNING;
    for (let isEnd = false; !isEnd;) {
      const place = { position: progress.revision, ...(progress.revision > 0 && { id: progress.lastId }) };
      const page = await this.log.after(streamId, place);
      if (!page) {
        if (from) return undefined;
        // It went back while it was read.
        return this.#readOn(streamId, id, from, copies, until);
      }
      const events = page.events.filter((event) => isWithin(until, placeOf(event)));
      this.#fold(states, events);
      progress = reached(progress, events);
      isEnd = page.isEnd || events.length < page.events.length;
    }
    if (until !== NOW) return this.#loaded(progress, undefined, states);
    if (progress.revision === from?.revision) return this.#loaded(progress, from.text, states);
    const loaded = await this.#keep(streamId, id, progress, states);
    // A text could have been expected, and there is none: what it would have given is read.
    if (states.length < copies && progress.revision > 0 && loaded.text === undefined)
      states.push(await this.#again(streamId, id, progress));
    return loaded;
  }

  /** The same state once more, from its events. */
  async #again(streamId: string, id: string, { revision }: Progress): Promise<State> {
    return (await this.#readOn(streamId, id, undefined, 1, { ...NOW, revision }))!.take();
  }

  #begin(from: KeptState | undefined): State {
    return from ? this.definition.read(from.text) : this.definition.initial();
  }

  /** Each state after the events. */
  #fold(states: State[], events: readonly RecordedEvent[]): void {
    for (let index = 0; index < states.length; index++) {
      for (const event of events) states[index] = applied(this.definition, states[index], event);
    }
  }

  /** Remembers a state, and lets a snapshot be kept when it is time for one. */
  async #keep(streamId: string, id: string, progress: Progress, states: State[]): Promise<Loaded<State>> {
    const text = progress.revision > 0 ? this.#textOf(states[0]) : undefined;
    if (text === undefined) return this.#loaded(progress, text, states);
    const snapshotRevision = (await this.snapshots?.keep(id, { ...progress, text })) ?? progress.snapshotRevision;
    const kept = { ...progress, text, snapshotRevision };
    this.cache.put(streamId, kept);
    return this.#loaded(kept, text, states);
  }

  #textOf(state: State): string | undefined {
    if (!this.definition.isPlain) return undefined;
    try {
      return this.definition.write(state);
    } catch {
      // Who wants snapshots is told before anything is kept; the others go without a memory.
      return undefined;
    }
  }

  #loaded(progress: Progress, text: string | undefined, states: State[]): Loaded<State> {
    const { definition } = this;
    const another = (): State => {
      if (text !== undefined) return definition.read(text);
      if (progress.revision > 0) throw new Error('the state was taken more often than it was loaded for');
      return definition.initial();
    };
    const take = (): State => definition.handedOut(states.length > 0 ? states.pop()! : another());
    return { revision: progress.revision, globalPosition: progress.globalPosition, progress, text, take };
  }
}

interface Loaded<State> extends LoadedState<State> {
  readonly progress: Progress;
  readonly text: string | undefined;
}

interface PlaceInTime {
  readonly revision: number;
  readonly recordedAt: number;
}

function isWithin(until: Until, { revision, recordedAt }: PlaceInTime): boolean {
  return revision <= until.revision && recordedAt <= until.recordedAt;
}

function placeOf({ position, recordedAt }: RecordedEvent): PlaceInTime {
  return { revision: position, recordedAt: recordedAt.getTime() };
}

function reached(progress: Progress, events: readonly RecordedEvent[]): Progress {
  const last = events.at(-1);
  if (!last) return progress;
  const { globalPosition, id } = last;
  return { ...progress, ...placeOf(last), globalPosition, lastId: id };
}
