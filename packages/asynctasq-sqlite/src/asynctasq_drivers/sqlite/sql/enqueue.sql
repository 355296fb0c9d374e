-- Store messages, unless their ids are here, or a record of them is. One that has expired and was
-- not swept yet makes room.
INSERT INTO asynctasq_task
    (queue, id, state, due, attempt, deliveries, visibility_timeout, enqueued_at, headers, body)
SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10
FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?))
WHERE NOT EXISTS (
    SELECT 1
    FROM asynctasq_record
    WHERE id = column2 AND queue = column1 AND (expires IS NULL OR expires > column8)
)
ON CONFLICT (id, queue) DO UPDATE SET
    state = excluded.state,
    due = excluded.due,
    attempt = excluded.attempt,
    deliveries = excluded.deliveries,
    visibility_timeout = excluded.visibility_timeout,
    enqueued_at = excluded.enqueued_at,
    finished_at = NULL,
    headers = excluded.headers,
    failure = NULL,
    body = excluded.body
WHERE asynctasq_task.state >= 3 AND asynctasq_task.due <= excluded.enqueued_at
