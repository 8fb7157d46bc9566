import type { SqliteClient } from '../sqlite-client.js';

/** Half a day past 4714-11-24 BC, from which SQLite counts days, to the first of January 1970 (SQLite, "julianday"). */
const DAYS_BEFORE_1970 = 2_440_587.5;
const MS_PER_DAY = 86_400_000;

/** What time it is by the clock of the computer, in milliseconds since 1970, as SQLite takes it from the system. */
export function computerTime(client: SqliteClient): number {
  const { days } = client.get<{ days: number }>(`SELECT julianday('now') AS days`)!;
  return Math.floor((days - DAYS_BEFORE_1970) * MS_PER_DAY);
}
