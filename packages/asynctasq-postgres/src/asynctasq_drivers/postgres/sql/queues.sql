-- Every queue by name: one step through an index for each, not one for each task.
WITH RECURSIVE waiting (queue) AS (
    SELECT min(queue) FROM {queue}
    UNION ALL
    SELECT (SELECT min(t.queue) FROM {queue} AS t WHERE t.queue > waiting.queue)
    FROM waiting
    WHERE waiting.queue IS NOT NULL
), dead (queue) AS (
    SELECT min(queue) FROM {dead}
    UNION ALL
    SELECT (SELECT min(d.queue) FROM {dead} AS d WHERE d.queue > dead.queue)
    FROM dead
    WHERE dead.queue IS NOT NULL
)
SELECT queue FROM waiting WHERE queue IS NOT NULL
UNION
SELECT queue FROM dead WHERE queue IS NOT NULL
ORDER BY queue
