-- When the next message of a queue is due: 0 where one is pending, NULL where there is none.
SELECT min(due) FROM (
    SELECT 0 AS due
    WHERE EXISTS (SELECT 1 FROM asynctasq_task WHERE queue = :queue AND state = 0)
    UNION ALL
    SELECT (SELECT min(due) FROM asynctasq_task WHERE queue = :queue AND state = 1)
    UNION ALL
    SELECT (SELECT min(due) FROM asynctasq_task WHERE queue = :queue AND state = 2)
)
