-- Whatever they are, with their records, unless somebody runs them, or they have expired.
-- IS TRUE: not to be looked for by their expiry.
-- How the key is compared: see ack.sql.
WITH asked AS MATERIALIZED (
    SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[]) AS a (queue, id)
), waiting AS (
    DELETE FROM {queue} AS t
    USING asked
    WHERE t.queue = ANY (ARRAY[asked.queue]) AND t.id = asked.id
        AND (t.locked_until IS NULL OR t.locked_until <= now())
    RETURNING t.queue, t.id
), dead AS (
    DELETE FROM {dead} AS d
    USING asked
    WHERE d.queue = ANY (ARRAY[asked.queue]) AND d.id = asked.id
        AND (d.expires_at IS NULL OR d.expires_at > now())
    RETURNING d.queue, d.id
), completed AS (
    DELETE FROM {completed} AS c
    USING asked
    WHERE c.queue = ANY (ARRAY[asked.queue]) AND c.id = asked.id AND (c.expires_at > now()) IS TRUE
    RETURNING c.queue, c.id
), gone AS (
    SELECT queue, id FROM waiting
    UNION SELECT queue, id FROM dead
    UNION SELECT queue, id FROM completed
), forgotten AS (
    DELETE FROM {results} AS r USING gone WHERE r.queue = ANY (ARRAY[gone.queue]) AND r.id = gone.id
)
SELECT queue, id FROM gone
