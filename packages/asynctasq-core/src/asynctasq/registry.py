"""Registered names: the only way from a stored message to code.

A message can name nothing but what this process's own code has registered. Nothing is imported,
opened or built because a message says so.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from asynctasq.errors import PayloadError, TaskDefinitionError


class Origin(Struct, frozen=True):
    """Where a definition was written: tells a second one from the same one run again."""

    qualname: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.qualname} ({self.file}:{self.line})"


class Registered(Protocol):
    """What a registry needs to know of a definition."""

    @property
    def name(self) -> str:
        """The name that messages carry."""
        ...

    @property
    def origin(self) -> Origin:
        """Where it was written."""
        ...


D = TypeVar("D", bound=Registered)


class Registry(Generic[D]):
    """Definitions by name."""

    def __init__(self) -> None:
        self._definitions: dict[str, D] = {}

    def add(self, definition: D) -> None:
        """Register; raises `TaskDefinitionError` if other code has that name already."""
        known = self._definitions.get(definition.name)
        if known is not None and not _is_rerun(known.origin, definition.origin):
            raise TaskDefinitionError(
                f"two tasks are named {definition.name!r}: {known.origin} and "
                f"{definition.origin}; give one of them a name of its own with name="
            )
        self._definitions[definition.name] = definition

    def get(self, name: str) -> D:
        """The definition; raises `PayloadError` for a name that no code here has registered."""
        try:
            return self._definitions[name]
        except KeyError:
            raise PayloadError(
                f"no task named {name[:200]!r} is registered in this process; is the module that "
                "defines it imported by the worker's --app?"
            ) from None

    def __contains__(self, name: str) -> bool:
        """Whether code here has registered that name."""
        return name in self._definitions

    def names(self) -> tuple[str, ...]:
        """All registered names, sorted."""
        return tuple(sorted(self._definitions))


_RUN_AS_PROGRAM = ("__main__", "__mp_main__")
"""The second: the same module, imported once more by a child of `multiprocessing`."""


def qualified_name(module: str, qualname: str) -> str:
    """``module.qualname``, with ``__main__`` replaced by the name that others import it by."""
    if module in _RUN_AS_PROGRAM:
        module = main_name(sys.modules[module])
    return f"{module}.{qualname}"


def main_name(main: ModuleType) -> str:
    """The importable name of the module that runs as ``__main__``."""
    if main.__spec__ is not None:
        return main.__spec__.name
    if getattr(main, "__file__", None) is None:
        return "__main__"
    path = Path(str(main.__file__)).resolve()
    parts = [path.stem]
    while (path.parent / "__init__.py").exists():
        path = path.parent
        parts.insert(0, path.name)
    return ".".join(parts)


def _is_rerun(old: Origin, new: Origin) -> bool:
    """The same source run again: a module imported under two names, a cell of a notebook."""
    interactive = not Path(new.file).exists()
    return old.qualname == new.qualname if interactive else old == new
