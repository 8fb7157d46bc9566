/**
 * The tables of a store.
 *
 * - An append inserts and updates nothing, save for the first event of a stream. A counter or a revision that every append
 *   updates would leave a dead row behind each, and whoever reads it has to pass them all while an old transaction, such as
 *   that of a backup, keeps them from being cleaned up.
 * - Texts are ordered by their bytes (`COLLATE "C"`), which in UTF-8 is the order of `compareStreamIds`.
 * - Data and metadata are `text`: `jsonb` refuses the escape of U+0000, and forgets the order of members and how numbers
 *   were written; `json` would be parsed once more for nothing.
 * - Times are milliseconds since 1970, because the dates of JavaScript begin long before those of `timestamptz`.
 * - Neither positions nor global positions have gaps: both follow from the last event there is, read under the lock of
 *   `append`.
 */
export const eventLog = (schema: string): string => `
  CREATE TABLE ${schema}.events (
    global_position bigint PRIMARY KEY,
    stream_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    data text NOT NULL,
    metadata text NOT NULL,
    timestamp bigint NOT NULL,
    recorded_at bigint NOT NULL,
    CONSTRAINT events_position_key UNIQUE (stream_id, position)
  );
  CREATE INDEX events_timestamp ON ${schema}.events (timestamp, global_position);

  -- Every stream that ever was.
  CREATE TABLE ${schema}.streams (
    stream_id text COLLATE "C" PRIMARY KEY,
    -- The position of its last event that was removed.
    trimmed_to bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 80);

  -- One row: what the events do not tell.
  CREATE TABLE ${schema}.log (
    id int PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    -- The last event that was removed.
    trimmed_to bigint NOT NULL DEFAULT 0,
    trimmed_recorded_at bigint NOT NULL DEFAULT -9223372036854775808,
    -- How many streams hold events that were not removed, without the store's own.
    stream_count bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 10);
  INSERT INTO ${schema}.log DEFAULT VALUES;

  CREATE TABLE ${schema}.checkpoints (
    name text COLLATE "C" PRIMARY KEY,
    checkpoint text NOT NULL
  ) WITH (fillfactor = 50);

  -- A row stays when its lease has ended, so that the next token is larger.
  CREATE TABLE ${schema}.leases (
    name text COLLATE "C" PRIMARY KEY,
    holder text NOT NULL,
    token bigint NOT NULL,
    ends_at timestamptz NOT NULL
  ) WITH (fillfactor = 50);
`;
