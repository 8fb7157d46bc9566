/** Where the store reports what happens in the background. A Nest `Logger` is one. */
export interface StoreLogger {
  warn(message: string): void;
  error(message: string, stack?: string): void;
}

/** Writes to the standard error stream. */
export const consoleLogger: StoreLogger = {
  warn: (message) => console.warn(message),
  error: (message, stack) => console.error(stack === undefined ? message : `${message}\n${stack}`),
};
