"""Loading what was chosen, and saying precisely why when that cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from asynctasq.driver import API, Capabilities, Driver
from asynctasq.errors import DriverBroken, DriverIncompatible, DriverNotInstalled, PluginError
from asynctasq.events import EventEmitter
from asynctasq.plugins._declared import problem_of
from asynctasq.plugins._found import (
    DRIVERS,
    EMITTERS,
    SUBSCRIBERS,
    Provided,
    of_group,
    told,
    unreadable,
)
from asynctasq.plugins._own import OWN, how_to_install, nearest

_METHODS: Final = (
    "open",
    "close",
    "enqueue",
    "dequeue",
    "settle",
    "extend",
    "stats",
    "purge",
)


def driver_class(name: str) -> type[Driver]:
    """Load an installed driver.

    Raises `DriverNotInstalled`; `DriverBroken` where its module does not import, is no driver, or
    clashes with another distribution; `DriverIncompatible` where it needs another core.
    """
    require_installed(name)
    return load_driver(of_group(DRIVERS, name)[0])


def require_installed(name: str) -> None:
    """Check, importing no driver, that a name can be chosen.

    Raises `DriverNotInstalled`, or `DriverBroken` where its options are what is wrong.
    """
    candidates = of_group(DRIVERS, name)
    if not candidates:
        raise DriverNotInstalled(_not_installed(name))
    if len(candidates) > 1:
        raise DriverBroken(clash(name, candidates))
    if problem := problem_of(name):
        raise DriverBroken(problem)


def provides(group: str, name: str) -> bool:
    """Whether anything installed provides a name in a group. Imports nothing."""
    return bool(of_group(group, name))


def emitter(name: str) -> Callable[..., EventEmitter]:
    """What makes the event emitter of that name. Raises `PluginError`."""
    return cast("Callable[..., EventEmitter]", _load_named(EMITTERS, "event emitter", name))


def subscriber(name: str) -> Callable[..., Any]:
    """What makes the event subscriber of that name. Raises `PluginError`."""
    return _load_named(SUBSCRIBERS, "event subscriber", name)


def subscribers() -> tuple[str, ...]:
    """The names of all event subscribers that are installed. Imports none."""
    return tuple(sorted({each.name for each in of_group(SUBSCRIBERS)}))


def clash(name: str, candidates: tuple[Provided, ...]) -> str:
    """Why a name that several distributions provide cannot be used."""
    sources = [each.distribution for each in candidates]
    return (
        f"driver {name!r} is provided by {' and by '.join(sources)}: uninstall all but one of them"
    )


def load_driver(provided: Provided) -> type[Driver]:
    """The class behind an entry point, once it is known to be a driver that this core runs."""
    who = f"driver {provided.name!r} (from {provided.source})"
    try:
        loaded = provided.load()
    except (Exception, SystemExit) as error:
        raise DriverBroken(
            f"{who} cannot be imported: {provided.value}: {told(error)}; "
            f"reinstall {provided.distribution}, or report this to its author"
        ) from error
    if not isinstance(loaded, type):
        raise DriverBroken(f"{who} is not a driver: {provided.value} is not a class")
    _check_api(who, provided, loaded)
    if missing := _missing(loaded):
        raise DriverBroken(
            f"{who} is not a driver: {provided.value} lacks {', '.join(missing)}; "
            "asynctasq.driver.Driver says what each has to be"
        )
    return cast("type[Driver]", loaded)


def _check_api(who: str, provided: Provided, loaded: type) -> None:
    match getattr(loaded, "api", None):
        case (int(major), int(minor)):
            pass
        case _:
            raise DriverBroken(f"{who} is not a driver: expected api = (major, minor) in its class")
    if major == API[0] and minor <= API[1]:
        return
    older = (major, minor) < API
    mend = f"upgrade {provided.distribution}" if older else "upgrade asynctasq-core"
    raise DriverIncompatible(
        f"{who} was written for api {major}.{minor} of the driver contract; found api "
        f"{API[0]}.{API[1]} in asynctasq-core, which runs {API[0]}.0 to {API[0]}.{API[1]}: {mend}"
    )


def _missing(loaded: type) -> list[str]:
    missing = [m for m in _METHODS if not callable(getattr(loaded, m, None))]
    if not isinstance(getattr(loaded, "name", None), str):
        missing.append("name (text)")
    if not isinstance(getattr(loaded, "capabilities", None), Capabilities):
        missing.append("capabilities (a Capabilities)")
    return missing


def _not_installed(name: str) -> str:
    there = sorted({each.name for each in of_group(DRIVERS)})
    text = (
        f"driver {name!r} is not installed; installed: {', '.join(there)} (the option driver, or "
        "ASYNCTASQ_DRIVER, chooses)"
    )
    meant = name if name in OWN else nearest(name, {*there, *OWN})
    if meant is not None and meant != name:
        text += f"; did you mean {meant!r}?"
    if meant is not None and meant in OWN and meant not in there:
        text += f"; to have {meant!r}: {how_to_install(meant)}"
    return "; ".join((text, *(f"unreadable metadata in {each}" for each in unreadable())))


def _load_named(group: str, kind: str, name: str) -> Callable[..., Any]:
    candidates = of_group(group, name)
    if not candidates:
        there = sorted({each.name for each in of_group(group)})
        hint = f"; to have it: {how_to_install(name)}" if name in OWN else ""
        raise PluginError(
            f"{kind} {name!r} is not installed; installed: {', '.join(there) or 'none'}{hint}"
        )
    provided = candidates[0]
    try:
        loaded = provided.load()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{kind} {name!r} (from {provided.source}) cannot be imported: {provided.value}: "
            f"{told(error)}"
        ) from error
    if not callable(loaded):
        raise PluginError(f"{kind} {name!r} (from {provided.source}) is not callable")
    return cast("Callable[..., Any]", loaded)
