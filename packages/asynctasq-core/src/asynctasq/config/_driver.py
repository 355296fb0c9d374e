"""Making a driver of what is configured. It stands here because it needs plugins and options."""

from __future__ import annotations

from asynctasq.config._config import Config, context
from asynctasq.driver import Driver
from asynctasq.plugins import driver_class


def make_driver(name: str, config: Config) -> Driver:
    """The driver of that name with its options, not opened. Raises as `driver_class` does."""
    return driver_class(name)(config.driver_options(name), context(config))
