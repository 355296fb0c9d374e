"""The entry points of every distribution on this machine, read once, at first use.

Distribution by distribution, because one whose metadata is damaged must not hide the others.
Nothing is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from asynctasq.plugins._own import OWN

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DRIVERS: Final = "asynctasq.drivers"
OPTIONS: Final = "asynctasq.options"
EMITTERS: Final = "asynctasq.emitters"
SUBSCRIBERS: Final = "asynctasq.subscribers"

_GROUPS: Final = (DRIVERS, OPTIONS, EMITTERS, SUBSCRIBERS)
_CORE: Final = "asynctasq-core"
_VALUE: Final = re.compile(r"(?P<module>\w+(\.\w+)*)\s*:\s*(?P<object>\w+(\.\w+)*)")


class Provided(Struct, frozen=True):
    """One entry point, and where it comes from."""

    group: str
    name: str
    value: str
    distribution: str
    version: str

    @property
    def source(self) -> str:
        """The distribution, as errors name it."""
        return f"{self.distribution} {self.version}".rstrip()

    def load(self) -> Any:
        """Import what it names. Raises whatever that module raises."""
        if not (parts := _VALUE.fullmatch(self.value.strip())):
            raise ValueError("expected an entry point such as 'acme.driver:AcmeDriver'")
        loaded: Any = import_module(parts["module"])
        for attribute in parts["object"].split("."):
            loaded = getattr(loaded, attribute)
        return loaded


class Found(Struct, frozen=True):
    """Everything that is installed for us, in the order in which names are given away."""

    provided: tuple[Provided, ...]
    unreadable: tuple[str, ...]
    """Distributions that name one of our groups in metadata that cannot be read."""


# Core's own driver needs no metadata, so that core also runs from a source tree.
_MEMORY: Final = Provided(DRIVERS, "memory", "asynctasq.memory:MemoryDriver", _CORE, "")


@cache
def found() -> Found:
    """What is installed: core's own first, then ours, then that of others by name."""
    from importlib.metadata import distributions  # slow to import, and not needed to be imported

    provided: dict[tuple[str, ...], Provided] = {}
    unreadable: list[str] = []
    for distribution in distributions():
        try:
            for each in _provided_by(distribution):
                # A distribution seen twice on the path counts where Python would import it from.
                provided.setdefault((each.group, each.name, each.distribution), each)
        except Exception as error:
            unreadable.append(f"{_place(distribution)}: {told(error)}")
    if not any(each.value == _MEMORY.value for each in provided.values()):
        provided[DRIVERS, "memory", _CORE] = _MEMORY
    return Found(tuple(sorted(provided.values(), key=_rank)), tuple(unreadable))


def unreadable() -> tuple[str, ...]:
    """Distributions that belong to us but whose metadata is damaged: where, and how."""
    return found().unreadable


def of_group(group: str, name: str | None = None) -> tuple[Provided, ...]:
    """The entry points of a group; those of one name: more than one where distributions clash."""
    return tuple(p for p in found().provided if p.group == group and name in (None, p.name))


def namesake() -> str | None:
    """Name and version of the other project that shares our import name, if it is installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return f"asynctasq {distribution('asynctasq').version}"
    except PackageNotFoundError:
        return None


def told(error: BaseException) -> str:
    """An error of somebody else's code, in one line of text, whatever its ``__str__`` does."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _provided_by(distribution: Distribution) -> Iterator[Provided]:
    # Cheap look first: parsing the metadata of every distribution there is takes far longer.
    if "asynctasq." not in (distribution.read_text("entry_points.txt") or ""):
        return
    ours = [point for point in distribution.entry_points if point.group in _GROUPS]
    if not ours:
        return
    name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
    for point in ours:
        yield Provided(point.group, point.name, point.value, name, distribution.version)


def _place(distribution: Distribution) -> str:
    return str(getattr(distribution, "_path", None) or distribution.locate_file(""))


def _rank(provided: Provided) -> tuple[int, str, str, str]:
    ours = provided.name in OWN and provided.distribution == f"asynctasq-{provided.name}"
    order = 0 if provided.distribution == _CORE else 1 if ours else 2
    return order, provided.distribution, provided.name, provided.group
