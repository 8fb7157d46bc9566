export { sqliteEngine } from './sqlite-engine.js';
export { DEFAULT_SQLITE_ENGINE_OPTIONS, type SqliteEngineOptions } from './sqlite-engine-options.js';
export type { SqliteDatabase, SqliteDriver, SqliteStatement, SqliteValue } from './sqlite-driver.js';
