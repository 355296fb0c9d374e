-- Completed or dead tasks that have not expired, in the order in which they came.
SELECT
    seq, queue, id, state, due, attempt, deliveries, visibility_timeout, enqueued_at, finished_at,
    headers, failure, body
FROM asynctasq_task INDEXED BY asynctasq_task_ended
WHERE state = :state AND state >= 3 AND seq > :after AND seq <= :last
    AND (due IS NULL OR due > :now)
    AND (:queue IS NULL OR queue = :queue)
ORDER BY seq
LIMIT :limit
