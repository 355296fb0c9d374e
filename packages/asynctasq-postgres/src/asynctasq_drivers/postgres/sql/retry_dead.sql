-- Dead tasks are pending, as if they had never run, without their records.
-- How the key is compared: see ack.sql.
WITH risen AS (
    DELETE FROM {dead} AS d
    USING (SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[]) AS a (queue, id)) AS asked
    WHERE d.queue = ANY (ARRAY[asked.queue]) AND d.id = asked.id
        AND (d.expires_at IS NULL OR d.expires_at > now())
    RETURNING d.queue, d.id, d.visibility_timeout, d.enqueued_at, d.headers, d.body
), forgotten AS (
    DELETE FROM {results} AS r USING risen WHERE r.queue = ANY (ARRAY[risen.queue]) AND r.id = risen.id
)
INSERT INTO {queue}
    (queue, id, due_at, attempt, deliveries, visibility_timeout, enqueued_at, headers, body)
SELECT queue, id, now(), 1, 0, visibility_timeout, enqueued_at, headers, body
FROM risen
RETURNING queue, id
