/**
 * The tables of a store.
 *
 * - Texts are UTF-8 and compared by their bytes, which is the order of `compareStreamIds`.
 * - Data and metadata are the JSON texts as they came: SQLite's own form of JSON forgets how numbers were written.
 * - Neither positions nor global positions have gaps: both are given under the lock of the transaction that keeps them.
 * - `recorded_at` never falls as `global_position` rises, so that a time can be searched for by halving.
 * - An index on a column of `events` ends with its `global_position`, which is the rowid.
 */
export const eventLog = `
  CREATE TABLE streams (
    number INTEGER PRIMARY KEY,
    stream_id TEXT NOT NULL UNIQUE,
    -- The position of its last event ever.
    revision INTEGER NOT NULL,
    -- The position of its first event that was not removed; revision + 1 when none is left.
    first_position INTEGER NOT NULL,
    last_global_position INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE events (
    global_position INTEGER PRIMARY KEY,
    -- The number of its stream.
    stream INTEGER NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX events_by_position ON events (stream, position);
  CREATE INDEX events_by_timestamp ON events (timestamp);

  -- One row: what the events do not tell.
  CREATE TABLE log (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    -- Of the last event there ever was.
    head INTEGER NOT NULL,
    recorded_at INTEGER,
    -- The global position of the last event that was removed.
    trimmed_to INTEGER NOT NULL,
    -- How many streams hold events that were not removed, without the store's own.
    streams INTEGER NOT NULL,
    -- Rises with everything that a snapshot would keep.
    changes INTEGER NOT NULL
  ) STRICT;
  INSERT INTO log VALUES (1, 0, NULL, 0, 0, 0);

  CREATE TABLE checkpoints (
    name TEXT PRIMARY KEY,
    checkpoint TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- A row stays when its lease has ended, so that the next token is larger.
  CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token INTEGER NOT NULL,
    ends_at REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
`;
