import { inspect } from 'node:util';
import type { Logger } from '@nestjs/common';
import type { LogFields, StoreLogger } from '../store/ports/logger.js';

/** An error as JSON has it, which shows nothing of an `Error`. */
interface LoggedError {
  readonly message: string;
  readonly stack: string;
}

/**
 * A line with fields, in the one form that the loggers of Nest applications keep: pino and its like take the members of an
 * object, with the text in `msg`; Nest's own logger prints it as its text or, as JSON, with its members.
 */
class LogLine {
  readonly msg: string;
  readonly err?: LoggedError;

  constructor(message: string, fields: LogFields, stack: string | undefined) {
    Object.assign(this, fields);
    this.msg = message;
    if (stack !== undefined) this.err = { message, stack };
  }

  [inspect.custom](): string {
    return this.toString();
  }

  toString(): string {
    return this.err ? `${this.msg}\n${this.err.stack}` : this.msg;
  }
}

/** Hands the store's lines to a logger of Nest, with their fields. */
export function structuredLogger(logger: Logger): StoreLogger {
  return {
    log: (message, fields) => logger.log(fields ? new LogLine(message, fields, undefined) : message),
    warn: (message, fields) => logger.warn(fields ? new LogLine(message, fields, undefined) : message),
    error: (message, stack, fields) => {
      if (fields) logger.error(new LogLine(message, fields, stack));
      else logger.error(message, stack);
    },
  };
}
