"""What a type checker knows of the options, for who makes a driver by hand.

Nothing here runs: the file is read by mypy and pyright.
"""

from __future__ import annotations

from typing import assert_type

from asynctasq.driver import Secret
from asynctasq_drivers.postgres import PostgresOptions

options = PostgresOptions(
    postgres_dsn=Secret("postgresql://localhost/app"), postgres_queue_table="jobs.line"
)
assert_type(options.postgres_dsn, Secret)
assert_type(options.postgres_queue_table, str)
assert_type(options.postgres_dead_letter_table, str)
assert_type(options.postgres_max_attempts, int | None)
assert_type(options.postgres_retry_delay_seconds, float | None)
assert_type(options.postgres_visibility_timeout_seconds, float | None)
assert_type(options.postgres_min_pool_size, int)
assert_type(options.postgres_max_pool_size, int)
assert_type(options.postgres_auto_migrate, bool)
assert_type(options.postgres_pgbouncer, bool)

options.postgres_pgbouncer = True  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
PostgresOptions(postgres_dsn="postgresql://localhost")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
