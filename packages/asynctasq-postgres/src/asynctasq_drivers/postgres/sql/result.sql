SELECT kind, value, keep_for
FROM {results}
WHERE queue = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > now())
