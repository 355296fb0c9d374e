-- Seconds until something of these queues becomes due; NULL: nothing will. What became due a moment
-- ago may not have been seen; what has been due for longer is in somebody's hands.
SELECT extract(epoch FROM min(soonest.available_at) - clock_timestamp())::float8
FROM unnest($1::text[]) AS asked (queue)
CROSS JOIN LATERAL (
    SELECT t.available_at
    FROM {queue} AS t
    WHERE t.queue COLLATE "POSIX" = asked.queue AND t.available_at > now() - interval '0.1 second'
    ORDER BY t.available_at
    LIMIT 1
) AS soonest
