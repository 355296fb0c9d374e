-- Of what this transaction has stored: away with what has ended meanwhile, and left a record. It was
-- sent before, with a reply that was lost, and settled while its row was looked at.
-- How the key is compared: see ack.sql.
DELETE FROM {queue} AS t
USING unnest($1::text::text[], $2::text::uuid[]) AS m (queue, id)
WHERE t.queue = ANY (ARRAY[m.queue]) AND t.id = m.id AND t.token = 0
    AND EXISTS (
        SELECT FROM {results} AS r
        WHERE r.queue = t.queue AND r.id = t.id AND (r.expires_at IS NULL OR r.expires_at > now())
    )
