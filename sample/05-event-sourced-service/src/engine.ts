import { memoryEngine, type StorageEngine } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { sqliteEngine } from 'nestjs-stream-store/sqlite';

/**
 * The engine that the variable `EVENT_STORE` names: `memory`, the address of a PostgreSQL database, or the file of a SQLite
 * database. Nothing else in the application depends on it.
 */
export function engineOf(name = 'memory'): StorageEngine {
  if (name === 'memory') return memoryEngine();
  if (/^postgres(ql)?:/.test(name)) return postgresEngine({ connectionString: name });
  return sqliteEngine({ file: name });
}
