UPDATE asynctasq_task
SET state = 4, due = ?, failure = ?, finished_at = ?, receipt = -receipt
WHERE seq = ?
