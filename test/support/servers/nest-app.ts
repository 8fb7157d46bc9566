import { inspect } from 'node:util';
import { afterEach } from '@jest/globals';
import type { INestApplicationContext, LoggerService, ModuleMetadata } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { rejectionOf } from '../events.js';

/** A Nest logger that keeps what it is told. */
export class RecordingNestLogger implements LoggerService {
  readonly errors: { readonly message: string; readonly stack: string | undefined; readonly context: string }[] = [];
  readonly warnings: string[] = [];

  readonly lines: string[] = [];

  log(message: unknown): void {
    this.lines.push(textOf(message));
  }

  warn(message: unknown): void {
    this.warnings.push(textOf(message));
  }

  /** Nest passes the stack when there is one, and the context last. */
  error(message: unknown, ...optional: unknown[]): void {
    const inside = (message as { err?: { stack?: string } } | undefined)?.err?.stack;
    const stack = inside ?? (optional.length > 1 ? (optional[0] as string | undefined) : undefined);
    this.errors.push({ message: textOf(message), stack, context: String(optional.at(-1)) });
  }
}

function textOf(message: unknown): string {
  return typeof message === 'string' ? message : inspect(message);
}

const started: Pick<INestApplicationContext, 'close'>[] = [];

/** Closes an application when the test is over. */
export function closedAfterTest<App extends INestApplicationContext>(app: App): App {
  started.push(app);
  return app;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((app) => app.close()));
});

/** Starts an application of one module, and closes it when the test is over. */
export async function startApp(metadata: ModuleMetadata, logger = new RecordingNestLogger()): Promise<TestingModule> {
  const app = await Test.createTestingModule(metadata).setLogger(logger).compile();
  closedAfterTest(app);
  return app.init().catch((error: unknown) => {
    // In Nest 11, the end of an application that failed to start fails with the same error.
    started[started.indexOf(app)] = { close: () => app.close().catch(() => undefined) };
    throw error;
  });
}

/** Why an application does not start. */
export async function startFailure(metadata: ModuleMetadata): Promise<Error> {
  return (await rejectionOf(startApp(metadata))) as Error;
}
