"""What `test_broken` runs in a process of its own: each broken driver, and the group to catch it.

``BROKEN_DRIVERS`` names the module of drivers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from asynctasq.testing import DriverSuite
from asynctasq.testing._group import Group

from ..backends import ByConnection, InProcess, OnServer, WithSchema  # noqa: TID252
from ..migrating import MigratingDriver  # noqa: TID252
from ..modest import ModestDriver  # noqa: TID252
from ..remote import RemoteDriver  # noqa: TID252

GROUPS = {group.__name__: group for group in DriverSuite.__bases__}


def drivers_in(module: ModuleType) -> Iterator[type]:
    """The broken drivers of a module."""
    return (kind for kind in vars(module).values() if "caught_by" in getattr(kind, "__dict__", ()))


def _backend(driver: type) -> type[Group]:
    kinds = {RemoteDriver: OnServer, ModestDriver: ByConnection, MigratingDriver: WithSchema}
    return next((kinds[kind] for kind in kinds if issubclass(driver, kind)), InProcess)


if name := os.environ.get("BROKEN_DRIVERS"):
    for driver in drivers_in(import_module(name)):
        bases = (_backend(driver), GROUPS[driver.caught_by])
        settings = {"driver_class": driver, "patience": 0.6, "outage": 2.0, "__module__": name}
        globals()[f"Test{driver.__name__}"] = type(f"Test{driver.__name__}", bases, settings)
