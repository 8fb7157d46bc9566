/**
 * Whoever waits for the lock of the log does not do so for ever: any role of the database can take it and keep it. After a
 * few seconds the statement fails and nothing of it is kept, before the caller has given up and cannot know.
 *
 * The lock is mostly free, and is then taken without a subtransaction, which is there only to say what has happened.
 */
export const patience = (schema: string): string => `
  CREATE OR REPLACE FUNCTION ${schema}.lock_log() RETURNS void
  LANGUAGE plpgsql VOLATILE SET lock_timeout = '4s' AS $function$
  DECLARE
    key constant bigint := hashtextextended('${schema}', 5748139);
  BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE 'the event log is written in READ COMMITTED transactions only, not %', current_setting('transaction_isolation')
        USING ERRCODE = 'invalid_transaction_state';
    END IF;
    IF pg_try_advisory_xact_lock(key) THEN
      RETURN;
    END IF;
    BEGIN
      PERFORM pg_advisory_xact_lock(key);
    EXCEPTION WHEN lock_not_available THEN
      RAISE 'another session has kept the lock of the log for 4 s, so nothing was changed'
        USING ERRCODE = 'lock_not_available', HINT = 'It is an advisory lock: see pg_locks for who holds it.';
    END;
  END
  $function$;
`;
