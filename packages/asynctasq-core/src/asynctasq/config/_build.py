"""Making a configuration out of everything that was given: which source counts, and is it right.

A flag counts before ``init()``, that before ``ASYNCTASQ_*``, that before ``ASYNC_TASK_*``, those
before the same in ``.env``, all before the defaults. What a stronger source overrides is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from asynctasq._options import INVALID, Option, read
from asynctasq._secret import Secret
from asynctasq.config._checks import check_choices
from asynctasq.config._config import Config
from asynctasq.config._given import PREFIXES, Given, by_dotenv, by_environment
from asynctasq.config._known import CORE, about_unknown, earlier_names, known_options
from asynctasq.errors import ConfigError
from asynctasq.plugins import declared, options_structs

_NOT_OPTIONS: Final = ("ASYNCTASQ_PROGRAMS", "ASYNCTASQ_REQUIRE", "ASYNCTASQ_TEST_")
"""Variables, or how they begin, that the commands which run our tests read."""


class Built(Struct, frozen=True):
    """A configuration, and what its user should know about it."""

    config: Config
    warnings: tuple[str, ...]


class _Source(Struct, frozen=True):
    """What one source gives for options that there are, and the names it has of none."""

    given: Mapping[str, Given]
    unknown: Mapping[str, str]
    """Each name as an option's would be, with how it was written."""


def build(flags: Mapping[str, Given], overrides: Mapping[str, Given]) -> Built:
    """The configuration that results, with environment and ``.env`` as they are now.

    Raises ConfigError; `DriverNotInstalled` and `DriverBroken` for a driver that was asked for.
    """
    options = known_options()
    asked = [_source(flags, options), _source(overrides, options)]
    around = [
        _source(given, options, begins)
        for given in (by_environment(), by_dotenv())
        for begins in PREFIXES
    ]
    chosen = _chosen(source.given for source in (*asked, *around))
    check_choices(_values(CORE, chosen), chosen)
    _refuse_unknown(asked, options)
    return Built(_config(options, chosen), _about_unknown_variables(around, options))


def check_flags(flags: Mapping[str, Given]) -> None:
    """Raise what `build` would because of these flags, whatever else will be given."""
    options = known_options()
    source = _source(flags, options)
    check_choices(_values(CORE, source.given), source.given)
    _refuse_unknown([source], options)
    _values(options, source.given)


def _source(given: Mapping[str, Given], options: Mapping[str, Option], begins: str = "") -> _Source:
    earlier = earlier_names(options)
    by_name = {
        (name.removeprefix(begins).lower() if begins and name.isupper() else name): name
        for name in given
        if name.startswith(begins)
    }
    now = {name: given[written] for name, written in by_name.items() if name in options}
    before = {earlier[n]: given[written] for n, written in by_name.items() if n in earlier}
    if not begins and (twice := now.keys() & before.keys()):
        old = [n for n in by_name if earlier.get(n) in twice]
        raise ConfigError(f"{', '.join(sorted(twice))} given twice: also as {', '.join(old)}")
    unknown = {n: w for n, w in by_name.items() if n not in options and n not in earlier}
    return _Source({**before, **now}, unknown)


def _chosen(sources: Iterable[Mapping[str, Given]]) -> dict[str, Given]:
    """Of each option, what its strongest source gives."""
    chosen: dict[str, Given] = {}
    for source in sources:
        chosen = {**source, **chosen}
    return chosen


def _values(options: Mapping[str, Option], chosen: Mapping[str, Given]) -> dict[str, Any]:
    return {name: _value(option, chosen.get(name)) for name, option in options.items()}


def _value(option: Option, given: Given | None) -> Any:
    if given is None:
        return option.default
    value = read(option, given.value, text=given.text)
    if value is INVALID:
        raise ConfigError(
            f"option {option.name!r}: found {given.shown(option)} from {given.origin}; "
            f"expected {option.expected}"
        )
    return value


def _refuse_unknown(asked: Iterable[_Source], options: Mapping[str, Option]) -> None:
    unknown = {name: w for source in asked for name, w in source.unknown.items()}
    if not unknown:
        return
    told = ", ".join(about_unknown(name, repr(w), options) for name, w in unknown.items())
    broken = [each.problem for each in declared() if each.problem]
    raise ConfigError("; ".join([f"unknown option {told}", *broken]))


def _about_unknown_variables(
    around: Iterable[_Source], options: Mapping[str, Option]
) -> tuple[str, ...]:
    unknown = {
        written: about_unknown(name, written, options)
        for source in around
        for name, written in source.unknown.items()
        if not written.startswith(_NOT_OPTIONS)
    }
    if not unknown:
        return ()
    return (f"no option reads these variables: {', '.join(unknown.values())}",)


def _config(options: Mapping[str, Option], chosen: Mapping[str, Given]) -> Config:
    values = _values(options, chosen)
    return Config(
        **{name: value for name, value in values.items() if name in CORE},
        _drivers={n: _struct(n, s, values) for n, s in options_structs().items()},
        _of_drivers={name: value for name, value in values.items() if name not in CORE},
        _options=options,
        _origins={name: given.origin for name, given in chosen.items()},
    )


def _struct(name: str, struct: type[Struct], values: Mapping[str, Any]) -> Struct:
    given = {field: values[field] for field in struct.__struct_fields__}
    try:
        return struct(**given)
    except Exception as error:
        why = str(error)
    for value in given.values():
        if isinstance(value, Secret) and value != "":
            why = why.replace(value.reveal(), str(value))
    # Out here, so that the error has no context: that one's frames are not ours to answer for.
    raise ConfigError(f"options of driver {name!r}: {why}")
