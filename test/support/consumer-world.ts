import {
  type Checkpoint,
  type EventStore,
  type FailurePolicy,
  HandlerTimeoutError,
  memoryEngine,
  openEventStore,
  type RecordedEvent,
  START,
  type StorageEngine,
  type StreamEventContext,
  type SubscriptionTarget,
} from 'nestjs-stream-store';
import { type CheckedConsumerOptions, checkConsumerOptions } from '../../lib/subscription/consumer-options.js';
import { type DeadLetter, DeadLetterBox } from '../../lib/subscription/dead-letter-box.js';
import { EventConsumer } from '../../lib/subscription/event-consumer.js';
import { aroundEngine, type EngineVerb } from './around-engine.js';
import { microtasks } from './collect.js';
import { type Fault, type Life, SeededSteps } from './seeded-steps.js';

const MOST_EVENTS = 10;
const FAULTY_STEPS = 80;
/** How many steps may pass until everything is dealt with, once nothing stands in the way any more. */
const STEPS_TO_SETTLE = 4_000;

/** What a handler does with an event: succeed after some failures, always fail, never end, end the process. */
type Fate =
  | { readonly kind: 'fails'; left: number; readonly isAtOnce: boolean }
  | { readonly kind: 'poison' }
  | { readonly kind: 'hangs'; left: number }
  | { readonly kind: 'kills' };

/** An event, and what the world knows of it. */
interface Known {
  readonly streamId: string;
  readonly position: number;
  readonly globalPosition: number;
  readonly fate: Fate;
  /** The latest attempt that succeeded. When its signal was aborted in the same moment, it may count or not. */
  success?: { readonly life: Life; readonly signal: AbortSignal; readonly isRetry: boolean };
  /** How many attempts failed, took too long or ended the process. */
  failures: number;
  /** How many attempts were counted in a checkpoint before they began; a crash may have come in between. */
  counted: number;
  letter?: 'open' | 'handled' | 'discarded';
  hasBegun: boolean;
}

interface Process extends Life {
  readonly store: EventStore;
  readonly deadLetters: DeadLetterBox;
  readonly consumer: EventConsumer;
  /** The process before, if it came to an orderly end. */
  readonly successorOf: Life | undefined;
  /** The events that were handed over although an earlier process had handled them. */
  readonly repeated: Set<number>;
  /** The last position handed over of each stream. */
  readonly last: Map<string, number>;
  /** The events at work, by stream. */
  readonly atWork: Map<string, StreamEventContext>;
  isReady: boolean;
  isEnding: boolean;
}

/** What happened in a world, to see that worlds are worth running. */
export interface WorldStats {
  crashes: number;
  restarts: number;
  repeats: number;
  deadLetters: number;
  releases: number;
  timeouts: number;
  failedSaves: number;
  trimmed: number;
  pauses: number;
  stops: number;
}

export const noStats = (): WorldStats => ({
  crashes: 0,
  restarts: 0,
  repeats: 0,
  deadLetters: 0,
  releases: 0,
  timeouts: 0,
  failedSaves: 0,
  trimmed: 0,
  pauses: 0,
  stops: 0,
});

/**
 * A small world with one durable handler, in which a seed decides what happens when: appends, failures, time limits,
 * crashes, restarts, pauses, retention, retries of dead letters, checkpoints that cannot be saved.
 *
 * It watches, at every call and at every save, that nothing is passed over, nothing comes in the wrong order, and no more
 * is repeated than a crash excuses; and in the end, when nothing stands in the way any more, that everything was dealt with.
 */
export class ConsumerWorld {
  readonly #steps: SeededSteps;
  readonly #disk: StorageEngine;
  readonly #options: CheckedConsumerOptions;
  readonly #target: SubscriptionTarget;
  readonly #answersAtOnce: boolean;
  readonly #shutdownTimeoutMs: number;
  readonly #streams: readonly string[];
  readonly #hasKiller: boolean;
  readonly #events = new Map<number, Known>();
  readonly #logs = new Map<string, Known[]>();
  readonly #trimmedTo = new Map<string, number>();
  /** The events that are handed over because somebody asked for a retry. */
  readonly #retried = new Set<number>();

