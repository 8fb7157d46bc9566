import { type Clock, type EngineTransaction, type StorageEngine, StorageUnavailableError } from 'nestjs-stream-store';
import { aroundEngine, type EngineVerb } from '../engines/around-engine.js';
import { microtasks, turnOfEventLoop } from '../waiting/collect.js';
import { Random } from './random.js';

/** A process: when it is not alive any more, nothing reaches it and nothing comes from it. */
export interface Life {
  isAlive: boolean;
  /** Nothing goes on in it, until it is at work again. */
  isStalled?: boolean;
  /** By how much its clock is wrong, in milliseconds. */
  readonly clockError?: number;
}

/** Something that is under way, and goes on when it is its turn. */
interface Task {
  readonly life: Life;
  readonly name: string;
  readonly goOn: () => void;
  /** What may still come about although its process has ended. */
  readonly survive?: () => void;
}

interface Timer {
  readonly life: Life;
  readonly dueAt: number;
  readonly callback: () => void;
}

/** What stands in the way of a call: it fails before the engine has done it, or after. */
export type Fault = 'before' | 'after' | undefined;

/** How many microtasks pass before the next thing happens: mostly few, so that it happens between any two of a program. */
const PAUSES = [0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 6, 10];

/**
 * The order of all that can happen, decided by a seed: which call of an engine is answered next, which handler ends, which
 * timer fires, and how many microtasks pass in between. The same seed gives the same order.
 */
export class SeededSteps {
  readonly random: Random;
  /** Milliseconds since 1970; moves when a timer fires. */
  now = 1_700_000_000_000;

  #tasks: Task[] = [];
  #timers: Timer[] = [];

  constructor(
    readonly seed: number,
    private readonly trace?: (line: string) => void,
  ) {
    this.random = new Random(seed);
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.random.below(times) === 0;
  }

  get pendingTasks(): number {
    return this.#tasks.length;
  }

  get pendingTimers(): number {
    return this.#timers.length;
  }

  /** Whether somebody wants to know what happens. */
  get isTraced(): boolean {
    return this.trace !== undefined;
  }

  say(line: string): void {
    this.trace?.(line);
  }

  /** Lets something go on when it is its turn. */
  later(life: Life, name: string, goOn: () => void, survive?: () => void): void {
    this.#tasks.push({ life, name, goOn, survive });
  }

  /** Lets one of the things that are under way go on. @returns false when there is none */
  goOn(): boolean {
    const ready = this.#tasks.filter(({ life }) => !life.isStalled);
    if (ready.length === 0) return false;
    const task = ready[this.random.below(ready.length)];
    this.#tasks.splice(this.#tasks.indexOf(task), 1);
    if (this.trace) this.trace(`goes on: ${task.name}`);
    task.goOn();
    return true;
  }

  /** Moves the time to the next timer, and fires it. @returns false when there is none */
  fireTimer(): boolean {
    const ready = this.#timers.filter(({ life }) => !life.isStalled);
    if (ready.length === 0) return false;
    const next = ready.reduce((first, timer) => (timer.dueAt < first.dueAt ? timer : first));
    this.#timers.splice(this.#timers.indexOf(next), 1);
    this.now = Math.max(this.now, next.dueAt);
    if (this.trace) this.trace(`timer at ${this.now % 1_000_000}`);
    next.callback();
    return true;
  }

  /** How many timers of a process are to come. */
  timersOf(life: Life): number {
    return this.#timers.filter((timer) => timer.life === life).length;
  }

  /** Whether a timer of a process should have fired already. */
  isLate(life: Life): boolean {
    return this.#timers.some((timer) => timer.life === life && timer.dueAt <= this.now);
  }

  /** Lets a random number of microtasks pass, or the event loop turn. */
  pause(): Promise<void> {
    return this.oneIn(8) ? turnOfEventLoop() : microtasks(this.random.pick(PAUSES));
  }

