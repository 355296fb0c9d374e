"""The options that installed distributions declare, and who may not have the names they want.

Names are given away in order: core's first, then ours, then by distribution. A struct that cannot
be used, or that wants a name which is taken, is a problem of its own driver and of no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from asynctasq._options import INVALID, RESERVED, CoreOptions, Option, options_of, read
from asynctasq.plugins._found import OPTIONS, Provided, of_group, told

_CORE_OWNER: Final = "asynctasq-core"


class Declared(Struct, frozen=True):
    """What one distribution declares for one name: a struct and its options, or a problem."""

    name: str
    distribution: str
    struct: type[Struct] | None = None
    options: tuple[Option, ...] = ()
    problem: str | None = None
    """Why its options cannot be used, in a sentence."""


@cache
def declared() -> tuple[Declared, ...]:
    """The options of every installed distribution, whether they can be used or not."""
    owners = dict.fromkeys((o.name for o in options_of(CoreOptions)), _CORE_OWNER)
    owners |= dict.fromkeys(RESERVED, _CORE_OWNER)
    structs: dict[str, type[Struct]] = {}
    answers: list[Declared] = []
    for provided in of_group(OPTIONS):
        answer = _claim(_examine(provided), owners, structs)
        answers.append(answer)
    return tuple(answers)


def options_structs() -> Mapping[str, type[Struct]]:
    """The options struct of every name that has one which can be used."""
    return MappingProxyType({d.name: d.struct for d in declared() if d.struct is not None})


def problem_of(name: str) -> str | None:
    """Why the options declared for a name cannot be used; None if they can, or there are none."""
    return next((d.problem for d in declared() if d.name == name and d.problem), None)


def _examine(provided: Provided) -> Declared:
    """Load a struct and look at its options, by themselves."""
    try:
        struct = provided.load()
        options = _usable(struct)
    except (Exception, SystemExit) as error:
        return _unusable(provided.name, provided, f"{provided.value}: {told(error)}")
    return Declared(provided.name, provided.distribution, struct, options)


def _usable(struct: Any) -> tuple[Option, ...]:
    if not (isinstance(struct, type) and issubclass(struct, Struct)):
        raise TypeError("expected a class derived from msgspec.Struct")
    options = options_of(struct)
    for option in options:
        if read(option, option.default, text=False) is INVALID:
            raise TypeError(
                f"field {option.name!r}: its default does not fit; expected {option.expected}"
            )
    names = [name for option in options for name in (option.name, *option.was)]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f"two options have the name {', '.join(sorted(twice))}, now or earlier")
    struct()
    return options


def _claim(answer: Declared, owners: dict[str, str], structs: dict[str, type[Struct]]) -> Declared:
    """Give it the names it wants, or say who has them. One struct may serve several names."""
    if answer.struct is None:
        return answer
    if answer.name in structs:
        return _unusable(answer.name, answer, "another distribution declares them as well")
    if answer.struct not in structs.values():
        wanted = [n for option in answer.options for n in (option.name, *option.was)]
        if taken := _taken(wanted, owners):
            return _unusable(answer.name, answer, _collision(answer.distribution, taken, owners))
        owners |= dict.fromkeys(wanted, answer.distribution)
    structs[answer.name] = answer.struct
    return answer


def _taken(wanted: Iterable[str], owners: Mapping[str, str]) -> list[str]:
    return [name for name in wanted if name in owners]


def _collision(distribution: str, taken: list[str], owners: Mapping[str, str]) -> str:
    others = sorted({owners[name] for name in taken})
    removable = [distribution, *(other for other in others if other != _CORE_OWNER)]
    return (
        f"{distribution} declares {', '.join(taken)}, which {' and '.join(others)} has already; "
        f"uninstall {' or '.join(removable)}, or ask the author of {distribution} for other names"
    )


def _unusable(name: str, of: Provided | Declared, why: str) -> Declared:
    return Declared(
        name,
        of.distribution,
        problem=f"the options of {name!r} (from {of.distribution}) cannot be used: {why}",
    )
