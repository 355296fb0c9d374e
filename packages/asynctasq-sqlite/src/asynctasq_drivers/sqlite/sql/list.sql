-- Tasks of a state, in the order in which they came; time has moved those that are due.
SELECT
    seq, queue, id, state, due, attempt, deliveries, visibility_timeout, enqueued_at, finished_at,
    headers, failure, body
FROM asynctasq_task
WHERE seq > :after AND seq <= :last
    AND CASE WHEN state IN (1, 2) AND due <= :now THEN 0 ELSE state END = :state
    AND (:queue IS NULL OR queue = :queue)
ORDER BY seq
LIMIT :limit
