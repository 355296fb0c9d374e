SELECT
    asked.queue, due.pending, later.scheduled, later.running, ended.dead,
    extract(epoch FROM now() - due.oldest)::float8 AS oldest_pending
FROM unnest($1::text[]) WITH ORDINALITY AS asked (queue, place)
CROSS JOIN LATERAL (
    SELECT count(*) AS pending, min(t.available_at) AS oldest
    FROM {queue} AS t
    WHERE t.queue COLLATE "POSIX" = asked.queue AND t.available_at <= now()
) AS due
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE t.locked_until IS NULL) AS scheduled,
        count(*) FILTER (WHERE t.locked_until IS NOT NULL) AS running
    FROM {queue} AS t
    WHERE t.queue COLLATE "POSIX" = asked.queue AND t.available_at > now()
) AS later
CROSS JOIN LATERAL (
    SELECT count(*) AS dead
    FROM {dead} AS d
    WHERE d.queue = asked.queue AND (d.expires_at IS NULL OR d.expires_at > now())
) AS ended
ORDER BY asked.place
