-- A task, wherever it is, unless it has expired. IS TRUE: not to be looked for by its expiry.
SELECT
    queue, uuid_send(id),
    CASE
        WHEN available_at <= now() THEN 'pending'
        WHEN locked_until IS NULL THEN 'scheduled'
        ELSE 'running'
    END,
    body, attempt, deliveries, visibility_timeout, headers,
    extract(epoch FROM enqueued_at)::float8, extract(epoch FROM available_at)::float8,
    NULL::float8, error_type, error, traceback
FROM {queue}
WHERE queue = $1 AND id = $2
UNION ALL
SELECT
    queue, uuid_send(id), 'dead', body, attempts, attempts + losses, visibility_timeout, headers,
    extract(epoch FROM enqueued_at)::float8, NULL, extract(epoch FROM dead_at)::float8,
    error_type, error, traceback
FROM {dead}
WHERE queue = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > now())
UNION ALL
SELECT
    queue, uuid_send(id), 'completed', body, attempt, deliveries, visibility_timeout, headers,
    extract(epoch FROM enqueued_at)::float8, NULL, extract(epoch FROM completed_at)::float8,
    error_type, error, traceback
FROM {completed}
WHERE queue = $1 AND id = $2 AND (expires_at > now()) IS TRUE
LIMIT 1
