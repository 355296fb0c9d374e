-- The record of a task that is gone or starts anew.
DELETE FROM asynctasq_record WHERE id = ? AND queue = ?
