-- Done, and kept for a while.
UPDATE asynctasq_task
SET state = 3, due = :expires, finished_at = :now, receipt = -receipt
WHERE seq IN (SELECT value FROM json_each(:seqs))
