-- Store messages, unless their ids are here, or a record of them is. In a transaction of somebody
-- else, time counts from this statement, not from its beginning. OFFSET 0: a look-up for each, never a
-- join with all that there is; IS TRUE: not to be looked for by its expiry.
INSERT INTO {queue}
    (queue, id, due_at, attempt, deliveries, visibility_timeout, enqueued_at, headers, body)
SELECT
    m.queue, m.id, statement_timestamp() + m.delay * interval '1 second', m.attempt, m.attempt - 1,
    m.visibility_timeout, statement_timestamp(), m.headers, m.body
FROM unnest(
        $1::text::text[], $2::text::uuid[], $3::text::float8[], $4::text::int[], $5::text::float8[],
        $6::text[], $7::bytea[]
    )
    WITH ORDINALITY
    AS m (queue, id, delay, attempt, visibility_timeout, headers, body, place)
WHERE NOT EXISTS (
        SELECT FROM {results} AS r
        WHERE r.queue = m.queue AND r.id = m.id AND (r.expires_at IS NULL OR r.expires_at > now())
        OFFSET 0
    )
    AND NOT EXISTS (
        SELECT FROM {dead} AS d
        WHERE d.queue = m.queue AND d.id = m.id AND (d.expires_at IS NULL OR d.expires_at > now())
        OFFSET 0
    )
    AND NOT EXISTS (
        SELECT FROM {completed} AS c
        WHERE c.queue = m.queue AND c.id = m.id AND (c.expires_at > now()) IS TRUE
        OFFSET 0
    )
ORDER BY m.place
ON CONFLICT DO NOTHING
