-- Tasks of a state, by queue and id, from one place to another.
SELECT *
FROM (
    SELECT
        queue, uuid_send(id),
        CASE
            WHEN available_at <= now() THEN 'pending'
            WHEN locked_until IS NULL THEN 'scheduled'
            ELSE 'running'
        END AS state,
        body, attempt, deliveries, visibility_timeout, headers,
        extract(epoch FROM enqueued_at)::float8, extract(epoch FROM available_at)::float8,
        NULL::float8, error_type, error, traceback
    FROM {queue}
    WHERE (queue, id) >= ($1, $2::uuid) AND (queue, id) <= ($3, $4::uuid)
    ORDER BY queue, id
) AS tasks
WHERE state = $5
LIMIT $6
