"""What a type checker knows of the options, for who makes a driver by hand.

Nothing here runs: the file is read by mypy and pyright.
"""

from __future__ import annotations

from typing import assert_type

from asynctasq.driver import Secret
from asynctasq_drivers.redis import RedisOptions

options = RedisOptions(redis_url=Secret("redis://localhost"), redis_wait_replicas=1)
assert_type(options.redis_url, Secret)
assert_type(options.redis_password, Secret | None)
assert_type(options.redis_db, int)
assert_type(options.redis_max_connections, int)

options.redis_db = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
RedisOptions(redis_url="redis://localhost")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
