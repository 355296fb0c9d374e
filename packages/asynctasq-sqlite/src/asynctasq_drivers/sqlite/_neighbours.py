"""Who in this process waits for something in the same file, so that a commit wakes them at once.

Other processes see a commit when they look at the file; see `_engine.py`.
"""

from __future__ import annotations

import threading
from typing import Protocol
from weakref import WeakSet

from asynctasq_drivers.sqlite._session import FileId


class Neighbour(Protocol):
    """Somebody who may wait."""

    def wake(self) -> None:
        """Look now, if you wait."""


_LOCK = threading.Lock()
_BY_FILE: dict[FileId, WeakSet[Neighbour]] = {}


def join(file: FileId, one: Neighbour) -> None:
    """Be woken from now on."""
    with _LOCK:
        _BY_FILE.setdefault(file, WeakSet()).add(one)


def leave(file: FileId, one: Neighbour) -> None:
    """Be woken no longer."""
    with _LOCK:
        others = _BY_FILE.get(file, WeakSet())
        others.discard(one)
        if not others:
            _BY_FILE.pop(file, None)


def wake(file: FileId, by: Neighbour) -> None:
    """Wake all the others."""
    if len(_BY_FILE.get(file, ())) < 2:
        return  # as mostly; who joins just now has not looked yet
    with _LOCK:
        others = [one for one in _BY_FILE.get(file, ()) if one is not by]
    for one in others:
        one.wake()
