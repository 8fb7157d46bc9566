import type { TestRunner } from 'nestjs-stream-store/testing';

interface Collected {
  readonly path: string;
  readonly body: () => Promise<void>;
}

/** Collects cases instead of running them, so that a test can look at how they end. */
export class CollectingRunner implements TestRunner {
  readonly cases: Collected[] = [];
  readonly skipped: string[] = [];
  #path: string[] = [];

  readonly describe = (name: string, body: () => void): void => {
    this.#path.push(name);
    body();
    this.#path.pop();
  };

  readonly it = Object.assign(
    (name: string, body: () => Promise<void>): void => void this.cases.push({ path: this.#in(name), body }),
    { skip: (name: string): void => void this.skipped.push(this.#in(name)) },
  );

  #in(name: string): string {
    return [...this.#path, name].join(' › ');
  }

  /** The first case that fails, and how; undefined when all pass. @param part of the path of those that are run */
  async firstFailure(part: string): Promise<{ readonly path: string; readonly error: unknown } | undefined> {
    const cases = this.cases.filter(({ path }) => path.includes(part));
    if (cases.length === 0) throw new Error(`there is no case of "${part}"`);
    for (const { path, body } of cases) {
      try {
        await body();
      } catch (error) {
        return { path, error };
      }
    }
    return undefined;
  }
}
