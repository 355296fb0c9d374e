-- Hand out what is due: queue by queue, the longest due first; each hidden for its lease, counted,
-- and given a new token. Rows that somebody else is about to take or to settle are left to them.
UPDATE {queue} AS t
SET locked_until = now() + least(t.visibility_timeout, 1e11) * interval '1 second',
    token = t.token + 1,
    deliveries = t.deliveries + 1
WHERE t.ctid = ANY (ARRAY(
    SELECT due.place
    FROM unnest($1::text[], $2::timestamptz[]) AS asked (queue, mark)
    CROSS JOIN LATERAL (
        SELECT w.ctid AS place
        FROM {queue} AS w
        WHERE w.queue COLLATE "POSIX" = asked.queue AND w.available_at <= now()
            AND w.available_at >= coalesce(asked.mark, '-infinity')
        ORDER BY w.available_at, w.seq
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) AS due
    LIMIT $3
))
RETURNING
    t.queue, uuid_send(t.id), t.seq, t.token, t.due_at, t.attempt, t.deliveries, t.visibility_timeout,
    t.headers, t.body
