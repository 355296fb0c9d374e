-- What became of transactions: 'in progress', 'committed', 'aborted'; NULL: too long ago to know.
SELECT number, pg_xact_status(number::xid8) FROM unnest($1::text[]) AS number
