SELECT
    queue, uuid_send(id), 'completed', body, attempt, deliveries, visibility_timeout, headers,
    extract(epoch FROM enqueued_at)::float8, NULL::float8, extract(epoch FROM completed_at)::float8,
    error_type, error, traceback
FROM {completed}
WHERE (queue, id) >= ($1, $2::uuid) AND (queue, id) <= ($3, $4::uuid) AND expires_at > now()
ORDER BY queue, id
LIMIT $5
