-- A million tasks that wait, in one of several queues, many for later, and what others have left.
INSERT INTO task_queue
    (queue, id, due_at, attempt, deliveries, visibility_timeout, enqueued_at, body)
SELECT
    queue, lpad(to_hex(n), 32, '0')::uuid, now() + (n - first) * '1 millisecond'::interval + later,
    1, 0, 60, now(), 'payload'
FROM (
    VALUES
        ('mail', 1, 1000000, '-1 hour'::interval),
        ('later', 1, 100000, '1 day'),
        ('many-1', 1, 1000, '-1 hour'),
        ('many-2', 1, 1000, '-1 hour'),
        ('few', 1, 10, '-1 hour')
) AS queues (queue, first, last, later)
CROSS JOIN generate_series(first, last) AS n;

INSERT INTO dead_letter_queue (
    queue, id, attempts, losses, visibility_timeout, enqueued_at, dead_at, expires_at, error_type,
    error, traceback, body
)
SELECT
    'mail', ('d' || lpad(to_hex(n), 31, '0'))::uuid, 3, 0, 60, now(), now(), now() + '1 day', 'ValueError',
    'no', '', 'payload'
FROM generate_series(1, 50000) AS n;

INSERT INTO task_queue_completed (
    queue, id, attempt, deliveries, visibility_timeout, enqueued_at, completed_at, expires_at, body
)
SELECT
    'mail', ('c' || lpad(to_hex(n), 31, '0'))::uuid, 1, 1, 60, now(), now(), now() + '1 day', 'payload'
FROM generate_series(1, 50000) AS n;

INSERT INTO task_queue_results (queue, id, kind, value, expires_at)
SELECT 'mail', ('c' || lpad(to_hex(n), 31, '0'))::uuid, 1, '42', now() + '1 day'
FROM generate_series(1, 100000) AS n;
