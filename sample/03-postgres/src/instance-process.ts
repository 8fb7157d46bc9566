import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { DatabaseSchema } from './database.js';
import type { InstanceMessage } from './instance.js';

/** An instance in a process of its own, and what it has told. */
export class InstanceProcess {
  state: 'starting' | 'running' | 'standby' = 'starting';
  readonly taken: string[] = [];
  readonly packed: string[] = [];
  repeats = 0;
  readonly #process: ChildProcess;
  readonly #closed: Promise<number | null>;
  #hasClosed = false;
  #wake = (): void => undefined;

  /** @param signal kills it when it aborts */
  constructor(
    readonly name: string,
    { url, schema }: DatabaseSchema,
    signal: AbortSignal,
  ) {
    const env = { ...process.env, DATABASE_URL: url };
    const main = join(import.meta.dirname, 'main.js');
    this.#process = fork(main, ['--instance', name, '--schema', schema], { env, signal, killSignal: 'SIGKILL' });
    // That the signal has killed it; then it closes, too.
    this.#process.on('error', () => undefined);
    this.#process.on('message', (message: InstanceMessage) => {
      this.#note(message);
      this.#wake();
    });
    this.#closed = new Promise((resolve) => {
      this.#process.on('close', (code) => {
        this.#hasClosed = true;
        this.#wake();
        resolve(code);
      });
    });
  }

  #note(message: InstanceMessage): void {
    if ('state' in message) this.state = message.state;
    else if ('taken' in message) this.taken.push(message.taken);
    else if (message.isRepeat) this.repeats++;
    else this.packed.push(message.packed);
  }

  /** Resolves when what it has told makes the condition true. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#hasClosed) throw new Error(`The instance ${this.name} has ended too early.`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#closed;
  }

  /** Lets it finish its work. */
  async close(): Promise<void> {
    this.#process.send('close');
    const code = await this.#closed;
    if (code !== 0) throw new Error(`The instance ${this.name} has ended with code ${code}.`);
  }
}
