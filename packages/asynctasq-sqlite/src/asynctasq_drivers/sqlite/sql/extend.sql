UPDATE asynctasq_task
SET state = 2, due = :now + CAST(min(visibility_timeout, 1e11) * 1e6 AS INTEGER)
WHERE seq IN (SELECT value FROM json_each(:seqs))
