"""Whether what the options ask for is there, found out without importing more than is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from asynctasq.config._config import Config
from asynctasq.config._given import Given
from asynctasq.driver import ResultStore, TaskStore
from asynctasq.errors import ConfigError, PluginError
from asynctasq.plugins import (
    EMITTERS,
    driver_class,
    how_to_install,
    namesake,
    provides,
    require_installed,
)

_NAMING_DRIVERS: Final = ("driver", "result_driver")


def check_choices(values: Mapping[str, Any], chosen: Mapping[str, Given]) -> None:
    """Check that what somebody asked for by name is installed. The default driver is not asked for.

    Raises `DriverNotInstalled`, `DriverBroken` or ConfigError.
    """
    for option in _NAMING_DRIVERS:
        if option in chosen and values[option] is not None:
            require_installed(values[option])
    if values["enable_event_emitter_redis"] and not provides(EMITTERS, "redis"):
        raise ConfigError(
            "option 'enable_event_emitter_redis' needs asynctasq-redis, which is not installed: "
            + how_to_install("redis")
        )


def about_completed(config: Config) -> str | None:
    """What to say where ``keep_completed_tasks`` is on and the driver cannot keep any.

    Only then is the driver imported. One that cannot be is left to its first use.
    """
    if not config.keep_completed_tasks or config.result_driver is not None:
        return None
    try:
        driver = driver_class(config.driver)
    except PluginError:
        return None
    if issubclass(driver, TaskStore) and issubclass(driver, ResultStore):
        return None
    return (
        f"keep_completed_tasks has no effect: driver {config.driver!r} cannot keep completed "
        "tasks; set result_driver to one that can"
    )


def about_namesake() -> str | None:
    """What to say where another project's distribution shares our files."""
    if not (other := namesake()):
        return None
    return (
        f"{other} is another project that installs into the same folder as asynctasq-core, so "
        "that files of one replace those of the other: pip uninstall asynctasq, then "
        "pip install --force-reinstall asynctasq-core"
    )
