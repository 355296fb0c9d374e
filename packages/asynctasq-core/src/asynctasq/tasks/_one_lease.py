"""The warning of a lease that a task asks for, and that its driver cannot grant to one task."""

from __future__ import annotations

import warnings
from typing import Final

from asynctasq.config import ConfigWarning
from asynctasq.driver import Capabilities
from asynctasq.errors import PluginError
from asynctasq.plugins import driver_class

_WHY: Final = {
    "connection": "its lease is the connection: it lasts as long as the worker lives, and a crash "
    "ends it at once",
    "timed": "its leases are of one length for a whole queue",
}
_looked_at: set[str] = set()
"""Drivers of which everything has been said, in this process."""


def warn_of_lease(task: str, seconds: float, driver: str) -> None:
    """Say once for each driver that a ``visibility_timeout`` set for a task has no effect there."""
    if driver in _looked_at:
        return
    try:
        capabilities: Capabilities = driver_class(driver).capabilities
    except PluginError:  # for its first use to raise
        return
    _looked_at.add(driver)
    if not capabilities.per_message_lease:
        warnings.warn(
            f"visibility_timeout={seconds:g} of task {task!r} has no effect on driver {driver!r}: "
            f"{_WHY[capabilities.lease]}",
            ConfigWarning,
            stacklevel=2,
        )
