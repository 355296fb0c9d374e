-- Drop some of what waits, and was there at that time, with its records.
WITH gone AS (
    DELETE FROM {queue}
    WHERE ctid = ANY (ARRAY(
        SELECT t.ctid
        FROM {queue} AS t
        WHERE t.queue COLLATE "POSIX" = $1 AND t.enqueued_at <= $2
            AND (t.locked_until IS NULL OR t.locked_until <= now())
        ORDER BY t.available_at, t.seq
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING queue, id
), forgotten AS (
    DELETE FROM {results} AS r USING gone WHERE r.queue = gone.queue AND r.id = gone.id
)
SELECT count(*) FROM gone
