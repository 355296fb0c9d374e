INSERT INTO asynctasq_task
    (queue, id, state, due, was_due, attempt, deliveries, visibility_timeout, enqueued_at, body)
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
SELECT
    CASE WHEN n % 2 THEN 'mail' ELSE 'other' END,
    randomblob(16),
    CASE WHEN n % 10 < 6 THEN 0 ELSE n % 10 - 5 END,
    1000 * n, 1000 * n, 1, 0, 60.0, 1000 * n, zeroblob(20)
FROM n;
