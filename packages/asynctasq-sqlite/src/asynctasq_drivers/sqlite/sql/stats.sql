-- How many are in each state; time has moved those that are due. Each part is a range of the index.
SELECT
    count(*) FILTER (WHERE pending),
    count(*) FILTER (WHERE state = 1 AND NOT pending),
    count(*) FILTER (WHERE state = 2 AND NOT pending),
    count(*) FILTER (WHERE state = 4),
    min(due) FILTER (WHERE pending)
FROM (
    SELECT state, due, state = 0 OR (state < 3 AND due <= :now) AS pending
    FROM asynctasq_task
    WHERE queue = :queue AND (state < 3 OR (state = 4 AND (due IS NULL OR due > :now)))
)