  #process: Process | undefined;
  #endedInOrder: Life | undefined;
  #checkpoint: Checkpoint | undefined;
  #firstOwnPosition = Infinity;
  #isFaulty = true;
  #isBooting = false;
  #problem: string | undefined;

  constructor(
    seed: number,
    private readonly stats: WorldStats,
    trace?: (line: string) => void,
  ) {
    this.#steps = new SeededSteps(seed, trace);
    const { random } = this.#steps;
    const onFailure = random.pick<FailurePolicy>(['dead-letter', 'park-stream', 'park-stream', 'stop', 'skip']);
    this.#hasKiller = onFailure !== 'stop' && this.#steps.oneIn(5);
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
    this.#disk = this.#makeDisk();
    if (this.#steps.isTraced)
      this.#steps.say(JSON.stringify({ ...this.#options, target: this.#target, streams: this.#streams }));
  }

  /** Runs the world to its end. @throws when something was not as it has to be */
  async run(): Promise<void> {
    for (let step = 0; step < FAULTY_STEPS; step++) {
      this.#happen();
      await this.#steps.pause();
      this.#throwIfWrong();
    }
    this.#isFaulty = false;
    this.#steps.say('--- nothing stands in the way any more');
    await this.#until(() => this.#isSettled());
    this.#throwIfWrong();
    await this.#endInOrder();
    this.#throwIfWrong();
    this.#checkEnd();
    this.#throwIfWrong();
  }

  #throwIfWrong(): void {
    if (this.#problem !== undefined) throw new Error(this.#problem);
  }

  #wrong(what: string): void {
    this.#steps.say(`WRONG: ${what}`);
    this.#problem ??= what;
  }

  // What happens

