-- The same for those that are completed or dead, which have an index of their own.
SELECT max(seq), count(*) FROM (
    SELECT seq FROM asynctasq_task INDEXED BY asynctasq_task_ended
    WHERE state = :state AND state >= 3 AND seq > :after
    ORDER BY seq
    LIMIT :most
)
