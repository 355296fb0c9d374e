-- The messages of a queue that are due longest, as their next delivery will show them.
SELECT seq, abs(receipt) + 1, id, body, attempt, deliveries + 1, visibility_timeout, headers
FROM asynctasq_task
WHERE queue = :queue AND state = 0
ORDER BY due, seq
LIMIT :limit
