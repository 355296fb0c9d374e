-- How many are in each state, by plain counts of ranges of the index, which SQLite is fast at.
-- Time has moved those that are due: they are pending.
SELECT
    (SELECT count(*) FROM asynctasq_task WHERE queue = :queue AND state = 0)
    + (SELECT count(*) FROM asynctasq_task WHERE queue = :queue AND state = 1 AND due <= :now)
    + (SELECT count(*) FROM asynctasq_task WHERE queue = :queue AND state = 2 AND due <= :now),
    (SELECT count(*) FROM asynctasq_task WHERE queue = :queue AND state = 1 AND due > :now),
    (SELECT count(*) FROM asynctasq_task WHERE queue = :queue AND state = 2 AND due > :now),
    (SELECT count(*) FROM asynctasq_task WHERE queue = :queue AND state = 4 AND due IS NULL)
    + (SELECT count(*) FROM asynctasq_task WHERE queue = :queue AND state = 4 AND due > :now),
    (
        SELECT min(due) FROM (
            SELECT min(due) AS due FROM asynctasq_task WHERE queue = :queue AND state = 0
            UNION ALL
            SELECT min(due) FROM asynctasq_task WHERE queue = :queue AND state = 1
            UNION ALL
            SELECT min(due) FROM asynctasq_task WHERE queue = :queue AND state = 2
        )
        WHERE due <= :now
    )
