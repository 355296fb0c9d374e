"""What the command line asks for, and what is wrong with it, in a line that says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from asynctasq.config import Config, known_options, set_flags
from asynctasq.driver import Secret
from asynctasq.errors import AsyncTasQError
from asynctasq.plugins import declared, driver_class, installed, nearest
from tools.benchmarks import floors
from tools.benchmarks.measurements import MEASUREMENTS
from tools.benchmarks.measurements.measurement import Measurement


class Wrong(Exception):
    """It cannot be done as it was asked for."""


def drivers(names: Sequence[str]) -> list[str]:
    """Those to measure: all that are installed and work, unless some are named."""
    if not names:
        return [each.name for each in installed() if each.state == "ok"]
    for name in names:
        try:
            driver_class(name)
        except AsyncTasQError as error:
            raise Wrong(str(error)) from None
    return list(dict.fromkeys(names))


def floor_files(other: Path | None) -> dict[str, Path]:
    """By driver; one from elsewhere goes before the one of a package."""
    return {**floors.find(), **({other.stem: other.resolve()} if other else {})}


def options(
    texts: Iterable[str], chosen: Sequence[str], files: Mapping[str, Path]
) -> dict[str, str]:
    """By name, checked as core checks what stands in the environment."""
    given = dict(map(_pair, texts))
    for name in given:
        if name not in known_options():
            raise Wrong(_unknown("option", name, known_options()))
        if name == "driver":
            raise Wrong("--option driver: use --driver")
    for driver in chosen:
        _check_free(driver, given, files)
    try:
        set_flags(given)
        Config.get()
    except AsyncTasQError as error:
        raise Wrong(str(error)) from None
    return given


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise Wrong(f"--option {text}: expected name=value")
    return name.strip(), value


def _check_free(driver: str, given: Mapping[str, str], files: Mapping[str, Path]) -> None:
    """What would lead away from a fresh place is refused: floors and tasks would fill it."""
    if driver not in files:
        return
    try:
        own = floors.load(files[driver]).options(Path("/"), "redis://127.0.0.1:1/0")
    except floors.Unusable as error:
        raise Wrong(str(error)) from None
    for name in given:
        if name in own:
            raise Wrong(f"--option {name}: each measurement of {driver} has a fresh one of its own")


def measurements(only: str | None) -> list[Measurement]:
    """Those named, by their own name or by that of one of their rows."""
    if only is None:
        return list(MEASUREMENTS)
    names = [name.strip() for name in only.split(",") if name.strip()]
    known = {name for each in MEASUREMENTS for name in _names(each)}
    for name in names:
        if name not in known:
            raise Wrong(_unknown("measurement", name, known))
    if not names:
        raise Wrong("--only: expected names of measurements; --help lists them")
    return [each for each in MEASUREMENTS if not _names(each).isdisjoint(names)]


def _names(measurement: Measurement) -> set[str]:
    return {measurement.name, *(row.name for row in measurement.rows)}


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    hint = f"did you mean {near!r}?" if near else "--help lists them"
    return f"there is no {kind} {name!r}: {hint}"


def of_driver(given: Mapping[str, str], driver: str) -> dict[str, str]:
    """Core's options, and those of that driver."""
    own = {o.name for each in declared() if each.name == driver for o in each.options}
    others = {o.name for each in declared() for o in each.options} - own
    return {name: value for name, value in given.items() if name not in others}


def may_be_told(given: Mapping[str, str]) -> dict[str, str]:
    """Without texts, which may be secret, or name a place."""
    known = known_options()
    return {
        n: v for n, v in given.items() if known[n].choices or known[n].kind not in {str, Secret}
    }
