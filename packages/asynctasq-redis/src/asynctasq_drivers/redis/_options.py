"""The options of the driver. Imports no client library, so that asking for them costs nothing."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from asynctasq.driver import Secret

DEFAULT_URL = "redis://localhost:6379"


class RedisOptions(Struct, frozen=True, kw_only=True):
    """Which server or servers, and how many copies make a task safe."""

    redis_url: Annotated[
        Secret,
        Meta(
            description="`redis://`, `rediss://` (TLS), `unix://`, "
            "`redis+sentinel://host:26379,host2:26379/name` or `redis+cluster://host,host2`"
        ),
    ] = Secret(DEFAULT_URL)
    redis_password: Annotated[
        Secret | None, Meta(description="where the URL has none; of the URL's user")
    ] = None
    redis_db: Annotated[
        int, Meta(ge=0, le=15, description="number of the database, where the URL has none")
    ] = 0
    redis_max_connections: Annotated[
        int,
        Meta(
            ge=1,
            description="most connections for commands, of each instance and node; one more waits",
        ),
    ] = 100
    redis_wait_replicas: Annotated[
        int,
        Meta(ge=0, description="how many replicas must have a task before `dispatch` returns"),
    ] = 0
