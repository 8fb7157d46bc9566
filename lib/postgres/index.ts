export { postgresEngine } from './postgres-engine.js';
export { DEFAULT_POSTGRES_ENGINE_OPTIONS, type PostgresEngineOptions } from './postgres-engine-options.js';
export type { PostgresConnection, PostgresPool, PostgresResult } from './postgres-client.js';
export type { PostgresTransaction, PostgresTransactionResult } from './postgres-transaction.js';
