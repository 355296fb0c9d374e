-- Let leases run anew; answers the receipt of each that it holds no more. What somebody's
-- transaction has locked is skipped.
-- How the key is compared: see ack.sql.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest($1::text::text[], $2::text::uuid[], $3::text::bigint[], $4::text::bigint[]) AS g (queue, id, seq, token)
), renewed AS (
    UPDATE {queue} AS t
    SET locked_until = now() + least(t.visibility_timeout, 1e11) * interval '1 second'
    WHERE t.ctid = ANY (ARRAY(
        SELECT h.ctid
        FROM given AS g
        JOIN {queue} AS h ON h.queue = ANY (ARRAY[g.queue]) AND h.id = g.id
        WHERE h.seq IS NOT DISTINCT FROM g.seq AND h.token = g.token AND h.locked_until IS NOT NULL
        FOR UPDATE OF h SKIP LOCKED
    ))
)
SELECT g.seq, g.token
FROM given AS g
WHERE NOT EXISTS (
    SELECT
    FROM {queue} AS t
    WHERE t.queue = ANY (ARRAY[g.queue]) AND t.id = g.id AND t.seq IS NOT DISTINCT FROM g.seq AND t.token = g.token
        AND t.locked_until IS NOT NULL
)
