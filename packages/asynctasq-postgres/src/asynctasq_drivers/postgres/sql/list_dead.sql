SELECT
    queue, uuid_send(id), 'dead', body, attempts, attempts + losses, visibility_timeout, headers,
    extract(epoch FROM enqueued_at)::float8, NULL::float8, extract(epoch FROM dead_at)::float8,
    error_type, error, traceback
FROM {dead}
WHERE (queue, id) >= ($1, $2::uuid) AND (queue, id) <= ($3, $4::uuid)
    AND (expires_at IS NULL OR expires_at > now())
ORDER BY queue, id
LIMIT $5
