UPDATE asynctasq_task
SET state = 0, due = :now, attempt = 1, deliveries = 0, failure = NULL, finished_at = NULL
WHERE id = :id AND queue = :queue AND state = 4 AND (due IS NULL OR due > :now)
