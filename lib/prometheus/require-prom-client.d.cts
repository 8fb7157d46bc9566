/** `prom-client`; undefined when it could not be loaded. */
export declare const found: typeof import('prom-client') | undefined;
/** What loading it failed with. */
export declare const failure: unknown;
