/** What a line of the log is about, for logs that can be searched. */
export type LogFields = Readonly<Record<string, string | number>>;

/** Where the store reports what happens in the background. A Nest `Logger` is one. */
export interface StoreLogger {
  /** What is as it should be, and is good to know. */
  log?(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, stack?: string, fields?: LogFields): void;
}

/** Writes to the standard error stream. */
export const consoleLogger: StoreLogger = {
  log: (message) => console.error(message),
  warn: (message) => console.warn(message),
  error: (message, stack) => console.error(stack === undefined ? message : `${message}\n${stack}`),
};
