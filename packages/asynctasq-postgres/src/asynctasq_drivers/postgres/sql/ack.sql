-- Done: gone, with the record that comes with it. Fenced by token.
--
-- How the key is compared, and seq, here and elsewhere: so that rows are found by nothing but the
-- primary key, one by one. Where vacuum has seen the table empty, PostgreSQL would else read all of
-- an index, as that costs nothing, and go on with it when a million wait.
WITH done AS (
    DELETE FROM {queue} AS t
    USING unnest(
        $1::text::text[], $2::text::uuid[], $3::text::bigint[], $4::text::bigint[],
        $5::text::smallint[], $6::bytea[], $7::text::float8[], $8::text::float8[]
    ) AS g (queue, id, seq, token, kind, value, keep_for, expires)
    WHERE t.queue = ANY (ARRAY[g.queue]) AND t.id = g.id AND t.seq IS NOT DISTINCT FROM g.seq AND t.token = g.token
        AND t.locked_until IS NOT NULL
    RETURNING g.queue, g.id, g.seq, g.token, g.kind, g.value, g.keep_for, g.expires
), kept AS (
    INSERT INTO {results} (queue, id, kind, value, keep_for, expires_at)
    SELECT queue, id, kind, value, keep_for, now() + expires * interval '1 second'
    FROM done
    WHERE kind IS NOT NULL
    ON CONFLICT (queue, id) DO UPDATE SET
        kind = excluded.kind, value = excluded.value, keep_for = excluded.keep_for,
        expires_at = excluded.expires_at
)
SELECT array_agg(seq), array_agg(token) FROM done
