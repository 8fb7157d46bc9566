import { HandlerTimeoutError, type RecordedEvent, type StreamEventContext } from 'nestjs-stream-store';
import { type ConsumerWatch, place, type WatchedRun } from '../waiting/consumer-watch.js';
import type { SeededSteps } from './seeded-steps.js';
import type { SharedMemoryClient } from '../engines/shared-memory-engine.js';

/** What a handler does with an event: succeed after some failures, always fail, never end, end the process. */
type Fate =
  | { readonly kind: 'fails'; left: number; readonly isAtOnce: boolean }
  | { readonly kind: 'poison' }
  | { readonly kind: 'hangs'; left: number }
  | { readonly kind: 'kills' };

/** A handler that does with each event what a seed has decided, and ends when it is its turn. */
export class FatedHandler {
  timeouts = 0;
  /** Whether poison is still poison. */
  isPoisoned = true;

  readonly #fates = new Map<number, Fate>();
  #maySpawnKiller: boolean;

  /** @param hasKiller whether one of the events ends the process */
  constructor(
    private readonly steps: SeededSteps,
    private readonly watch: ConsumerWatch,
    private readonly mostFailures: number,
    private readonly timeLimit: number,
    hasKiller: boolean,
  ) {
    this.#maySpawnKiller = hasKiller;
  }

  /** Decides what becomes of an event. */
  decide(globalPosition: number): void {
    const fate = this.#draw();
    if (this.steps.isTraced) this.steps.say(`the fate of ${globalPosition}: ${JSON.stringify(fate)}`);
    this.#fates.set(globalPosition, fate);
  }

  #draw(): Fate {
    const roll = this.steps.random.below(20);
    if (roll === 19 && this.#maySpawnKiller) {
      this.#maySpawnKiller = false;
      return { kind: 'kills' };
    }
    if (roll >= 17) return { kind: 'poison' };
    if (roll >= 15) {
      return { kind: 'fails', left: 1 + this.steps.random.below(this.mostFailures), isAtOnce: roll === 15 };
    }
    if (roll === 14) return { kind: 'hangs', left: 1 };
    return { kind: 'fails', left: 0, isAtOnce: roll < 5 };
  }

  kills(globalPosition: number): boolean {
    return this.#fates.get(globalPosition)!.kind === 'kills';
  }

  /** @param crash ends the process */
  handle(
    run: WatchedRun,
    { globalPosition }: RecordedEvent,
    context: StreamEventContext,
    isRetry: boolean,
    crash: () => void,
  ): unknown {
    const event = this.watch.events.get(globalPosition)!;
    const fate = this.#fates.get(globalPosition)!;
    const { signal } = context;
    const say = (what: string): void => {
      if (this.steps.isTraced) this.steps.say(`${what} ${place(event)}`);
    };
    say(isRetry ? 'retries' : 'begins');
    if (!isRetry) this.watch.begins(run, event, context);
    if (fate.kind === 'kills') {
      event.failures++;
      crash();
      return forever();
    }
    const end = (): void => {
      if (run.atWork.get(event.streamId) === context) run.atWork.delete(event.streamId);
    };
    signal.addEventListener('abort', () => {
      end();
      if (!(signal.reason instanceof HandlerTimeoutError)) return;
      event.failures++;
      this.timeouts++;
    });
    const succeed = (): void => {
      end();
      if (signal.aborted) return;
      say('has handled');
      const succeeded = (): void => {
        event.success = { life: run.life, signal, isRetry };
        event.hasBegun = true;
      };
      const transaction = context.transaction as SharedMemoryClient | undefined;
      if (!transaction) return succeeded();
      event.uncommitted++;
      transaction.insert(place(event), () => {
        event.uncommitted--;
        succeeded();
        if (!isRetry) this.watch.kept(event);
      });
    };
    const fail = (): Error => {
      end();
      if (!signal.aborted) event.failures++;
      return new Error(`no ${globalPosition}`);
    };
    if (fate.kind === 'hangs' && this.timeLimit > 0 && fate.left-- > 0) return forever();
    const fails = fate.kind === 'poison' ? this.isPoisoned : fate.kind === 'fails' && fate.left-- > 0;
    if (fate.kind === 'fails' && fate.isAtOnce) {
      if (fails) throw fail();
      return succeed();
    }
    return new Promise<void>((resolve, reject) => {
      this.steps.later(run.life, this.steps.isTraced ? `handler of ${place(event)}` : '', () => {
        if (fails) return reject(fail());
        succeed();
        resolve();
      });
    });
  }
}

function forever(): Promise<never> {
  return new Promise(() => undefined);
}