  /** Ends a process without a word. What it had asked of an engine may still be done, or not; nobody is answered. */
  end(life: Life): void {
    life.isAlive = false;
    const [gone, rest]: [Task[], Task[]] = [[], []];
    for (const task of this.#tasks) (task.life.isAlive ? rest : gone).push(task);
    this.#tasks = rest;
    this.#timers = this.#timers.filter((timer) => timer.life.isAlive);
    for (const { name, survive } of gone) {
      if (!survive || this.oneIn(2)) continue;
      this.say(`still done: ${name}`);
      survive();
    }
  }

  clockOf(life: Life): Clock {
    return {
      now: () => this.now + (life.clockError ?? 0),
      random: () => this.random.below(1_000) / 1_000,
      setTimer: (callback, delayMs) => {
        if (!life.isAlive) return () => undefined;
        const timer = { life, dueAt: this.now + delayMs, callback };
        this.#timers.push(timer);
        return () => {
          const index = this.#timers.indexOf(timer);
          if (index >= 0) this.#timers.splice(index, 1);
        };
      },
    };
  }

  /**
   * An engine of a process: each call is done when it is its turn, and answered then or later still.
   *
   * @param answersAtOnce whether some calls are answered at once, as by an engine in memory
   * @param faultOf what stands in the way of a call
   */
  engineOf(
    life: Life,
    disk: StorageEngine,
    answersAtOnce: boolean,
    faultOf: (verb: EngineVerb | 'transact', request: unknown) => Fault,
  ): StorageEngine {
    const call = (verb: EngineVerb, ask: () => unknown, request: unknown): unknown => {
      if (!life.isAlive) return new Promise(() => undefined);
      if (verb === 'open' || verb === 'close') return ask();
      if (answersAtOnce && this.oneIn(2) && faultOf(verb, request) === undefined) return ask();
      return new Promise((resolve, reject) => {
        const goOn = (): void => {
          const fault = faultOf(verb, request);
          const answer = (): void => {
            if (fault) reject(new Error(`${verb} failed`));
            else resolve(answered);
          };
          let answered: unknown;
          try {
            if (fault !== 'before') answered = ask();
          } catch (error) {
            return reject(error instanceof Error ? error : new Error(String(error)));
          }
          if (this.oneIn(3)) this.later(life, `answer of ${verb}`, answer);
          else answer();
        };
        const isWrite = ['append', 'saveCheckpoint', 'acquireLease', 'releaseLease'].includes(verb);
        this.later(life, verb, goOn, isWrite ? () => void survive(ask) : undefined);
      });
    };
    const engine = aroundEngine(call, disk);
    return {
      ...engine,
      ...(disk.transact && { transact: (work) => this.#transact(life, disk, faultOf, work) }),
      ...(disk.onAppended && { onAppended: (listener) => this.#hints(life, disk, listener) }),
    };
  }

  /** Hints come late, and some not at all. */
  #hints(life: Life, disk: StorageEngine, listener: (streamId?: string) => void): () => void {
    return disk.onAppended!((streamId) => {
      if (life.isAlive && !this.oneIn(4))
        this.later(life, 'hint', () => listener(this.oneIn(3) ? undefined : streamId));
    });
  }

  /** A transaction of a process: it begins, saves and is committed when it is its turn, and not at all when the process ends. */
  async #transact<T>(
    life: Life,
    disk: StorageEngine,
    faultOf: (verb: 'transact', request: unknown) => Fault,
    work: (transaction: EngineTransaction) => Promise<T>,
  ): Promise<T> {
    const turn = (name: string): Promise<void> => new Promise((resolve) => this.later(life, name, resolve));
    if (!life.isAlive) return new Promise(() => undefined);
    await turn('begin of a transaction');
    const fault = faultOf('transact', undefined);
    // Who has not heard of a commit does not know whether there was one.
    const isInDoubt = fault === 'after' || this.oneIn(2);
    const lost = (): Error => new StorageUnavailableError('the disk', isInDoubt, new Error('the connection broke'));
    const answer = await disk.transact!(async (transaction) => {
      const saveCheckpoint: EngineTransaction['saveCheckpoint'] = async (...request) => {
        await turn('saveCheckpoint in a transaction');
        await transaction.saveCheckpoint(...request);
      };
      const done = await work({ client: transaction.client, saveCheckpoint });
      await turn('commit');
      if (fault === 'before') throw lost();
      return done;
    });
    if (this.oneIn(3)) await turn('answer of commit');
    if (fault === 'after') throw lost();
    return answer;
  }
}

/** What the end of a process has left to be done may fail: nobody is told. */
function survive(ask: () => unknown): void {
  try {
    void ask();
  } catch {
    return;
  }
}
