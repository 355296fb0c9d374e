INSERT INTO {results} (queue, id, kind, value, keep_for, expires_at)
SELECT queue, id, kind, value, keep_for, now() + expires * interval '1 second'
FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::bytea[], $5::float8[], $6::float8[])
    AS g (queue, id, kind, value, keep_for, expires)
ON CONFLICT (queue, id) DO UPDATE SET
    kind = excluded.kind, value = excluded.value, keep_for = excluded.keep_for,
    expires_at = excluded.expires_at
