"""The settings of one dispatch, all decided: call, task, driver, configuration, in this order."""

from __future__ import annotations

from msgspec import Struct

from asynctasq.config import Config
from asynctasq.retry import RetryStrategy
from asynctasq.tasks._config import TaskConfig


class Policy(Struct, frozen=True, kw_only=True):
    """How a task is sent, and what its worker shall do with it."""

    driver: str
    queue: str
    visibility_timeout: float
    max_attempts: int
    retry_strategy: RetryStrategy
    retry_delay: float
    retry_max_delay: float
    timeout: float | None
    correlation_id: str | None
    """The call's or the task's own; None: that of the task it is dispatched in, or the option."""
    store_result: bool


def decide(config: Config, task: TaskConfig) -> Policy:
    """What holds for a call with these settings of its own."""
    driver = task.get("driver", config.driver)
    return Policy(
        driver=driver,
        queue=task.get("queue", config.default_queue),
        visibility_timeout=task.get(
            "visibility_timeout", config.task_default("visibility_timeout", driver)
        ),
        max_attempts=task.get("max_attempts", config.task_default("max_attempts", driver)),
        retry_strategy=task.get("retry_strategy", config.default_retry_strategy),
        retry_delay=task.get("retry_delay", config.task_default("retry_delay", driver)),
        retry_max_delay=config.default_retry_max_delay,
        timeout=task.get("timeout", config.default_timeout),
        correlation_id=task.get("correlation_id"),
        store_result=task.get("store_result", config.store_results),
    )
