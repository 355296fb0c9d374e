-- Every queue by name: one step through the index for each, not one for each task.
WITH RECURSIVE names (name) AS (
    SELECT min(queue) FROM asynctasq_task
    UNION ALL
    SELECT (SELECT min(queue) FROM asynctasq_task WHERE queue > name)
    FROM names
    WHERE name IS NOT NULL
)
SELECT name FROM names WHERE name IS NOT NULL
