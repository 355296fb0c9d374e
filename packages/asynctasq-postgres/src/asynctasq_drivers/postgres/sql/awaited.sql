-- Whether anybody waits: whoever does holds this lock together with all others who do.
SELECT NOT pg_try_advisory_xact_lock($1)
