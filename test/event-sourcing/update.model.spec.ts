import { expect, it } from '@jest/globals';
import type { EventStore, StorageEngine } from 'nestjs-stream-store';
import { memoryEngine } from 'nestjs-stream-store';
import {
  Aggregate,
  AggregateRoot,
  type AggregateResult,
  type Aggregates,
  aggregatesOf,
  Apply,
} from 'nestjs-stream-store/event-sourcing';
import { faultyEngine } from 'nestjs-stream-store/testing';
import { rejectionOf } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { openTestStore } from '../support/open-test-store.js';
import { Random } from '../support/worlds/random.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';
import { SnapshotTexts } from './snapshot-texts.js';

interface PurseEvents {
  'purse.changed': { by: number };
}

class Refused extends Error {}

interface Purse extends AggregateRoot<PurseEvents> {
  readonly cents: number;
  readonly changes: readonly number[];
  change(by: number): void;
}

/** A release of an application: its snapshots have a version, and how much it remembers differs. */
function releaseOf(version: number, every: number, cacheBytes: number) {
  @Aggregate('purse', { snapshot: { every, version }, cacheBytes })
  class ReleasedPurse extends AggregateRoot<PurseEvents> implements Purse {
    cents = 0;
    changes: number[] = [];
    change(by: number): void {
      if (this.cents + by < 0) throw new Refused();
      this.record('purse.changed', { by });
    }
    @Apply('purse.changed')
    protected onChanged({ by }: PurseEvents['purse.changed']): void {
      this.cents += by;
      this.changes.push(by);
    }
  }
  return ReleasedPurse;
}

const RELEASES = [releaseOf(1, 3, 10_000), releaseOf(2, 2, 900), releaseOf(2, 5, 0)];
const IDS = ['a', 'b', 'c'];

/** What the purses should be, by their events alone. */
class Model {
  readonly changes = new Map<string, number[]>(IDS.map((id) => [id, []]));
  /** What each command has led to: the revisions of its events. */
  readonly commands = new Map<string, { readonly first: number; readonly last: number }>();

  centsOf(id: string, revision = Infinity): number {
    return this.changes
      .get(id)!
      .slice(0, revision)
      .reduce((sum, by) => sum + by, 0);
  }

  expectResult(id: string, { state, revision }: AggregateResult<Purse>, at = this.changes.get(id)!.length): void {
    expect(revision).toBe(at);
    expect([state.cents, state.changes]).toEqual([this.centsOf(id, at), this.changes.get(id)!.slice(0, at)]);
  }
}

class World {
  readonly model = new Model();
  readonly #olderTexts: string[] = [];
  #processes: Aggregates<Purse>[] = [];

  constructor(
    private readonly random: Random,
    private readonly store: EventStore,
    private readonly texts: SnapshotTexts,
  ) {
    for (let index = 0; index < 3; index++) this.#restart(index);
  }

