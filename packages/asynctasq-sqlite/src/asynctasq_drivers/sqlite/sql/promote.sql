-- Scheduled messages that are due, and running ones whose lease has ended, are pending: as many as
-- could be taken at most. What ended its lease keeps its receipt until it is handed out again.
UPDATE asynctasq_task SET state = 0
WHERE seq IN (
    SELECT seq FROM (
        SELECT seq FROM asynctasq_task
        WHERE queue = :queue AND state = 1 AND due <= :now
        ORDER BY due LIMIT :limit
    )
    UNION ALL
    SELECT seq FROM (
        SELECT seq FROM asynctasq_task
        WHERE queue = :queue AND state = 2 AND due <= :now
        ORDER BY due LIMIT :limit
    )
)
