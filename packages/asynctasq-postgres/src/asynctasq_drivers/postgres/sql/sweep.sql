-- Some of what has expired. It waits for nobody, and nobody waits for it for long.
WITH results AS (
    DELETE FROM {results}
    WHERE ctid = ANY (ARRAY(
        SELECT ctid
        FROM {results}
        WHERE expires_at <= now()
        ORDER BY expires_at
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING 1
), completed AS (
    DELETE FROM {completed}
    WHERE ctid = ANY (ARRAY(
        SELECT ctid
        FROM {completed}
        WHERE expires_at <= now()
        ORDER BY expires_at
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING 1
), dead AS (
    DELETE FROM {dead}
    WHERE ctid = ANY (ARRAY(
        SELECT ctid
        FROM {dead}
        WHERE expires_at <= now()
        ORDER BY expires_at
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING 1
)
SELECT greatest(
    (SELECT count(*) FROM results), (SELECT count(*) FROM completed), (SELECT count(*) FROM dead)
)
