-- Every time is in microseconds since 1970; a duration is in seconds.
-- All names begin alike: the file may hold the tables of the application too.

CREATE TABLE asynctasq_task (
    -- Place in listings and, beside the number of the hand-out, a receipt: never used twice.
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    id BLOB NOT NULL,
    -- 0 pending, 1 scheduled, 2 running, 3 completed, 4 dead
    state INTEGER NOT NULL,
    -- When it became or becomes due; running: its lease ends; completed, dead: it expires.
    due INTEGER,
    was_due INTEGER,
    attempt INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    -- Counts the hand-outs; negative once the last of them was settled.
    receipt INTEGER NOT NULL DEFAULT 0,
    visibility_timeout REAL NOT NULL,
    enqueued_at INTEGER NOT NULL,
    finished_at INTEGER,
    headers TEXT,
    failure TEXT,
    -- Last, so that nothing has to read past a large one.
    body BLOB NOT NULL
);

CREATE UNIQUE INDEX asynctasq_task_ref ON asynctasq_task (id, queue);

-- The order of hand-outs, the timers and the counts; seq is part of every index.
CREATE INDEX asynctasq_task_line ON asynctasq_task (queue, state, due);

-- Costs nothing while a task lives.
CREATE INDEX asynctasq_task_ended ON asynctasq_task (state, seq) WHERE state >= 3;
CREATE INDEX asynctasq_task_expiry ON asynctasq_task (due) WHERE state >= 3;

CREATE TABLE asynctasq_record (
    id BLOB NOT NULL,
    queue TEXT NOT NULL,
    -- 3 completed, 4 dead
    state INTEGER NOT NULL,
    -- Bytes, or the text of a failure.
    value BLOB NOT NULL,
    keep_for REAL,
    expires INTEGER,
    PRIMARY KEY (id, queue)
) WITHOUT ROWID;

CREATE INDEX asynctasq_record_expiry ON asynctasq_record (expires) WHERE expires IS NOT NULL;

-- For people who look into the file.
CREATE VIEW asynctasq_tasks AS
SELECT
    queue,
    lower(hex(id)) AS id,
    CASE state
        WHEN 0 THEN 'pending'
        WHEN 1 THEN 'scheduled'
        WHEN 2 THEN 'running'
        WHEN 3 THEN 'completed'
        ELSE 'dead'
    END AS state,
    attempt,
    deliveries,
    strftime('%Y-%m-%d %H:%M:%f', enqueued_at / 1e6, 'unixepoch') AS enqueued_at,
    strftime('%Y-%m-%d %H:%M:%f', due / 1e6, 'unixepoch') AS due,
    strftime('%Y-%m-%d %H:%M:%f', finished_at / 1e6, 'unixepoch') AS finished_at,
    headers,
    failure,
    length(body) AS bytes
FROM asynctasq_task;
