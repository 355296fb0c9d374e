-- Whatever it is, unless somebody runs it, or it has expired.
DELETE FROM asynctasq_task
WHERE id = :id AND queue = :queue
    AND CASE
        WHEN state = 2 THEN due <= :now
        WHEN state >= 3 THEN due IS NULL OR due > :now
        ELSE 1
    END
