import type { Clock } from '../../store/values/clock.js';

/** Tells those who wait for something that it may be so now. */
export class ChangeSignal {
  #waiting: (() => void)[] = [];

  constructor(private readonly clock: Clock) {}

  /** Resolves when something has changed. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when something has changed, or after some time. */
  async nextWithin(ms: number): Promise<void> {
    let cancelTimer: (() => void) | undefined;
    const time = new Promise<void>((resolve) => {
      cancelTimer = this.clock.setTimer(resolve, ms, { background: true });
    });
    await Promise.race([time, this.next()]);
    cancelTimer?.();
  }

  tell(): void {
    for (const tell of this.#waiting.splice(0)) tell();
  }
}
