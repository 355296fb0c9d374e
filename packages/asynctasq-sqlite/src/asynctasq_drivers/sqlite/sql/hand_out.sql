-- Hide what was taken for its lease, count the delivery, give it a receipt.
UPDATE asynctasq_task SET
    state = 2,
    was_due = due,
    due = :now + CAST(min(visibility_timeout, 1e11) * 1e6 AS INTEGER),
    deliveries = deliveries + 1,
    receipt = abs(receipt) + 1
WHERE seq IN (SELECT value FROM json_each(:seqs))
