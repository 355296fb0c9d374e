-- Pending and scheduled; what merely lost its lease is pending.
DELETE FROM asynctasq_task
WHERE queue = :queue AND (state < 2 OR (state = 2 AND due <= :now))
RETURNING id
