SELECT 1
FROM asynctasq_record
WHERE id = :id AND queue = :queue AND (expires IS NULL OR expires > :now)
