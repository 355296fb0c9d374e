"""Floors: what a driver's client library does alone, told by the package that ships the driver.

`packages/<package>/benchmarks/<driver>.py` is a floor file, and has what `Floor` names at its top
level. It imports nothing of `tools`, so that packages elsewhere can keep one too.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import msgspec

from tools.benchmarks.results import Wanted
from tools.workspace import ROOT

Options: TypeAlias = Mapping[str, str]
"""Options of core and driver by name, as they would stand in the environment."""
Steps: TypeAlias = Callable[[Options, int], AsyncGenerator[int]]
"""A floor: called with the options of a fresh place and how many there are to do at most.

It yields 0 once all is prepared, which is when the clock starts; then, after each step, how many
were done in it. It is closed where time runs out, and removes what it made. The first line of its
docstring is what the report calls it.
"""


class Floor(Protocol):
    """What a floor file defines."""

    CLIENT: Sequence[str]
    """Modules that a program which uses the client library alone would import."""

    FLOORS: Mapping[str, Steps]
    """By what they are the floor of: `dispatch-one`, `dispatch-50`, `dispatch-many`, `noop`."""

    def options(self, folder: Path, url: str | None) -> Options:
        """Options for a fresh place: in that folder, or at the URL of the driver's server."""
        ...

    def wanted(self, options: Options) -> Mapping[str, Mapping[str, float]]:
        """What is wanted, by the name of the row; each is what `results.Wanted` has fields for."""
        ...


class Serves(Protocol):
    """Optional: the server to use, where `tools/backends` has none of that name."""

    def server(self, folder: Path) -> AbstractContextManager[str]:
        """Run one on 127.0.0.1 for as long as it is entered; its URL."""
        ...


class Counts(Protocol):
    """Optional: for backends that count the commands which they are sent."""

    def commands(self, options: Options) -> Awaitable[int]:
        """How many there have been up to now."""
        ...


class Unusable(Exception):
    """A floor file that is not what `Floor` says."""


def find(root: Path = ROOT) -> dict[str, Path]:
    """The floor files of all packages, by driver."""
    return {file.stem: file for file in sorted(root.glob("packages/*/benchmarks/*.py"))}


def load(file: Path) -> Floor:
    """What is in that file. Raises `Unusable`."""
    spec = spec_from_file_location(f"asynctasq_floor_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise Unusable(f"floor file {file.name}: expected a Python file")
    module = sys.modules[spec.name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise Unusable(f"floor file {file.name}: {type(error).__name__}: {error}") from error
    missing = [n for n in ("CLIENT", "FLOORS", "options", "wanted") if not hasattr(module, n)]
    if missing:
        raise Unusable(f"floor file {file.name} lacks {', '.join(missing)}")
    return cast("Floor", module)


def wanted(floor: Floor | None, options: Options) -> dict[str, Wanted]:
    """What is wanted of each row; nothing where there is no floor file. Raises `Unusable`."""
    if floor is None:
        return {}
    try:
        return msgspec.convert(floor.wanted(options), dict[str, Wanted])
    except msgspec.ValidationError as error:
        raise Unusable(f"wanted() of a floor file: {error}") from error


def title(floor: Floor | None, name: str) -> str:
    """What the floor of that name does; empty where there is none."""
    steps: Any = floor.FLOORS.get(name) if floor else None
    return (steps.__doc__ or name).strip().partition("\n")[0].rstrip(".") if steps else ""
