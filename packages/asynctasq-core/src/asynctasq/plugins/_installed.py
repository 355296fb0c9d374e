"""What is installed and whether it works: for the command that lists drivers."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from asynctasq.driver import (
    Driver,
    JoinsTransaction,
    Migrates,
    ResultStore,
    SettlesInTransaction,
    TaskStore,
)
from asynctasq.errors import PluginError
from asynctasq.plugins._declared import declared, problem_of
from asynctasq.plugins._drivers import clash, load_driver, provides
from asynctasq.plugins._found import DRIVERS, Provided, of_group
from asynctasq.plugins._own import OWN, how_to_install

_PROTOCOLS: Final[tuple[type, ...]] = (
    TaskStore,
    ResultStore,
    Migrates,
    JoinsTransaction,
    SettlesInTransaction,
)


class InstalledDriver(Struct, frozen=True, kw_only=True):
    """One installed driver. What it can do is known only while it loads."""

    name: str
    distribution: str
    version: str
    """Empty where core runs from a source tree."""
    state: Literal["ok", "problem"]
    problem: str | None = None
    api: tuple[int, int] | None = None
    options: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    """The optional protocols of `asynctasq.driver` that it implements, by name."""


class NotInstalled(Struct, frozen=True):
    """One of our own drivers that is not there, and how to have it."""

    name: str
    install: str


def installed() -> tuple[InstalledDriver, ...]:
    """Every installed driver, by name. Imports them all; never raises for one that is broken."""
    return tuple(sorted(map(_describe, of_group(DRIVERS)), key=lambda driver: driver.name))


def not_installed() -> tuple[NotInstalled, ...]:
    """Those of our own drivers that no distribution on this machine provides."""
    return tuple(NotInstalled(n, how_to_install(n)) for n in OWN if not provides(DRIVERS, n))


def _describe(provided: Provided) -> InstalledDriver:
    driver: type[Driver] | None = None
    problem = _problem_before_loading(provided.name)
    try:
        driver = load_driver(provided)
    except PluginError as error:
        problem = str(error)
    return InstalledDriver(
        name=provided.name,
        distribution=provided.distribution,
        version=provided.version,
        state="problem" if problem else "ok",
        problem=problem,
        api=driver.api if driver else None,
        options=_options(provided),
        protocols=_protocols(driver) if driver else (),
    )


def _problem_before_loading(name: str) -> str | None:
    candidates = of_group(DRIVERS, name)
    return clash(name, candidates) if len(candidates) > 1 else problem_of(name)


def _options(provided: Provided) -> tuple[str, ...]:
    return tuple(
        option.name
        for each in declared()
        if each.name == provided.name and each.distribution == provided.distribution
        for option in each.options
    )


def _protocols(driver: type[Driver]) -> tuple[str, ...]:
    return tuple(each.__name__ for each in _PROTOCOLS if issubclass(driver, each))
