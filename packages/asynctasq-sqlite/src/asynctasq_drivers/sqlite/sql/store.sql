INSERT OR REPLACE INTO asynctasq_record (id, queue, state, value, keep_for, expires)
VALUES (?, ?, ?, ?, ?, ?)
