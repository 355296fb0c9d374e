"""The options of the driver. Imports no client library, so that asking for them costs nothing."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from asynctasq.driver import Secret

DEFAULT_DSN = "postgresql://test:test@localhost:5432/test_db"
_TABLE = r"^[^.\x00-\x1f]+(\.[^.\x00-\x1f]+)?\Z"  # `$` would let a line end pass


class PostgresOptions(Struct, frozen=True, kw_only=True):
    """Which database, which tables in it, and how many connections."""

    postgres_dsn: Annotated[
        Secret,
        Meta(
            description="`postgresql://user:password@host:5432/database`; several hosts, separated "
            "by commas: the one that can be written to"
        ),
    ] = Secret(DEFAULT_DSN)
    postgres_queue_table: Annotated[
        str,
        Meta(
            pattern=_TABLE,
            max_length=100,
            description="the table of tasks, `schema.table` allowed; others are named after it",
        ),
    ] = "task_queue"
    postgres_dead_letter_table: Annotated[
        str,
        Meta(
            pattern=_TABLE,
            max_length=100,
            description="the table of dead tasks, `schema.table` allowed",
        ),
    ] = "dead_letter_queue"
    postgres_max_attempts: Annotated[
        int | None,
        Meta(ge=1, description="attempts in all, the first included; None: default_max_attempts"),
    ] = None
    postgres_retry_delay_seconds: Annotated[
        float | None, Meta(ge=0, description="before another attempt; None: default_retry_delay")
    ] = None
    postgres_visibility_timeout_seconds: Annotated[
        float | None,
        Meta(ge=1, description="seconds of lease; None: default_visibility_timeout"),
    ] = None
    postgres_min_pool_size: Annotated[
        int,
        Meta(
            ge=1,
            description="connections that a worker keeps, up to postgres_max_pool_size; other "
            "programs begin with one",
        ),
    ] = 10
    postgres_max_pool_size: Annotated[
        int, Meta(ge=1, description="most connections for statements, of each instance")
    ] = 10
    postgres_auto_migrate: Annotated[
        bool, Meta(description="bring the schema up to date when the driver is opened")
    ] = True
    postgres_pgbouncer: Annotated[
        bool,
        Meta(description="behind PgBouncer, in whatever mode: no prepared statements, no LISTEN"),
    ] = False
