import {
  type AppendRequest,
  type EventStore,
  type FailurePolicy,
  openEventStore,
  type RecordedEvent,
  START,
  type StorageEngine,
  type StreamEventContext,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import type { Consumer } from '../../../lib/consumer/consumer.js';
import { createConsumer } from '../../../lib/consumer/create-consumer.js';
import { type CheckedConsumerOptions, checkConsumerOptions } from '../../../lib/consumer/consumer-options.js';
import { DeadLetterStore } from '../../../lib/consumer/dead-letters/dead-letter-store.js';
import { partitionOf } from '../../../lib/consumer/partitions/partition.js';
import type { EngineVerb } from '../engines/around-engine.js';
import { turnOfEventLoop } from '../waiting/collect.js';
import { ConsumerWatch, place, type WatchedEvent, type WatchedRun } from '../waiting/consumer-watch.js';
import { FatedHandler } from './fated-handler.js';
import { type Fault, type Life, SeededSteps } from './seeded-steps.js';
import { SharedMemory } from '../engines/shared-memory-engine.js';
import { lettersIn } from '../letters-in.js';
import { internalsOf } from '../../../lib/store/store-internals.js';

const MOST_EVENTS = 14;
const FAULTY_STEPS = 240;
/** How many steps may pass until everything is handled, once nothing stands in the way any more. */
const STEPS_TO_SETTLE = 20_000;
const NAMES = ['p1', 'p2', 'p3'];

interface Process extends Life {
  readonly name: string;
  readonly store: EventStore;
  readonly deadLetters: DeadLetterStore;
  readonly consumer: Consumer;
  /** How often the process got or lost a lease. */
  leaseChanges: number;
  isReady: boolean;
  isEnding: boolean;
}

/** What one lease is for: the handler, or one partition of it. */
interface Part {
  /** The name of the lease and of the checkpoint. */
  readonly name: string;
  readonly watch: ConsumerWatch;
  readonly handler: FatedHandler;
}

/** What happened in a world, to see that worlds are worth running. */
export interface LeaseWorldStats {
  tenures: number;
  lost: number;
  released: number;
  crashes: number;
  stalls: number;
  faults: number;
  repeats: number;
  deadLetters: number;
  settled: number;
  /** Events whose handler wrote in a transaction. */
  kept: number;
}

/**
 * A small world with one durable handler in several processes on one log, in which a seed decides what happens when:
 * processes start, end, crash and stall, clocks are wrong, renewals and saves fail or answer late, events fail.
 *
 * A `ConsumerWatch` looks on, and besides it is watched that an event is begun only by the process that has the lease, and
 * by no two at a time that are awake. In the end nothing stands in the way any more, and everything has to be handled.
 */
export class LeaseWorld {
  readonly stats: LeaseWorldStats = {
    tenures: 0,
    lost: 0,
    released: 0,
    crashes: 0,
    stalls: 0,
    faults: 0,
    repeats: 0,
    deadLetters: 0,
    settled: 0,
    kept: 0,
  };

  readonly #steps: SeededSteps;
  readonly #options: CheckedConsumerOptions;
  readonly #target: SubscriptionTarget;
  readonly #streams: readonly string[];
  readonly #answersAtOnce: boolean;
  readonly #parts: readonly Part[];
  readonly #memory: SharedMemory;
  readonly #processes = new Map<string, Process>();
  readonly #booting = new Set<string>();
  /** The events that a process hands over because somebody asked it for a retry. */
  readonly #retried = new Map<Process, Set<number>>();
  readonly #runs: { readonly process: Process; readonly part: Part; readonly key: string; readonly run: WatchedRun }[] =
    [];
  #isFaulty = true;

  constructor(seed: number, trace?: (line: string) => void) {
    this.#steps = new SeededSteps(seed, trace);
    const { random } = this.#steps;
    const onFailure = random.pick<FailurePolicy>(['dead-letter', 'dead-letter', 'park-stream', 'skip']);
    this.#target = random.pick<SubscriptionTarget>([{ all: true }, { streams: 's*' }, 's1']);
    this.#streams = ['s1', 's2', 's3', 'n1'].slice(0, 1 + random.below(4));
    this.#answersAtOnce = this.#steps.oneIn(2);
    this.#options = checkConsumerOptions({
      durable: 'd',
      concurrency: random.pick([1, 1, 2, 3]),
      onFailure,
      retry: { attempts: 1 + random.below(3), initialDelayMs: random.pick([0, 10]) },
      timeoutMs: random.pick([0, 40, 2_000]),
      checkpointEvery: random.pick([1, 3, 10]),
      checkpointIntervalMs: random.pick([10, 1_000, 1_000]),
      leaseDurationMs: random.pick([1_000, 3_000]),
      partitions: this.#target === 's1' ? 1 : random.pick([1, 1, 2, 3]),
      transaction: this.#steps.oneIn(3),
    });
    const say = (line: string): void => this.#steps.say(line);
    say(JSON.stringify({ ...this.#options, target: this.#target, streams: this.#streams }));
    const { partitions } = this.#options;
    this.#parts = Array.from({ length: partitions }, (_, number) => this.#part(partitions > 1 ? `d/${number}` : 'd'));
    this.#memory = new SharedMemory({ now: () => this.#steps.now, setTimer: () => () => undefined });
    this.#memory.onCheckpoint = (name, checkpoint, lease) => {
      if (this.#steps.isTraced) say(`${name} of ${lease?.holder}/${lease?.token} ${JSON.stringify(checkpoint)}`);
      if (!lease) this.#parts[0].watch.wrong('a checkpoint was saved without a lease');
      this.#parts.find((part) => part.name === name)?.watch.saved(checkpoint);
    };
  }

  #part(name: string): Part {
    const { retry, timeoutMs } = this.#options;
    const watch = new ConsumerWatch(this.#options, this.#target, (line) => this.#steps.say(line));
    return { name, watch, handler: new FatedHandler(this.#steps, watch, retry.attempts, timeoutMs, false) };
  }

  #partOf(streamId: string): Part {
    return this.#parts[partitionOf(streamId, this.#parts.length)];
  }

  get #problem(): string | undefined {
    return this.#parts.find(({ watch }) => watch.problem !== undefined)?.watch.problem;
  }

  get #events(): WatchedEvent[] {
    return this.#parts.flatMap(({ watch }) => [...watch.events.values()]);
  }

  /** Runs the world to its end. @throws when something was not as it has to be */
  async run(): Promise<void> {
    for (let step = 0; step < FAULTY_STEPS && this.#problem === undefined; step++) {
      this.#happen();
      await this.#steps.pause();
    }
    this.#steps.say('--- nothing stands in the way any more');
    this.#isFaulty = false;
    for (const { handler } of this.#parts) handler.isPoisoned = false;
    for (const process of this.#processes.values()) process.isStalled = false;
    do {
      await this.#until(() => this.#areReady() && this.#isFinished());
      for (const process of this.#processes.values()) void this.#shutDown(process);
      await this.#until(() => this.#processes.size === 0);
      // What a crashed process held is free then; nobody would look while everything else goes well.
      this.#steps.now += this.#options.leaseDurationMs;
      // The lease may be lost on the way down, and what was asked for before may still be appended.
    } while (!this.#hasEndedInOrder() && this.#problem === undefined);
    for (const { watch } of this.#parts) {
      if (this.#problem === undefined) watch.ended();
      this.stats.repeats += watch.repeats;
    }
    this.stats.kept = this.#events.filter(({ isKept }) => isKept).length;
    if (this.#problem !== undefined) throw new Error(this.#problem);
  }

  #hasEndedInOrder(): boolean {
    return this.#isFinished() && this.#parts.every(({ watch }) => watch.checkpoint?.isRunning === false);
  }

  #happen(): void {
    const process = this.#processes.get(this.#steps.random.pick(NAMES));
    const choice = this.#steps.random.below(200);
    if (choice < 6) this.#boot(this.#steps.random.pick(NAMES));
    else if (choice < 40) this.#steps.fireTimer();
    else if (choice < 60) this.#append();
    else if (!process) this.#goOn();
    else if (choice < 63) this.#crash(process);
    else if (choice < 66) void this.#shutDown(process);
    else if (choice < 70) this.#stall(process);
    else if (choice < 84) process.isStalled = false;
    else if (choice < 90) this.#mendLetter(process);
    else if (choice < 94) void this.#watchSettled(process);
    else this.#goOn();
  }

  #goOn(): void {
    if (!this.#steps.goOn()) this.#steps.fireTimer();
  }

  #boot(name: string): void {
    if (this.#processes.has(name) || this.#booting.has(name)) return;
    this.#booting.add(name);
    this.#steps.say(`boot ${name}`);
    void this.#start(name);
  }

  async #start(name: string): Promise<void> {
    const say = (line: string): void => this.#steps.say(`${name}: ${line}`);
    const life = { isAlive: true, clockError: this.#steps.random.pick([0, -7_200_000, 7_200_000]) };
    const store = await openEventStore({
      engine: this.#steps.engineOf(life, this.#watchedEngine(), this.#answersAtOnce, this.#faultOf),
      clock: this.#steps.clockOf(life),
      logger: { warn: say, error: say },
      metricsCollector: { onLeaseChange: ({ change }) => this.#countChange(process, change) },
      shutdownTimeoutMs: 10_000,
      snapshotInterval: 0,
    });
    internalsOf(store).instance = name;
    const deadLetters = new DeadLetterStore(store);
    const consumer = createConsumer({
      name: 'd',
      store,
      target: this.#target,
      from: START,
      options: this.#options,
      deadLetters,
      handle: (event, context) => this.#handle(process, event, context),
    });
    const parts = { name, store, deadLetters, consumer, leaseChanges: 0, isReady: false, isEnding: false };
    // The engine, the clock and the watch know the process by its life.
    const process: Process = Object.assign(life, parts);
    this.#processes.set(name, process);
    this.#booting.delete(name);
    try {
      await consumer.open();
    } catch {
      // The application does not start; the next one tries again.
      if (life.isAlive) this.#crash(process);
      return;
    }
    process.isReady = true;
    consumer.start();
  }

  #countChange(process: Process, change: 'gained' | 'lost' | 'released'): void {
    this.#steps.say(`${process.name}: lease ${change}`);
    process.leaseChanges++;
    if (change === 'gained') this.stats.tenures++;
    else this.stats[change]++;
  }

  #handle(process: Process, event: RecordedEvent, context: StreamEventContext): unknown {
    if (!process.isAlive) return new Promise(() => undefined);
    const isRetry = this.#retriesOf(process).has(event.globalPosition);
    const part = this.#partOf(event.streamId);
    const run = this.#runOf(process, part);
    if (!isRetry) this.#watchBegin(process, part, part.watch.events.get(event.globalPosition)!);
    return part.handler.handle(run, event, context, isRetry, () => this.#crash(process));
  }

  /** Only the process that has the lease begins an event, and while no other one that is awake is at its stream. */
  #watchBegin(process: Process, { name, watch }: Part, event: WatchedEvent): void {
    const holder = this.#memory.holderOf(name);
    if (holder !== process.name) watch.wrong(`${process.name} begins ${place(event)}, and ${holder} has the lease`);
    for (const { process: other, run } of this.#runs) {
      const atWork = run.atWork.get(event.streamId);
      const couldKnow = other.isAlive && !other.isStalled && !this.#steps.isLate(other);
      if (other !== process && couldKnow && atWork && !atWork.signal.aborted)
        watch.wrong(`${process.name} begins ${place(event)}, and ${other.name} is at the stream`);
    }
  }

  /** What the process does under its lease. Whoever has lost it and got it again begins at the checkpoint. */
  #runOf(process: Process, part: Part): WatchedRun {
    const key = `${this.#memory.leases.get(part.name)?.token} ${process.leaseChanges}`;
    const runs = this.#runs.filter((candidate) => candidate.part === part);
    const known = runs.find((candidate) => candidate.process === process && candidate.key === key);
    if (known) return known.run;
    const run: WatchedRun = {
      // As the life of the process, but another one.
      life: Object.create(process) as Life,
      successorOf: part.watch.checkpoint?.isRunning === false ? runs.at(-1)?.run.life : undefined,
      repeated: new Set<number>(),
      last: new Map<string, number>(),
      atWork: new Map(),
    };
    this.#runs.push({ process, part, key, run });
    return run;
  }

  #crash(process: Process): void {
    this.#steps.say(`crash ${process.name}`);
    this.stats.crashes++;
    this.#end(process);
  }

  #end(process: Process): void {
    this.#steps.end(process);
    this.#processes.delete(process.name);
  }

  #stall(process: Process): void {
    if (process.isStalled) return;
    this.#steps.say(`stall ${process.name}`);
    this.stats.stalls++;
    process.isStalled = true;
  }

  async #shutDown(process: Process): Promise<void> {
    if (!process.isReady || process.isEnding) return;
    this.#steps.say(`shut down ${process.name}`);
    process.isEnding = true;
    await process.consumer.stop();
    if (process.isAlive) await process.store.close();
    if (!process.isAlive) return;
    this.#steps.say(`${process.name} is down`);
    if (this.#steps.timersOf(process) > 0)
      this.#parts[0].watch.wrong(`${process.name} has left ${this.#steps.timersOf(process)} timers`);
    this.#end(process);
  }

  #append(): void {
    const { store } = [...this.#processes.values()].find(({ isEnding, isStalled }) => !isEnding && !isStalled) ?? {};
    if (!store || this.#events.length >= MOST_EVENTS) return;
    const batch = Array.from({ length: 1 + this.#steps.random.below(3) }, () => ({ type: 'happened' }));
    // Nobody waits for it: the disk tells what was kept.
    store.append(this.#steps.random.pick(this.#streams), batch).catch(() => undefined);
  }

  /** Retries or discards one of the dead letters, in whatever process. */
  #mendLetter(process: Process): void {
    const { consumer, deadLetters } = process;
    const fix = async (): Promise<void> => {
      const letters = await lettersIn(deadLetters);
      if (letters.length === 0 || !process.isAlive) return;
      const letter = this.#steps.random.pick(letters);
      const { globalPosition } = letter.event;
      if (this.#steps.oneIn(2)) {
        this.#steps.say(`${process.name}: discard ${letter.id}`);
        await consumer.discard(letter);
      } else if (!this.#retriesOf(process).has(globalPosition)) {
        this.#steps.say(`${process.name}: retry ${letter.id}`);
        this.#retriesOf(process).add(globalPosition);
        await consumer.retry(letter).finally(() => this.#retriesOf(process).delete(globalPosition));
      }
    };
    if (process.isReady && !process.isEnding) fix().catch(() => undefined);
  }

  #retriesOf(process: Process): Set<number> {
    const retries = this.#retried.get(process) ?? new Set();
    this.#retried.set(process, retries);
    return retries;
  }

  async #watchSettled(process: Process): Promise<void> {
    if (!process.isReady || process.isEnding) return;
    const before = this.#parts.map(({ watch }) => ({ watch, events: [...watch.events.values()] }));
    const hasSettled = await process.consumer.settled().then(
      () => process.isAlive,
      () => false,
    );
    if (!hasSettled) return;
    this.stats.settled++;
    for (const { watch, events } of before) watch.settled(events);
  }

  #watchedEngine(): StorageEngine {
    const inner = this.#memory.engine();
    return {
      ...inner,
      append: (request) => {
        const answer = inner.append(request) as { firstPosition: number; globalPosition: number };
        this.#noteAppended(request, answer);
        return answer as never;
      },
    };
  }

  #noteAppended({ streamId, events }: AppendRequest, answer: { firstPosition: number; globalPosition: number }): void {
    const firstGlobalPosition = answer.globalPosition - events.length + 1;
    events.forEach(({ type, data }, index) => {
      const globalPosition = firstGlobalPosition + index;
      if (streamId.startsWith('$')) {
        const { id } = JSON.parse(data) as { id: string };
        this.#steps.say(`${type} ${id}`);
        if (type === 'dead-letter.added') this.stats.deadLetters++;
        const watched = Number(id.split(':')[1]);
        this.#parts.find(({ watch }) => watch.events.has(watched))!.watch.letterChanged(type, id);
        return;
      }
      const { watch, handler } = this.#partOf(streamId);
      if (!watch.isForHandler(streamId)) return;
      if (this.#steps.isTraced) this.#steps.say(`appended ${streamId}/${answer.firstPosition + index}`);
      watch.appended(streamId, answer.firstPosition + index, globalPosition);
      handler.decide(globalPosition);
    });
  }

  readonly #faultOf = (verb: EngineVerb | 'transact'): Fault => {
    if (!this.#isFaulty) return undefined;
    const isFault =
      (verb === 'acquireLease' && this.#steps.oneIn(6)) ||
      (verb === 'saveCheckpoint' && this.#steps.oneIn(10)) ||
      (verb === 'transact' && this.#steps.oneIn(8)) ||
      (verb === 'releaseLease' && this.#steps.oneIn(4));
    if (!isFault) return undefined;
    this.stats.faults++;
    return this.#steps.oneIn(3) ? 'after' : 'before';
  };

  #areReady(): boolean {
    const processes = [...this.#processes.values()];
    const isRun = ({ name }: Part): boolean =>
      processes.some((process) => this.#memory.holderOf(name) === process.name);
    return this.#parts.every(isRun) && this.#booting.size === 0 && processes.every(({ isReady }) => isReady);
  }

  #isFinished(): boolean {
    return this.#parts.every(({ watch }) => {
      if (this.#options.onFailure === 'park-stream' && watch.hasOpenLetters) return false;
      const { position, parked } = watch.checkpoint ?? { position: -1, parked: [] };
      // A stream goes on some time after its dead letter was fixed in another process.
      return watch.open.length === 0 && position >= watch.lastPlace && parked.length === 0;
    });
  }

  /** Lets everything go on, until something is so. */
  async #until(isSo: () => boolean): Promise<void> {
    for (let step = 0; step < STEPS_TO_SETTLE; step++) {
      if (isSo() || this.#problem !== undefined) return;
      const processes = [...this.#processes.values()];
      for (const process of processes) if (this.#steps.oneIn(12)) this.#help(process);
      if (processes.length === 0 && this.#booting.size === 0) this.#boot('p1');
      else this.#goOn();
      await this.#steps.pause();
      if (this.#steps.pendingTasks === 0) await turnOfEventLoop();
    }
    for (const { watch, name } of this.#parts) watch.wrong(`${name} did not settle; open: ${watch.open.join(', ')}`);
  }

  /** Does what somebody in charge would do. */
  #help(process: Process): void {
    if (!process.isReady || process.isEnding) return;
    if (this.#steps.oneIn(2)) process.consumer.resume().catch(() => undefined);
    else this.#mendLetter(process);
  }
}
