/** `@opentelemetry/api`; undefined when it could not be loaded. */
export declare const found: typeof import('@opentelemetry/api') | undefined;
/** What loading it failed with. */
export declare const failure: unknown;
