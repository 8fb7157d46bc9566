/**
 * Appends again, and what removes events, with nothing in them that rests on the order of a plan.
 *
 * The functions of before put what they had found of each stream into arrays in the order in which a join gave it. With some
 * thousand streams that was the order of a merge join, and appends that shared a commit got each other's revisions. An array
 * is now filled by its number, or aggregated in the order of a key.
 *
 * Looking at one stream in a statement of its own is also what makes an append cost the same with a hundred streams and with
 * a million, whatever statistics there are: by the index there is one way to the last event of a stream. The settings keep
 * the planner from taking a table for small that it saw when it was new. Nothing but the cost depends on them.
 */
export const appendByStream = (schema: string): string => `
  -- Appends batches, each whole or not at all and with an outcome of its own:
  --   1 kept, 2 kept before, 3 wrong revision, 4 too many events, 5 too many streams,
  --   6 ask again: it may be a retry of a batch of this very call
  CREATE OR REPLACE FUNCTION ${schema}.append(
    -- The streams that the batches go to, each once.
    stream_ids text[],
    -- For each batch: which of them, how many events of this call come before it, how many it has, and which revision is
    -- expected (-1 any, -2 any but 0).
    batch_streams int[],
    batch_begins int[],
    batch_sizes int[],
    batch_expectations bigint[],
    -- For each event, batch after batch.
    event_batches int[],
    event_ids text[],
    event_types text[],
    event_data text[],
    event_metadata text[],
    event_timestamps bigint[],
    -- The time, and since when events must have been recorded to count; null for all.
    clock_now bigint,
    retained_since bigint,
    -- Null for no limit.
    max_events bigint,
    max_streams bigint,
    -- Whom to tell, null for nobody; and how many streams are named at most.
    channel text,
    sender text,
    most_streams_named int,
    OUT outcomes int[],
    -- For each batch: the position and the global position before its first event.
    OUT revisions bigint[],
    OUT heads bigint[]
  )
  LANGUAGE plpgsql VOLATILE
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
  AS $function$
  DECLARE
    old_head bigint;
    new_head bigint;
    stream_count bigint;
    new_streams int := 0;
    now_recorded_at bigint;
    -- Of each stream: its revision and the global position of its last event, as they are and as they will be; and whether
    -- it is listed.
    old_revisions bigint[];
    old_heads bigint[];
    new_revisions bigint[];
    new_heads bigint[];
    are_listed boolean[];
    stream int;
    size int;
    expected bigint;
    revision bigint;
    head bigint;
    is_listed boolean;
    first_kept bigint;
    found_to bigint;
  BEGIN
    PERFORM ${schema}.lock_log();
    SELECT log_end.head, greatest(log_end.recorded_at, clock_now), log.stream_count
      INTO old_head, now_recorded_at, stream_count
      FROM ${schema}.log_end(), ${schema}.log WHERE log.id = 1;
    -- A statement for each stream: what it finds cannot be taken for another's, whatever the plan.
    FOR n IN 1 .. cardinality(stream_ids) LOOP
      SELECT e.position, e.global_position INTO revision, head FROM ${schema}.events e
        WHERE e.stream_id = stream_ids[n] ORDER BY e.position DESC LIMIT 1;
      is_listed := FOUND;
      IF NOT FOUND THEN
        SELECT s.trimmed_to INTO revision FROM ${schema}.streams s WHERE s.stream_id = stream_ids[n];
        is_listed := FOUND;
      END IF;
      old_revisions[n] := coalesce(revision, 0);
      old_heads[n] := coalesce(head, 0);
      are_listed[n] := is_listed;
    END LOOP;
    new_revisions := old_revisions;
    new_heads := old_heads;
    new_head := old_head;

    FOR batch IN 1 .. cardinality(batch_streams) LOOP
      stream := batch_streams[batch];
      size := batch_sizes[batch];
      expected := batch_expectations[batch];
      revision := new_revisions[stream];
      outcomes[batch] := 1;
      revisions[batch] := revision;
      heads[batch] := new_head;

      IF expected <> revision AND expected <> -1 AND (expected <> -2 OR revision = 0) THEN
        outcomes[batch] := 3;
        IF expected >= 0 AND size > 0 AND expected + size <= revision THEN
          IF expected + size > old_revisions[stream] THEN
            outcomes[batch] := 6;
          ELSE
            SELECT max(e.global_position) INTO found_to FROM ${schema}.events e
              WHERE e.stream_id = stream_ids[stream] AND e.position > expected AND e.position <= expected + size
              HAVING array_agg(e.id ORDER BY e.position) =
                event_ids[batch_begins[batch] + 1 : batch_begins[batch] + size];
            IF FOUND THEN
              outcomes[batch] := 2;
              revisions[batch] := expected;
              heads[batch] := found_to - size;
            END IF;
          END IF;
        END IF;
      END IF;
      CONTINUE WHEN outcomes[batch] <> 1 OR size = 0;

      IF (revision + size > max_events OR new_heads[stream] = 0 OR stream_count + new_streams >= max_streams)
          AND NOT starts_with(stream_ids[stream], '$') THEN
        -- What has expired counts no more, but counting without it takes longer: only when it may make the difference.
        IF revision + size > max_events THEN
          first_kept := coalesce(first_kept, ${schema}.first_kept(retained_since));
          SELECT e.position - 1 INTO found_to FROM ${schema}.events e
            WHERE e.stream_id = stream_ids[stream] AND e.global_position >= first_kept
            ORDER BY e.position LIMIT 1;
          IF revision - coalesce(found_to, old_revisions[stream]) + size > max_events THEN
            outcomes[batch] := 4;
            CONTINUE;
          END IF;
        END IF;
        IF stream_count + new_streams >= max_streams THEN
          first_kept := coalesce(first_kept, ${schema}.first_kept(retained_since));
          IF new_heads[stream] < first_kept AND max_streams <= (
            SELECT ${schema}.count_streams(first_kept) + count(*)
            FROM unnest(stream_ids, old_heads, new_heads) AS s (stream_id, old_head, new_head)
            WHERE s.old_head < first_kept AND s.new_head >= first_kept AND NOT starts_with(s.stream_id, '$')
          ) THEN
            outcomes[batch] := 5;
            CONTINUE;
          END IF;
        END IF;
        IF new_heads[stream] = 0 THEN
          new_streams := new_streams + 1;
        END IF;
      END IF;

      new_head := new_head + size;
      new_revisions[stream] := revision + size;
      new_heads[stream] := new_head;
    END LOOP;

    IF new_head = old_head THEN
      RETURN;
    END IF;
    INSERT INTO ${schema}.events
      SELECT heads[e.batch] + e.n - batch_begins[e.batch], stream_ids[batch_streams[e.batch]],
        revisions[e.batch] + e.n - batch_begins[e.batch], event_ids[e.n], event_types[e.n], event_data[e.n],
        event_metadata[e.n], coalesce(event_timestamps[e.n], now_recorded_at), now_recorded_at
      FROM (SELECT n, event_batches[n] AS batch FROM generate_series(1, cardinality(event_batches)) AS n) AS e
      WHERE outcomes[e.batch] = 1;
    IF false = ANY (are_listed) THEN
      INSERT INTO ${schema}.streams (stream_id)
        SELECT s.stream_id FROM unnest(stream_ids, are_listed, new_heads) AS s (stream_id, is_listed, new_head)
        WHERE NOT s.is_listed AND s.new_head > 0;
    END IF;
    IF new_streams > 0 THEN
      UPDATE ${schema}.log SET stream_count = log.stream_count + new_streams WHERE log.id = 1;
    END IF;
    IF channel IS NULL THEN
      RETURN;
    ELSIF cardinality(stream_ids) > most_streams_named THEN
      PERFORM pg_notify(channel, sender);
    ELSE
      PERFORM pg_notify(channel, sender || ' ' || stream_ids[n])
        FROM generate_series(1, cardinality(stream_ids)) AS n WHERE new_heads[n] > old_head;
    END IF;
  END
  $function$;

  -- Removes events that were recorded before a time, oldest first: at most so many, and none after a global position.
  CREATE OR REPLACE FUNCTION ${schema}.trim_log(recorded_before bigint, up_to bigint, most bigint) RETURNS bigint
  LANGUAGE plpgsql VOLATILE AS $function$
  DECLARE
    begin_after bigint;
    cut bigint;
    cut_recorded_at bigint;
    removed bigint;
    touched_streams text[];
    removed_to bigint[];
  BEGIN
    SELECT log.trimmed_to INTO begin_after FROM ${schema}.log WHERE log.id = 1;
    cut := least(${schema}.first_kept(recorded_before) - 1, up_to, begin_after + most);
    WITH gone AS (
      DELETE FROM ${schema}.events e WHERE e.global_position > begin_after AND e.global_position <= cut
      RETURNING e.stream_id, e.position, e.recorded_at
    ), touched AS (
      SELECT gone.stream_id, max(gone.position) AS removed_to, count(*) AS removed, max(gone.recorded_at) AS recorded_at
      FROM gone GROUP BY gone.stream_id
    )
    SELECT sum(touched.removed), max(touched.recorded_at), array_agg(touched.stream_id ORDER BY touched.stream_id),
        array_agg(touched.removed_to ORDER BY touched.stream_id)
      INTO removed, cut_recorded_at, touched_streams, removed_to FROM touched;
    IF removed IS NULL THEN
      RETURN 0;
    END IF;
    -- Appends did not have to wait until here. Those that came meanwhile may have filled streams that were emptied.
    PERFORM ${schema}.lock_log();
    UPDATE ${schema}.streams s SET trimmed_to = greatest(s.trimmed_to, touched.removed_to)
      FROM unnest(touched_streams, removed_to) AS touched (stream_id, removed_to) WHERE s.stream_id = touched.stream_id;
    UPDATE ${schema}.log SET
      trimmed_to = greatest(log.trimmed_to, cut),
      trimmed_recorded_at = greatest(log.trimmed_recorded_at, cut_recorded_at),
      stream_count = log.stream_count - (
        SELECT count(*) FROM unnest(touched_streams) AS touched (stream_id)
        WHERE NOT starts_with(touched.stream_id, '$')
          AND NOT EXISTS (SELECT FROM ${schema}.events e WHERE e.stream_id = touched.stream_id)
      )
      WHERE log.id = 1;
    RETURN removed;
  END
  $function$;
`;
