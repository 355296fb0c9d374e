"""What a type checker knows of a configuration."""

from __future__ import annotations

from typing import Any, Literal, assert_type

from asynctasq.config import Config, init
from asynctasq.driver import Secret

config = Config.get()
assert_type(config.default_max_attempts, int)
assert_type(config.default_timeout, float | None)
assert_type(config.default_retry_strategy, Literal["fixed", "exponential"])
assert_type(config.events_redis_url, Secret | None)
assert_type(config.redis_url, Any)
assert_type(config.task_default("max_attempts", "redis"), int)
assert_type(config.task_default("retry_delay", "redis"), float)

config.default_queue = "mail"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
config.task_default("timeout", "redis")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
init({"driver": "memory"}, [object()])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
