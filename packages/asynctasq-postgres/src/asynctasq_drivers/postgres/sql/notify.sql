-- Tell everybody who listens.
SELECT pg_notify($1, word) FROM unnest($2::text[]) AS word
