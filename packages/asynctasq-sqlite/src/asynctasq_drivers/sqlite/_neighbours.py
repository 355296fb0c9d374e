"""Who in this process waits for something in the same file, so that a commit wakes them at once.

Other processes see a commit when they look at the file; see `_engine.py`.
"""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet

from asynctasq_drivers.sqlite._session import FileId


class Neighbour(Protocol):
    """Somebody who may wait."""

    def wake(self) -> None:
        """Look now, if you wait."""


_lock = threading.Lock()
_by_file: dict[FileId, WeakSet[Neighbour]] = {}


def join(file: FileId, one: Neighbour) -> None:
    """Be woken from now on."""
    with _lock:
        _by_file.setdefault(file, WeakSet()).add(one)


def leave(file: FileId, one: Neighbour) -> None:
    """Be woken no longer."""
    with _lock:
        others = _by_file.get(file, WeakSet())
        others.discard(one)
        if not others:
            _by_file.pop(file, None)


def wake(file: FileId, by: Neighbour) -> None:
    """Wake all the others."""
    if len(_by_file.get(file, ())) < 2:
        return  # as mostly; who joins just now has not looked yet
    with _lock:
        others = [one for one in _by_file.get(file, ()) if one is not by]
    for one in others:
        one.wake()


def _forked() -> None:
    """Nobody of the parent process waits here; a thread of it may have held the lock."""
    global _lock
    _lock = threading.Lock()
    _by_file.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
