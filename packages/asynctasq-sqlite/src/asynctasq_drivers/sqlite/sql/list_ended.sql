-- The same for those that are completed or dead, which have an index of their own.
SELECT
    seq, queue, id, state, due, attempt, deliveries, visibility_timeout, enqueued_at, finished_at,
    headers, failure, body
FROM asynctasq_task INDEXED BY asynctasq_task_ended
WHERE state = :state AND state >= 3 AND seq > :after
ORDER BY seq
LIMIT :most
