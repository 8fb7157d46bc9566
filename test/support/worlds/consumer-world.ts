import {
  type AppendRequest,
  type EventStore,
  type FailurePolicy,
  memoryEngine,
  openEventStore,
  START,
  type StorageEngine,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import { type CheckedConsumerOptions, checkConsumerOptions } from '../../../lib/consumer/consumer-options.js';
import { DeadLetterStore } from '../../../lib/consumer/dead-letters/dead-letter-store.js';
import { EventConsumer } from '../../../lib/consumer/run/event-consumer.js';
import { aroundEngine, type EngineVerb } from '../engines/around-engine.js';
import { turnOfEventLoop } from '../waiting/collect.js';
import { ConsumerWatch, type WatchedRun } from '../waiting/consumer-watch.js';
import { FatedHandler } from './fated-handler.js';
import { type Fault, type Life, SeededSteps } from './seeded-steps.js';
import { lettersIn } from '../letters-in.js';

const MOST_EVENTS = 10;
const FAULTY_STEPS = 80;
/** How many steps may pass until everything is handled, once nothing stands in the way any more. */
const STEPS_TO_SETTLE = 4_000;

interface Process extends Life {
  readonly store: EventStore;
  readonly deadLetters: DeadLetterStore;
  readonly consumer: EventConsumer;
  readonly run: WatchedRun;
  isReady: boolean;
  isEnding: boolean;
}

/** What happened in a world, to see that worlds are worth running. */
export interface WorldStats {
  crashes: number;
  restarts: number;
  repeats: number;
  deadLetters: number;
  fixed: number;
  timeouts: number;
  faults: number;
  trims: number;
  pauses: number;
  settled: number;
}

/**
 * A small world with one durable handler, in which a seed decides what happens when: appends, failures, time limits,
 * crashes, restarts, pauses, retention, retries of dead letters, checkpoints that cannot be saved.
 *
 * A `ConsumerWatch` looks on. In the end nothing stands in the way any more, and everything has to be handled.
 */
export class ConsumerWorld {
  readonly stats: WorldStats = {
    crashes: 0,
    restarts: 0,
    repeats: 0,
    deadLetters: 0,
    fixed: 0,
    timeouts: 0,
    faults: 0,
    trims: 0,
    pauses: 0,
    settled: 0,
  };

  readonly #steps: SeededSteps;
  readonly #options: CheckedConsumerOptions;
  readonly #target: SubscriptionTarget;
  readonly #streams: readonly string[];
  readonly #answersAtOnce: boolean;
  readonly #shutdownTimeoutMs: number;
  readonly #watch: ConsumerWatch;
  readonly #handler: FatedHandler;
  readonly #disk: StorageEngine;
  /** The events that are handed over because somebody asked for a retry. */
  readonly #retried = new Set<number>();

  #process: Process | undefined;
  #isBooting = false;
  #endedInOrder: Life | undefined;
  #firstOwnPosition = Infinity;
  #isFaulty = true;

  /** @param trace is told what happens */
  constructor(seed: number, trace?: (line: string) => void) {
    this.#steps = new SeededSteps(seed, trace);
    const { random } = this.#steps;
    const onFailure = random.pick<FailurePolicy>(['dead-letter', 'park-stream', 'park-stream', 'stop', 'skip']);
    this.#target = random.pick<SubscriptionTarget>([{ all: true }, { all: true }, { streams: 's*' }, 's1']);
    this.#streams = ['s1', 's2', 's3', 'n1'].slice(0, 1 + random.below(4));
    this.#answersAtOnce = this.#steps.oneIn(2);
    this.#shutdownTimeoutMs = random.pick([5, 10_000]);
    this.#options = checkConsumerOptions({
      durable: 'd',
      concurrency: random.pick([1, 1, 2, 2, 3, 4, 8]),
      onFailure,
      retry: { attempts: 1 + random.below(3), initialDelayMs: random.pick([0, 10]) },
      timeoutMs: random.pick([0, 40, 40]),
      checkpointEvery: random.pick([1, 1, 2, 3, 5]),
      checkpointIntervalMs: random.pick([0, 10, 1_000]),
    });
    const say = (line: string): void => this.#steps.say(line);
    say(JSON.stringify({ ...this.#options, target: this.#target, streams: this.#streams }));
    this.#watch = new ConsumerWatch(this.#options, this.#target, say);
    const { retry, timeoutMs } = this.#options;
    // A handler that stops before an event that kills would try it again whenever it is resumed.
    const hasKiller = onFailure !== 'stop' && this.#steps.oneIn(5);
    this.#handler = new FatedHandler(this.#steps, this.#watch, retry.attempts, timeoutMs, hasKiller);
    this.#disk = this.#watchedDisk();
  }

  /** Runs the world to its end. @throws when something was not as it has to be */
  async run(): Promise<void> {
    for (let step = 0; step < FAULTY_STEPS && this.#watch.problem === undefined; step++) {
      this.#happen();
      await this.#steps.pause();
    }
    this.#steps.say('--- nothing stands in the way any more');
    this.#isFaulty = false;
    this.#handler.isPoisoned = false;
    do {
      const isQuiet = (): boolean => this.#steps.pendingTasks + this.#steps.pendingTimers === 0;
      await this.#until(() => this.#isFinished() && this.#process?.consumer.state === 'live' && isQuiet());
      // An event that kills may be faster once or twice.
      if (this.#process) void this.#shutDown(this.#process);
      await this.#until(() => !this.#process);
    } while (!this.#endedInOrder && this.#watch.problem === undefined);
    if (this.#watch.problem === undefined) this.#watch.ended();
    this.stats.repeats = this.#watch.repeats;
    this.stats.timeouts = this.#handler.timeouts;
    if (this.#watch.problem !== undefined) throw new Error(this.#watch.problem);
  }

  #happen(): void {
    const process = this.#process;
    if (!process) return this.#boot();
    const choice = this.#steps.random.below(200);
    if (choice < 20) this.#steps.fireTimer();
    else if (choice < 46) this.#append(process);
    else if (choice < 52) this.#steer(process);
    else if (choice < 64) this.#mendLetter(process);
    else if (choice < 67) this.#crash();
    else if (choice < 69) void this.#shutDown(process);
    else if (choice < 73) this.#trim();
    else if (choice < 77) void this.#watchSettled(process);
    else this.#goOn();
  }

  #goOn(): void {
    if (!this.#steps.goOn()) this.#steps.fireTimer();
  }

  #boot(): void {
    if (this.#isBooting) return;
    this.#isBooting = true;
    const life = { isAlive: true };
    const successorOf = this.#endedInOrder;
    this.#endedInOrder = undefined;
    this.#steps.say('boot');
    void this.#start(life, {
      life,
      successorOf,
      repeated: new Set<number>(),
      last: new Map<string, number>(),
      atWork: new Map(),
    });
  }

  async #start(life: Life, run: WatchedRun): Promise<void> {
    const say = (line: string): void => this.#steps.say(line);
    const store = await openEventStore({
      engine: this.#steps.engineOf(life, this.#disk, this.#answersAtOnce, this.#faultOf),
      clock: this.#steps.clockOf(life),
      logger: { warn: say, error: say },
      shutdownTimeoutMs: this.#shutdownTimeoutMs,
      snapshotInterval: 0,
    });
    const deadLetters = new DeadLetterStore(store);
    const consumer = new EventConsumer({
      name: 'd',
      store,
      target: this.#target,
      from: START,
      options: this.#options,
      deadLetters,
      handle: (event, context) => {
        if (!life.isAlive) return new Promise(() => undefined);
        const isRetry = this.#retried.has(event.globalPosition);
        return this.#handler.handle(run, event, context, isRetry, () => this.#crash());
      },
    });
    // The engine, the clock and the watch know the process by its life.
    const process: Process = Object.assign(life, {
      store,
      deadLetters,
      consumer,
      run,
      isReady: false,
      isEnding: false,
    });
    this.#process = process;
    this.#isBooting = false;
    try {
      await consumer.open();
    } catch {
      // The application does not start; the next one tries again.
      if (life.isAlive) this.#crash();
      return;
    }
    process.isReady = true;
    consumer.start();
  }

  #crash(): void {
    if (!this.#process) return;
    this.#steps.say('crash');
    this.stats.crashes++;
    this.#end(this.#process);
    void this.#disk.close();
  }

  #end(process: Process): void {
    this.#steps.end(process);
    this.#retried.clear();
    this.#process = undefined;
  }

  async #shutDown(process: Process): Promise<void> {
    if (!process.isReady || process.isEnding) return;
    this.#steps.say('shut down');
    process.isEnding = true;
    await process.consumer.stop();
    if (process.isAlive) await process.store.close();
    if (!process.isAlive) return;
    this.#steps.say('is down');
    this.stats.restarts++;
    if (this.#steps.pendingTimers > 0) this.#watch.wrong(`${this.#steps.pendingTimers} timers are left`);
    // What could not be saved is delivered again, as after a crash.
    if (this.#watch.checkpoint?.isRunning === false) this.#endedInOrder = process;
    this.#end(process);
  }

  #append({ store, isEnding }: Process): void {
    if (isEnding || this.#watch.events.size >= MOST_EVENTS) return;
    const batch = Array.from({ length: 1 + this.#steps.random.below(3) }, () => ({ type: 'happened' }));
    // Nobody waits for it: the disk tells what was kept.
    store.append(this.#steps.random.pick(this.#streams), batch).catch(() => undefined);
  }

  #steer({ consumer, isReady }: Process): void {
    if (!isReady) return;
    this.stats.pauses++;
    const pauses = this.#steps.oneIn(3);
    this.#steps.say(pauses ? 'pause' : 'resume');
    (pauses ? consumer.pause() : consumer.resume()).catch(() => undefined);
  }

  /** Retries or discards one of the dead letters. */
  #mendLetter(process: Process): void {
    const { consumer, deadLetters } = process;
    const fix = async (): Promise<void> => {
      const letters = await lettersIn(deadLetters);
      if (letters.length === 0 || !process.isAlive) return;
      const letter = this.#steps.random.pick(letters);
      const { globalPosition } = letter.event;
      this.stats.fixed++;
      if (this.#handler.kills(globalPosition) || this.#steps.oneIn(2)) {
        this.#steps.say(`discard ${letter.id}`);
        await consumer.discard(letter);
      } else if (!this.#retried.has(globalPosition)) {
        this.#steps.say(`retry ${letter.id}`);
        this.#retried.add(globalPosition);
        await consumer.retry(letter).finally(() => process.isAlive && this.#retried.delete(globalPosition));
      }
    };
    if (process.isReady && !process.isEnding) fix().catch(() => undefined);
  }

  #trim(): void {
    const kept = [...this.#watch.events.values()].filter((event) => !this.#watch.isTrimmed(event));
    if (kept.length < 3 || this.#steps.oneIn(2)) return;
    const { globalPosition } = this.#steps.random.pick(kept.slice(0, 3));
    // Dead letters are to stay: what becomes of those that expire is another matter.
    if (globalPosition >= this.#firstOwnPosition) return;
    this.#steps.say(`trim to ${globalPosition}`);
    this.stats.trims++;
    this.#watch.trimmed(globalPosition);
    void this.#disk.trim({ recordedBefore: Infinity, upTo: globalPosition, limit: Infinity });
  }

  async #watchSettled(process: Process): Promise<void> {
    if (!process.isReady || process.isEnding) return;
    const before = [...this.#watch.events.values()];
    const hasSettled = await process.consumer.settled().then(
      () => process.isAlive,
      () => false,
    );
    if (!hasSettled) return;
    this.stats.settled++;
    this.#watch.settled(before);
  }

  #watchedDisk(): StorageEngine {
    const inner = memoryEngine();
    const watch = this.#watch;
    return {
      ...aroundEngine((_verb, ask) => ask(), inner),
      append: (request) => {
        const answer = inner.append(request) as { firstPosition: number; globalPosition: number; repeated: boolean };
        this.#noteAppended(request, answer);
        return answer;
      },
      saveCheckpoint: (name, checkpoint) => {
        if (this.#steps.isTraced) this.#steps.say(`checkpoint ${JSON.stringify(checkpoint)}`);
        watch.saved(checkpoint);
        return inner.saveCheckpoint(name, checkpoint);
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
        this.#firstOwnPosition = Math.min(this.#firstOwnPosition, globalPosition);
        if (type === 'dead-letter.added') this.stats.deadLetters++;
        this.#watch.letterChanged(type, id);
      } else if (this.#watch.isForHandler(streamId)) {
        if (this.#steps.isTraced) this.#steps.say(`appended ${streamId}/${answer.firstPosition + index}`);
        this.#watch.appended(streamId, answer.firstPosition + index, globalPosition);
        this.#handler.decide(globalPosition);
      }
    });
  }

  readonly #faultOf = (verb: EngineVerb | 'transact', request: unknown): Fault => {
    if (!this.#isFaulty) return undefined;
    const isLetter = verb === 'append' && (request as AppendRequest).streamId.startsWith('$');
    const isFault = verb === 'saveCheckpoint' ? this.#steps.oneIn(8) : isLetter && this.#steps.oneIn(12);
    if (!isFault) return undefined;
    this.stats.faults++;
    return this.#steps.oneIn(3) ? 'after' : 'before';
  };

  #isFinished(): boolean {
    const process = this.#process;
    if (!process?.isReady || process.isEnding || process.consumer.position < this.#watch.lastPlace) return false;
    // Behind each letter may wait the next.
    if (this.#options.onFailure === 'park-stream' && this.#watch.hasOpenLetters) return false;
    return this.#watch.open.length === 0;
  }

  /** Lets everything go on, until something is so. */
  async #until(isSo: () => boolean): Promise<void> {
    for (let step = 0; step < STEPS_TO_SETTLE; step++) {
      if (isSo() || this.#watch.problem !== undefined) return;
      const process = this.#process;
      if (!process) this.#boot();
      else if (process.isReady && !process.isEnding && this.#steps.oneIn(6)) this.#help(process);
      else this.#goOn();
      await this.#steps.pause();
      if (this.#steps.pendingTasks === 0) await turnOfEventLoop();
    }
    const { state, lastError } = this.#process?.consumer ?? {};
    this.#watch.wrong(`it did not settle: ${state}, ${String(lastError)}, open: ${this.#watch.open.join(', ')}`);
  }

  /** Does what somebody in charge would do. */
  #help(process: Process): void {
    const { state } = process.consumer;
    if (state === 'halted' || state === 'paused') process.consumer.resume().catch(() => undefined);
    else this.#mendLetter(process);
  }
}
