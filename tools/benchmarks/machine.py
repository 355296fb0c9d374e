"""The facts of a machine that its figures depend on; nothing that tells which machine it is."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from asynctasq.plugins import installed
from tools.benchmarks.results import Machine

_BESIDE = ("asynctasq-core", "msgspec", "uvloop")


def facts(drivers: Iterable[str]) -> Machine:
    """Of this machine, with the versions of what these drivers are made of."""
    names = {each.distribution for each in installed() if each.name in set(drivers)}
    found = {name: found for name in sorted({*_BESIDE, *names}) if (found := _of(name))}
    return Machine(
        cpus=_cpus(),
        system=platform.system(),
        architecture=platform.machine(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        loop="uvloop" if "uvloop" in found else "asyncio",
        versions={**found, "sqlite": sqlite3.sqlite_version},
    )


def version_of(driver: str) -> str:
    """Of the distribution that provides a driver."""
    return next((each.version for each in installed() if each.name == driver), "")


def _cpus() -> int:
    """Those that this process may use: a container often has fewer than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _of(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
