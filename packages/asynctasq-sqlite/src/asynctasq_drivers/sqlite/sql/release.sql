-- Without delay it is due since it was: before its juniors.
UPDATE asynctasq_task
SET state = ?, due = coalesce(?, was_due), deliveries = deliveries - 1, receipt = -receipt
WHERE seq = ?
