"""What can be said of a task: on its class, in ``@task(...)``, and call by call."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import Any, TypedDict, cast

from asynctasq.driver import QUEUE_NAME
from asynctasq.errors import ConfigError
from asynctasq.retry import RetryStrategy


class TaskConfig(TypedDict, total=False):
    """Settings of a task. What is not set is the driver's default, then the configuration's."""

    queue: str
    """Where it waits."""
    max_attempts: int
    """Attempts in all, the first included."""
    retry_strategy: RetryStrategy
    retry_delay: float
    """Seconds: the base of *exponential*, each delay of *fixed*."""
    timeout: float | None
    """Seconds that one attempt may run; None: any."""
    visibility_timeout: float
    """Seconds of lease: bounds recovery after a crash, not the task's length."""
    correlation_id: str | None
    driver: str
    """Name of an installed driver, where it is another than the configured one."""
    store_result: bool


_Check = tuple[Callable[[Any], bool], str]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


_CHECKS: dict[str, _Check] = {
    "queue": (
        lambda v: isinstance(v, str) and QUEUE_NAME.fullmatch(v) is not None,
        "letters, digits and _ . : - (1 to 128 of them, a letter or digit first)",
    ),
    "max_attempts": (
        lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 1,
        "a whole number from 1 on",
    ),
    "retry_strategy": (lambda v: v in ("fixed", "exponential"), "'fixed' or 'exponential'"),
    "retry_delay": (lambda v: _is_number(v) and v >= 0, "seconds >= 0"),
    "timeout": (lambda v: v is None or (_is_number(v) and v > 0), "seconds > 0, or None"),
    "visibility_timeout": (lambda v: _is_number(v) and v >= 1, "seconds >= 1"),
    "correlation_id": (lambda v: v is None or _is_text(v), "a text, or None"),
    "driver": (_is_text, "the name of a driver"),
    "store_result": (lambda v: isinstance(v, bool), "True or False"),
    "delay": (lambda v: _is_number(v) and v >= 0, "seconds >= 0"),
}


def check_config(config: Any, where: str) -> TaskConfig:
    """The settings as given; raises `ConfigError` naming the one that cannot be."""
    if not isinstance(config, dict):
        raise ConfigError(f"{where}: config={config!r}: expected a dict of settings")
    settings = cast(TaskConfig, config)
    for key, value in settings.items():
        if key not in TaskConfig.__annotations__:
            near = difflib.get_close_matches(key, TaskConfig.__annotations__, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            known = ", ".join(TaskConfig.__annotations__)
            raise ConfigError(f"{where}: no setting {key!r}{hint} (there are: {known})")
        check_value(key, value, where)
    return settings


def check_value(key: str, value: object, where: str) -> None:
    """Raise `ConfigError` if a setting cannot have that value."""
    accepts, expected = _CHECKS[key]
    if not accepts(value):
        raise ConfigError(f"{where}: {key}={value!r}: expected {expected}")
