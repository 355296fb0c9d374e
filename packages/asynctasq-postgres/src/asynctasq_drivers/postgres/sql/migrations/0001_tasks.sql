-- Every time is the server's. What a duration says is in seconds.

CREATE TABLE {queue} (
    queue text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    -- The order of those that are due at the same time and, beside the token, a receipt.
    seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    due_at timestamptz NOT NULL,
    -- The lease; NULL: nobody has it.
    locked_until timestamptz,
    -- From when on it is there to be taken: at once, later, or once its lease has ended.
    available_at timestamptz NOT NULL GENERATED ALWAYS AS (coalesce(locked_until, due_at)) STORED,
    -- Fencing: one more with every hand-out.
    token bigint NOT NULL DEFAULT 0,
    attempt integer NOT NULL,
    deliveries integer NOT NULL,
    visibility_timeout double precision NOT NULL,
    enqueued_at timestamptz NOT NULL,
    -- Of the last attempt that failed.
    error_type text,
    error text,
    traceback text,
    headers text,
    body bytea NOT NULL,
    PRIMARY KEY (queue, id)
);

-- The order of hand-outs, timers and counts. Its collation compares bytes, as "C" does, and has
-- another name: so it is used by who asks for it, and never to find one task among all that wait,
-- as the planner might where statistics are from a time when hardly any did.
CREATE INDEX {queue_line} ON {queue} (queue COLLATE "POSIX", available_at, seq);

CREATE TABLE {dead} (
    queue text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    attempts integer NOT NULL,
    -- Runs that ended with their worker.
    losses integer NOT NULL,
    visibility_timeout double precision NOT NULL,
    enqueued_at timestamptz NOT NULL,
    dead_at timestamptz NOT NULL,
    expires_at timestamptz,
    error_type text NOT NULL,
    error text NOT NULL,
    traceback text NOT NULL,
    headers text,
    body bytea NOT NULL,
    PRIMARY KEY (queue, id)
);

CREATE INDEX {dead_expiry} ON {dead} (expires_at) WHERE expires_at IS NOT NULL;

-- With keep_completed_tasks.
CREATE TABLE {completed} (
    queue text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    attempt integer NOT NULL,
    deliveries integer NOT NULL,
    visibility_timeout double precision NOT NULL,
    enqueued_at timestamptz NOT NULL,
    completed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    error_type text,
    error text,
    traceback text,
    headers text,
    body bytea NOT NULL,
    PRIMARY KEY (queue, id)
);

CREATE INDEX {completed_expiry} ON {completed} (expires_at);

-- How tasks ended: what result() reads.
CREATE TABLE {results} (
    queue text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    -- 1 completed, 2 completed without a result that can be read, 3 dead, 4 dead with a failure
    kind smallint NOT NULL,
    -- The result; of 2 and 4 a failure as JSON.
    value bytea NOT NULL,
    keep_for double precision,
    expires_at timestamptz,
    PRIMARY KEY (queue, id)
);

CREATE INDEX {results_expiry} ON {results} (expires_at) WHERE expires_at IS NOT NULL;
