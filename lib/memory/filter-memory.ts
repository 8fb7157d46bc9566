import type { CompiledFilter } from '../store/values/event-filter.js';
import type { Chunk } from './chunk.js';
import type { NameTable } from './name-table.js';

const YES = 1;
const NO = 2;

/** Asks a filter once for each stream and each type it meets, and remembers the answers by number. */
export class FilterMemory {
  readonly #ofStream: number[] = [];
  readonly #ofType: number[] = [];
  /** How far each chunk was looked through, and whether everything so far was let through. */
  readonly #looked = new WeakMap<Chunk, { upTo: number; isAllAdmitted: boolean }>();

  constructor(
    private readonly filter: CompiledFilter,
    private readonly streamIdOf: (stream: number) => string,
    private readonly types: NameTable,
  ) {}

  admits(chunk: Chunk, place: number): boolean {
    const stream = chunk.streams[place];
    this.#ofStream[stream] ??= this.filter.matchesStream(this.streamIdOf(stream)) ? YES : NO;
    if (this.#ofStream[stream] === NO) return false;
    const type = chunk.types[place];
    this.#ofType[type] ??= this.filter.matchesType(this.types.nameOf(type)) ? YES : NO;
    return this.#ofType[type] === YES;
  }

  /** Whether every event of the chunk is let through. Looks at each of them once. */
  admitsAll(chunk: Chunk): boolean {
    let looked = this.#looked.get(chunk);
    if (!looked) this.#looked.set(chunk, (looked = { upTo: 0, isAllAdmitted: true }));
    while (looked.isAllAdmitted && looked.upTo < chunk.count) looked.isAllAdmitted = this.admits(chunk, looked.upTo++);
    return looked.isAllAdmitted;
  }
}
