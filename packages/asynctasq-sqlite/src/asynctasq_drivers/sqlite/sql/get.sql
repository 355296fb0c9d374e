SELECT
    seq, queue, id, state, due, attempt, deliveries, visibility_timeout, enqueued_at, finished_at,
    headers, failure, body
FROM asynctasq_task
WHERE id = :id AND queue = :queue