  /** A process ends, and another release of the application begins. */
  #restart(index: number): void {
    this.#processes[index] = aggregatesOf(this.store, this.random.pick(RELEASES));
  }

  async step(): Promise<void> {
    const id = this.random.pick(IDS);
    switch (this.random.below(10)) {
      case 0:
        return this.#restart(this.random.below(3));
      case 1:
        return this.#damage();
      case 2:
        return this.#appendDirectly(id);
      case 3:
        return this.#lookBack(id);
      case 4:
        return this.#look(id);
      case 5:
      case 6:
        return this.#command(id);
      default:
        return this.#update(id, undefined);
    }
  }

  /** A snapshot is lost, cut off, changed, or replaced by an older one. */
  async #damage(): Promise<void> {
    const ids = await this.texts.ids();
    if (ids.length === 0) return;
    const id = this.random.pick(ids);
    const text = (await this.texts.get(id))!;
    this.#olderTexts.push(`${id}\n${text}`);
    const [otherId, older] = this.random.pick(this.#olderTexts).split('\n');
    const place = this.random.below(text.length);
    switch (this.random.below(4)) {
      case 0:
        return this.texts.remove(id);
      case 1:
        return this.texts.set(id, text.slice(0, place));
      case 2:
        return this.texts.set(id, `${text.slice(0, place)}${this.random.below(10)}${text.slice(place + 1)}`);
      default:
        return this.texts.set(otherId, older);
    }
  }

  async #appendDirectly(id: string): Promise<void> {
    const by = 1 + this.random.below(5);
    await this.store.append(`purse-${id}`, { type: 'purse.changed', data: { by } });
    this.model.changes.get(id)!.push(by);
  }

  async #look(id: string): Promise<void> {
    const found = await this.random.pick(this.#processes).find(id);
    if (found) this.model.expectResult(id, found);
    else expect(this.model.changes.get(id)).toEqual([]);
  }

  async #lookBack(id: string): Promise<void> {
    const revision = this.random.below(this.model.changes.get(id)!.length + 1);
    const call = this.random.pick(this.#processes).stateAt(id, revision);
    if (revision === 0) expect(await rejectionOf(call)).toMatchObject({ code: 'AGGREGATE_NOT_FOUND' });
    else this.model.expectResult(id, await call, revision);
  }

  async #command(id: string): Promise<void> {
    const commandId = `c${this.random.below(6)}`;
    const done = this.model.commands.get(`${id} ${commandId}`);
    if (!done) return this.#update(id, commandId);
    const repeated = await this.random.pick(this.#processes).update(id, () => this.#never(), { commandId });
    this.model.expectResult(id, repeated, done.last);
    expect(repeated.events.map(({ position }) => position)).toEqual(
      Array.from({ length: done.last - done.first + 1 }, (_, index) => done.first + index),
    );
  }

  #never(): void {
    throw new Error('a command is done twice');
  }

  async #update(id: string, commandId: string | undefined): Promise<void> {
    const changes = Array.from({ length: this.random.below(4) }, () => this.random.below(12) - 4);
    let conflicts = this.random.below(4) === 0 ? 1 + this.random.below(3) : 0;
    let attempts = 0;
    const act = async (purse: Purse): Promise<void> => {
      attempts++;
      expect(purse.cents).toBe(this.model.centsOf(id));
      if (conflicts-- > 0) await this.#appendDirectly(id);
      for (const by of changes) purse.change(by);
    };
    const before = this.model.changes.get(id)!.length;
    const outcome = await this.random
      .pick(this.#processes)
      .update(id, act, { commandId })
      .catch((error: unknown) => error as Error);
    if (outcome instanceof Refused) return;
    if (outcome instanceof Error) {
      expect(outcome).toMatchObject({ code: 'WRONG_EXPECTED_REVISION' });
      expect(attempts).toBe(3);
      return;
    }
    // What was decided on a state that somebody else had changed was thrown away.
    const kept = this.model.changes.get(id)!;
    if (changes.length === 0) return void expect(outcome.events).toEqual([]);
    kept.push(...changes);
    this.model.expectResult(id, outcome);
    expect(kept.length).toBeGreaterThanOrEqual(before + changes.length);
    expect(outcome.events.map(({ data }) => data.by)).toEqual(changes);
    if (commandId)
      this.model.commands.set(`${id} ${commandId}`, { first: kept.length - changes.length + 1, last: kept.length });
  }

  async expectAll(): Promise<void> {
    for (const id of IDS) {
      const events = this.model.changes.get(id)!.length === 0 ? [] : await this.store.readStream(`purse-${id}`);
      expect(events.map(({ data }) => (data as { by: number }).by)).toEqual(this.model.changes.get(id));
      await this.#look(id);
    }
  }
}

it.each<[string, () => StorageEngine]>([
  ['in memory', () => memoryEngine()],
  ['on an engine that answers later', () => lateEngine()],
])(
  'update does what the model does, with snapshots of all ages, damaged ones, several releases and conflicts, %s',
  async (_, engine) => {
    for (let seed = 1; seed <= scaled(600, 20); seed++) {
      const random = new Random(seed);
      const logger = { warn: () => undefined, error: () => undefined };
      const clock = {
        now: () => Date.now(),
        random: () => 0,
        setTimer: (callback: () => void) => (setImmediate(callback), () => undefined),
      };
      const kept = faultyEngine(engine());
      const store = await openTestStore({ engine: kept, logger, clock });
      const world = new World(random, store, new SnapshotTexts(store, kept, 'purse'));
      try {
        for (let step = 0; step < 60; step++) await world.step();
        await world.expectAll();
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
      await store.close();
    }
  },
  scaledTimeLimit(120_000),
);
