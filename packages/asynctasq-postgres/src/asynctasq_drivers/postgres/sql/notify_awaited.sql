-- The same, if anybody waits: whoever does holds this lock together with all others who do.
WITH look AS MATERIALIZED (SELECT NOT pg_try_advisory_xact_lock($3) AS awaited)
SELECT pg_notify($1, word) FROM look CROSS JOIN unnest($2::text[]) AS word WHERE look.awaited
