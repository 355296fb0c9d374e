-- Outcomes of every kind, in one step. Fenced by token.
-- How the key is compared: see ack.sql.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $1::text::text[], $2::text::uuid[], $3::text::bigint[], $4::text::bigint[], $5::text[], $6::float8[],
        $7::text[], $8::text[], $9::text[],
        $10::smallint[], $11::bytea[], $12::float8[], $13::float8[]
    ) AS g (
        queue, id, seq, token, outcome, delay,
        error_type, error, traceback,
        kind, value, keep_for, expires
    )
), gone AS (
    DELETE FROM {queue} AS t
    USING given AS g
    WHERE t.queue = ANY (ARRAY[g.queue]) AND t.id = g.id AND t.seq IS NOT DISTINCT FROM g.seq AND t.token = g.token
        AND t.locked_until IS NOT NULL
        AND g.outcome IN ('ack', 'dead_letter')
    RETURNING
        t.queue, t.id, t.seq, t.token, t.attempt, t.deliveries, t.visibility_timeout, t.enqueued_at,
        t.error_type AS last_error_type, t.error AS last_error, t.traceback AS last_traceback,
        t.headers, t.body,
        g.outcome, g.error_type, g.error, g.traceback, g.kind, g.value, g.keep_for, g.expires
), waiting AS (
    -- Without delay what is given back keeps its place.
    UPDATE {queue} AS t
    SET locked_until = NULL,
        due_at = CASE
            WHEN g.outcome = 'release' AND g.delay = 0 THEN t.due_at
            ELSE now() + g.delay * interval '1 second'
        END,
        attempt = t.attempt + CASE g.outcome WHEN 'retry' THEN 1 ELSE 0 END,
        deliveries = t.deliveries - CASE g.outcome WHEN 'release' THEN 1 ELSE 0 END,
        error_type = coalesce(g.error_type, t.error_type),
        error = coalesce(g.error, t.error),
        traceback = coalesce(g.traceback, t.traceback)
    FROM given AS g
    WHERE t.queue = ANY (ARRAY[g.queue]) AND t.id = g.id AND t.seq IS NOT DISTINCT FROM g.seq AND t.token = g.token
        AND t.locked_until IS NOT NULL
        AND g.outcome IN ('retry', 'release')
    RETURNING t.seq, t.token
), buried AS (
    INSERT INTO {dead} AS d (
        queue, id, attempts, losses, visibility_timeout, enqueued_at, dead_at, expires_at,
        error_type, error, traceback, headers, body
    )
    SELECT
        queue, id, attempt, deliveries - attempt, visibility_timeout, enqueued_at, now(),
        now() + $14::float8 * interval '1 second',
        error_type, error, traceback, headers, body
    FROM gone
    WHERE outcome = 'dead_letter'
    -- What has expired and was not swept yet makes room.
    ON CONFLICT (queue, id) DO UPDATE SET
        attempts = excluded.attempts, losses = excluded.losses,
        visibility_timeout = excluded.visibility_timeout, enqueued_at = excluded.enqueued_at,
        dead_at = excluded.dead_at, expires_at = excluded.expires_at,
        error_type = excluded.error_type, error = excluded.error, traceback = excluded.traceback,
        headers = excluded.headers, body = excluded.body
), completed AS (
    INSERT INTO {completed} AS c (
        queue, id, attempt, deliveries, visibility_timeout, enqueued_at, completed_at, expires_at,
        error_type, error, traceback, headers, body
    )
    SELECT
        queue, id, attempt, deliveries, visibility_timeout, enqueued_at, now(),
        now() + $15::float8 * interval '1 second',
        last_error_type, last_error, last_traceback, headers, body
    FROM gone
    WHERE outcome = 'ack' AND $15::float8 IS NOT NULL
    ON CONFLICT (queue, id) DO UPDATE SET
        attempt = excluded.attempt, deliveries = excluded.deliveries,
        visibility_timeout = excluded.visibility_timeout, enqueued_at = excluded.enqueued_at,
        completed_at = excluded.completed_at, expires_at = excluded.expires_at,
        error_type = excluded.error_type, error = excluded.error, traceback = excluded.traceback,
        headers = excluded.headers, body = excluded.body
), kept AS (
    INSERT INTO {results} (queue, id, kind, value, keep_for, expires_at)
    SELECT queue, id, kind, value, keep_for, now() + expires * interval '1 second'
    FROM gone
    WHERE kind IS NOT NULL
    ON CONFLICT (queue, id) DO UPDATE SET
        kind = excluded.kind, value = excluded.value, keep_for = excluded.keep_for,
        expires_at = excluded.expires_at
)
SELECT array_agg(seq), array_agg(token)
FROM (SELECT seq, token FROM gone UNION ALL SELECT seq, token FROM waiting) AS settled
