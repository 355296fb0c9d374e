UPDATE asynctasq_task
SET state = ?, due = ?, attempt = attempt + 1, failure = ?, receipt = -receipt
WHERE seq = ?
