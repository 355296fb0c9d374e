"""Every option there is on this machine: core's, and those of what is installed beside it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from asynctasq._options import CoreOptions, Option, options_of
from asynctasq.plugins import (
    DRIVERS,
    declared,
    how_to_install,
    nearest,
    owner_of_option,
    provides,
)

CORE: Final[Mapping[str, Option]] = MappingProxyType({o.name: o for o in options_of(CoreOptions)})
"""Core's own options by name."""


def known_options() -> Mapping[str, Option]:
    """Every option by name: core's first, then those of each installed driver."""
    options = dict(CORE)
    for each in declared():
        options |= {option.name: option for option in each.options}
    return MappingProxyType(options)


def earlier_names(options: Mapping[str, Option]) -> dict[str, str]:
    """Names that options had before, each with the one it has now."""
    return {old: option.name for option in options.values() for old in option.was}


def about_unknown(name: str, written: str, options: Mapping[str, Option]) -> str:
    """A name that no option has, as it was written; with the nearest one, or what to install."""
    owner = owner_of_option(name)
    if owner is not None and not provides(DRIVERS, owner):
        return f"{written} (an option of driver {owner!r}, not installed: {how_to_install(owner)})"
    near = nearest(name, [*options, *earlier_names(options)])
    return f"{written} (did you mean {near!r}?)" if near else written