  #happen(): void {
    const { random } = this.#steps;
    const process = this.#process;
    if (!process) return this.#boot();
    const choice = random.below(200);
    if (choice < 20) this.#steps.fireTimer();
    else if (choice < 46) this.#append(process);
    else if (choice < 52) this.#steer(process);
    else if (choice < 64) this.#mendLetters(process);
    else if (choice < 67) this.#crash();
    else if (choice < 69) void this.#shutDown(process);
    else if (choice < 73) this.#trim();
    else if (choice < 77) void this.#watchSettled(process);
    else this.#moveOn();
  }

  #moveOn(): void {
    if (!this.#steps.goOn()) this.#steps.fireTimer();
  }

  /** Begins a process. */
  #boot(): void {
    if (this.#isBooting) return;
    this.#isBooting = true;
    const life = { isAlive: true };
    const successorOf = this.#endedInOrder;
    this.#endedInOrder = undefined;
    this.#steps.say('boot');
    const start = async (): Promise<void> => {
      const store = await openEventStore({
        engine: this.#steps.engineOf(life, this.#disk, this.#answersAtOnce, this.#faultOf),
        clock: this.#steps.clockOf(life),
        logger: { warn: (line) => this.#steps.say(line), error: (line) => this.#steps.say(line) },
        shutdownTimeoutMs: this.#shutdownTimeoutMs,
        snapshotInterval: 0,
      });
      const deadLetters = new DeadLetterBox(store);
      const consumer = new EventConsumer({
        name: 'd',
        store,
        target: this.#target,
        from: START,
        options: this.#options,
        deadLetters,
        handle: (event, context) => this.#handle(process, event, context),
      });
      const process: Process = Object.assign(life, {
        store,
        deadLetters,
        consumer,
        successorOf,
        repeated: new Set<number>(),
        last: new Map<string, number>(),
        atWork: new Map<string, StreamEventContext>(),
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
    };
    void start();
  }

  #crash(): void {
    const process = this.#process;
    if (!process) return;
    this.#steps.say('crash');
    this.stats.crashes++;
    this.#steps.end(process);
    void this.#disk.close();
    this.#retried.clear();
    this.#process = undefined;
  }

  async #shutDown(process: Process): Promise<void> {
    if (!process.isReady || process.isEnding) return;
    this.#steps.say('shut down');
    process.isEnding = true;
    await process.consumer.stop();
    if (!process.isAlive) return;
    await process.store.close();
    if (!process.isAlive) return;
    this.#steps.say('is down');
    this.stats.restarts++;
    // What could not be saved comes again, as after a crash.
    if (this.#checkpoint?.isRunning === false) this.#endedInOrder = process;
    if (this.#steps.pendingTimers > 0) this.#wrong(`${this.#steps.pendingTimers} timers are left`);
    this.#steps.end(process);
    this.#process = undefined;
  }

  #append({ store, isEnding }: Process): void {
    if (isEnding || this.#events.size >= MOST_EVENTS) return;
    const { random } = this.#steps;
    const count = 1 + random.below(3);
    const batch = Array.from({ length: count }, () => ({ type: 'happened' }));
    // Many at a time may be on their way to the engine; it is the engine that tells what was kept.
    store.append(random.pick(this.#streams), batch).catch(() => undefined);
  }

  #steer({ consumer, isReady }: Process): void {
    if (!isReady) return;
    this.stats.pauses++;
    const ignore = (): void => undefined;
    if (this.#steps.oneIn(3)) {
      this.#steps.say('pause');
      consumer.pause().catch(ignore);
    } else {
      this.#steps.say('resume');
      consumer.resume().catch(ignore);
    }
  }

  /** Retries or discards one of the dead letters. */
  #mendLetters(process: Process): void {
    const mend = async (): Promise<void> => {
      const letters = await process.deadLetters.list();
      if (letters.length === 0 || !process.isAlive) return;
      const letter = this.#steps.random.pick(letters);
      const { globalPosition } = letter.event;
      const isKiller = this.#events.get(globalPosition)!.fate.kind === 'kills';
      if (isKiller || this.#steps.oneIn(2)) {
        this.#steps.say(`discard ${letter.id}`);
        await process.consumer.discard(letter);
      } else if (!this.#retried.has(globalPosition)) {
        await this.#retry(process, letter);
      }
      this.stats.releases++;
    };
    if (process.isReady && !process.isEnding) mend().catch(() => undefined);
  }

  async #retry(process: Process, letter: DeadLetter): Promise<void> {
    const { globalPosition } = letter.event;
    this.#steps.say(`retry ${letter.id}`);
    this.#retried.add(globalPosition);
    try {
      await process.consumer.retry(letter);
    } finally {
      if (process.isAlive) this.#retried.delete(globalPosition);
    }
  }

  #trim(): void {
    const kept = [...this.#events.values()].filter((event) => !this.#isTrimmed(event));
    if (kept.length < 3 || !this.#steps.oneIn(2)) return;
    const { globalPosition } = this.#steps.random.pick(kept.slice(0, 3));
    // Dead letters are to stay: what becomes of those that expire is another matter.
    if (globalPosition >= this.#firstOwnPosition) return;
    this.#steps.say(`trim to ${globalPosition}`);
    this.stats.trimmed++;
    for (const event of kept) {
      if (event.globalPosition <= globalPosition) this.#trimmedTo.set(event.streamId, event.position);
    }
    void this.#disk.trim({ recordedBefore: Infinity, upTo: globalPosition, limit: Infinity });
  }

  /** Watches that when `settled` resolves, what was appended before was dealt with. */
  async #watchSettled(process: Process): Promise<void> {
    if (!process.isReady || process.isEnding) return;
    const before = [...this.#events.values()];
    try {
      await process.consumer.settled();
    } catch {
      return;
    }
    if (!process.isAlive) return;
    for (const event of before) {
      if (!this.#isFinished(event) && !this.#mayWait(event)) this.#wrong(`settled, and ${describe(event)} is open`);
    }
  }

  // What the handler does

  #handle(process: Process, event: RecordedEvent, context: StreamEventContext): unknown {
    if (!process.isAlive) return new Promise(() => undefined);
    const known = this.#events.get(event.globalPosition)!;
    const isRetry = this.#retried.has(event.globalPosition);
    const { fate } = known;
    if (this.#steps.isTraced)
      this.#steps.say(`${isRetry ? 'retries' : 'begins'} ${describe(known)}, attempt ${context.attempt}`);
    if (!isRetry) this.#watchBegin(process, known, context);
    if (fate.kind === 'kills') {
      known.failures++;
      this.#crash();
      return new Promise(() => undefined);
    }
    const end = (): void => {
      if (process.atWork.get(known.streamId) === context) process.atWork.delete(known.streamId);
    };
    context.signal.addEventListener('abort', () => {
      end();
      if (!(context.signal.reason instanceof HandlerTimeoutError)) return;
      known.failures++;
      this.stats.timeouts++;
    });
    const succeed = (): void => {
      end();
      if (context.signal.aborted) return;
      if (this.#steps.isTraced) this.#steps.say(`handled ${describe(known)}`);
      known.success = { life: process, signal: context.signal, isRetry };
      known.hasBegun = true;
    };
    const fails = fate.kind === 'poison' ? this.#isFaulty : fate.kind === 'fails' && fate.left-- > 0;
    const fail = (): Error => {
      end();
      if (!context.signal.aborted) known.failures++;
      return new Error(`no ${known.globalPosition}`);
    };
    if (fate.kind === 'fails' && fate.isAtOnce) {
      if (fails) throw fail();
      return succeed();
    }
    if (fate.kind === 'hangs' && this.#options.timeoutMs > 0 && fate.left-- > 0) return new Promise(() => undefined);
    return new Promise<void>((resolve, reject) => {
      const name = this.#steps.isTraced ? `handler of ${describe(known)}` : '';
      this.#steps.later(process, name, () => {
        if (fails) return reject(fail());
        succeed();
        resolve();
      });
    });
  }

  /** Watches the order of what is handed over. */
  #watchBegin(process: Process, event: Known, context: StreamEventContext): void {
    const { streamId, position, globalPosition, success } = event;
    const { concurrency, onFailure, checkpointEvery } = this.#options;
    if (process.atWork.has(streamId)) this.#wrong(`${describe(event)} began while another of its stream was at work`);
    process.atWork.set(streamId, context);
    // The releases of parked streams run beside the loop.
    if (onFailure !== 'park-stream' && process.atWork.size > concurrency) {
      this.#wrong(`${process.atWork.size} events at work, not ${concurrency}`);
    }
    if (position < (process.last.get(streamId) ?? 0)) this.#wrong(`${describe(event)} came after a later one`);
    process.last.set(streamId, position);

    // A retry may have been asked for before the loop knew that the dead letter was kept.
    if (success && !success.signal.aborted && !success.isRetry) {
      this.stats.repeats++;
      if (success.life === process) this.#wrong(`${describe(event)} was handled twice in one process`);
      if (success.life === process.successorOf) this.#wrong(`${describe(event)} came again after an orderly end`);
      process.repeated.add(globalPosition);
      const excused = checkpointEvery + concurrency + (onFailure === 'park-stream' ? this.#streams.length : 0);
      if (process.repeated.size > excused) this.#wrong(`${process.repeated.size} events came again, not ${excused}`);
    }
    if (event.hasBegun) return;
    event.hasBegun = true;
    for (const earlier of this.#logs.get(streamId)!) {
      if (earlier.position >= position) break;
      const isKept = !earlier.success && !this.#isTrimmed(earlier);
      const isParked = onFailure === 'park-stream' && earlier.letter === 'open' && isKept;
      if (isParked || !this.#isFinished(earlier)) {
        this.#wrong(`${describe(event)} began before ${describe(earlier)} was dealt with`);
      }
    }
  }

  // What the disk keeps

  #makeDisk(): StorageEngine {
    const inner = memoryEngine();
    return {
      ...aroundEngine((_verb, ask) => ask(), inner),
      append: (request) => {
        const answer = inner.append(request) as { firstPosition: number; globalPosition: number };
        const { streamId, events } = request;
        const firstGlobalPosition = answer.globalPosition - events.length + 1;
        events.forEach(({ type, data }, index) => {
          if (streamId.startsWith('$')) return this.#noteLetter(type, data, firstGlobalPosition);
          this.#noteEvent(streamId, answer.firstPosition + index, firstGlobalPosition + index);
        });
        return answer as never;
      },
      saveCheckpoint: (name, checkpoint) => {
        this.#watchCheckpoint(checkpoint);
        this.#checkpoint = checkpoint;
        return inner.saveCheckpoint(name, checkpoint);
      },
    };
  }

  #noteEvent(streamId: string, position: number, globalPosition: number): void {
    const { random } = this.#steps;
    const { attempts } = this.#options.retry;
    const roll = random.below(20);
    const isFirstKiller = this.#hasKiller && ![...this.#events.values()].some(({ fate }) => fate.kind === 'kills');
    let fate: Fate = { kind: 'fails', left: 0, isAtOnce: roll < 5 };
    if (roll === 19 && isFirstKiller) fate = { kind: 'kills' };
    else if (roll >= 17) fate = { kind: 'poison' };
    else if (roll >= 15) fate = { kind: 'fails', left: 1 + random.below(attempts), isAtOnce: roll === 15 };
    else if (roll >= 14) fate = { kind: 'hangs', left: 1 };
    const event: Known = { streamId, position, globalPosition, fate, failures: 0, counted: 0, hasBegun: false };
    if (this.#steps.isTraced) this.#steps.say(`appended ${describe(event)}: ${JSON.stringify(fate)}`);
    if (!this.#isForHandler(streamId)) return;
    this.#events.set(globalPosition, event);
    const log = this.#logs.get(streamId);
    if (log) log.push(event);
    else this.#logs.set(streamId, [event]);
  }

  #isForHandler(streamId: string): boolean {
    if (typeof this.#target === 'string') return streamId === this.#target;
    return !('streams' in this.#target) || streamId.startsWith('s');
  }

  #noteLetter(type: string, data: string, globalPosition: number): void {
    this.#firstOwnPosition = Math.min(this.#firstOwnPosition, globalPosition);
    const { id } = JSON.parse(data) as { id: string };
    const event = this.#events.get(Number(id.split(':')[1]))!;
    this.#steps.say(`${type} ${id}`);
    if (type === 'dead-letter.added') {
      this.stats.deadLetters++;
      if (event.failures + event.counted === 0)
        this.#wrong(`${describe(event)} has become a dead letter without a failure`);
      event.letter = 'open';
    } else if (type === 'dead-letter.handled') {
      event.letter = 'handled';
    } else if (type === 'dead-letter.discarded') {
      event.letter = 'discarded';
    }
  }

  /** Watches that a checkpoint does not go back, and passes nothing that was not dealt with. */
  #watchCheckpoint(checkpoint: Checkpoint): void {
    const { position, ahead, attempts, parked } = checkpoint;
    if (this.#steps.isTraced) this.#steps.say(`checkpoint ${JSON.stringify(checkpoint)}`);
    for (const { position: at, count } of attempts) {
      const event = this.#events.get(at)!;
      event.counted = Math.max(event.counted, count);
    }
    const before = this.#checkpoint?.position ?? 0;
    if (position < before) this.#wrong(`the checkpoint went back from ${before} to ${position}`);
    if (ahead.some((place, index) => place <= (ahead[index - 1] ?? position))) {
      this.#wrong(`the checkpoint lists ${ahead.join()} ahead of ${position}`);
    }
    const waiting = new Map(parked.map((stream) => [stream.streamId, stream]));
    for (const event of this.#events.values()) {
      const place = typeof this.#target === 'string' ? event.position : event.globalPosition;
      if (place > position && !ahead.includes(place)) continue;
      const stream = waiting.get(event.streamId);
      const isWaiting = stream && stream.handledTo < event.position && event.position <= stream.skippedTo;
      if (!isWaiting && !this.#isFinished(event)) this.#wrong(`the checkpoint has passed ${describe(event)}`);
    }
  }

  readonly #faultOf = (verb: EngineVerb, request: unknown): Fault => {
    if (!this.#isFaulty) return undefined;
    const isLetter = verb === 'append' && (request as { streamId: string }).streamId.startsWith('$');
    if (verb === 'saveCheckpoint' ? !this.#steps.oneIn(8) : !isLetter || !this.#steps.oneIn(12)) return undefined;
    this.stats.failedSaves++;
    return this.#steps.oneIn(3) ? 'after' : 'before';
  };

  // What has to be true

  #isTrimmed({ streamId, position }: Known): boolean {
    return position <= (this.#trimmedTo.get(streamId) ?? 0);
  }

  /** Whether nothing more has to be done about an event. */
  #isFinished(event: Known): boolean {
    if (event.success || event.letter !== undefined || this.#isTrimmed(event)) return true;
    return (
      this.#options.onFailure === 'skip' && Math.max(event.failures, event.counted) >= this.#options.retry.attempts
    );
  }

  /** Whether an event may still wait in a stream that is parked, or was. */
  #mayWait({ streamId, position }: Known): boolean {
    return this.#logs.get(streamId)!.some((event) => event.letter !== undefined && event.position <= position);
  }

  #isSettled(): boolean {
    const process = this.#process;
    if (!process?.isReady || process.isEnding) return false;
    if (
      this.#options.onFailure === 'park-stream' &&
      [...this.#events.values()].some(({ letter }) => letter === 'open')
    ) {
      return false;
    }
    const events = [...this.#events.values()];
    const last = Math.max(0, ...events.map((event) => this.#placeOf(event)));
    return process.consumer.position >= last && events.every((event) => this.#isFinished(event));
  }

  /** Lets everything go on, until something is so. */
  async #until(isSo: () => boolean): Promise<void> {
    for (let step = 0; step < STEPS_TO_SETTLE; step++) {
      if (isSo() || this.#problem !== undefined) return;
      const process = this.#process;
      if (!process) this.#boot();
      else if (process.isReady && !process.isEnding && this.#steps.oneIn(6)) this.#help(process);
      else this.#moveOn();
      await this.#steps.pause();
      if (this.#steps.pendingTasks === 0) await microtasks(10);
    }
    this.#wrong(`it did not settle: ${this.#describe()}`);
  }

  /** Does what somebody in charge would do. */
  #help(process: Process): void {
    const { state } = process.consumer;
    if (state === 'stopped' || state === 'paused') {
      this.stats.stops++;
      process.consumer.resume().catch(() => undefined);
    } else {
      this.#mendLetters(process);
    }
  }

  /** Ends the last process; an event that kills may be faster once or twice. */
  async #endInOrder(): Promise<void> {
    const isQuiet = (): boolean => this.#steps.pendingTasks + this.#steps.pendingTimers === 0;
    while (!this.#endedInOrder && this.#problem === undefined) {
      await this.#until(() => this.#isSettled() && this.#process?.consumer.state === 'live' && isQuiet());
      if (this.#process) void this.#shutDown(this.#process);
      await this.#until(() => !this.#process);
    }
  }

  #checkEnd(): void {
    const last = Math.max(0, ...[...this.#events.values()].map((event) => this.#placeOf(event)));
    const { position, ahead, attempts, parked, isRunning } = this.#checkpoint!;
    if (position < last) this.#wrong(`the last checkpoint is at ${position}, not at ${last}`);
    // Counts of events that were removed are forgotten when nothing else is under way.
    const counts = attempts.filter(({ position: at }) => !this.#isTrimmed(this.#events.get(at)!));
    if (ahead.length + counts.length + parked.length > 0 || isRunning) {
      this.#wrong(`the last checkpoint is ${JSON.stringify(this.#checkpoint)}`);
    }
  }

  #placeOf({ position, globalPosition }: Known): number {
    return typeof this.#target === 'string' ? position : globalPosition;
  }

  #describe(): string {
    const open = [...this.#events.values()].filter((event) => !this.#isFinished(event)).map(describe);
    const { state, lastError } = this.#process?.consumer ?? {};
    return `${state}, ${String(lastError)}, open: ${open.join(', ')}`;
  }
}

function describe({ streamId, position, globalPosition }: Known): string {
  return `${streamId}/${position} (${globalPosition})`;
}
