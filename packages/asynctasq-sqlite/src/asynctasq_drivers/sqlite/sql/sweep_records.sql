DELETE FROM asynctasq_record
WHERE (id, queue) IN (
    SELECT id, queue FROM asynctasq_record
    WHERE expires IS NOT NULL AND expires <= :now
    ORDER BY expires
    LIMIT :most
)
