-- Tasks in the order in which they came, as far as one call may look.
SELECT
    seq, queue, id, state, due, attempt, deliveries, visibility_timeout, enqueued_at, finished_at,
    headers, failure, body
FROM asynctasq_task
WHERE seq > :after
ORDER BY seq
LIMIT :most
