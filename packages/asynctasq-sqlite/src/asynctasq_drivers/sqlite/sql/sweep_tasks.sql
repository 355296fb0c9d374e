-- Ended tasks whose time is over: a few at a time.
DELETE FROM asynctasq_task
WHERE seq IN (
    SELECT seq FROM asynctasq_task INDEXED BY asynctasq_task_expiry
    WHERE state >= 3 AND due <= :now
    ORDER BY due
    LIMIT :most
)
RETURNING id, queue
