"""What a driver on a loop of its own has at work: connections, tasks, threads."""

from __future__ import annotations

import asyncio
import threading
from typing import NamedTuple

from asynctasq.testing._doomed import DoomedLoop


class Costs(NamedTuple):
    """How much of each."""

    connections: int
    tasks: int
    threads: int


class Footprint:
    """A loop, and the threads that began since it was made."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())  # some may be about to end
        self.loop = DoomedLoop()

    @property
    def threads(self) -> set[threading.Thread]:
        """Those that began since and live."""
        return set(threading.enumerate()) - self._before

    def costs(self, *later: Footprint) -> Costs:
        """What there is now, without the threads of others that were made later."""
        mine = self.threads.difference(*(other.threads for other in later))
        return Costs(self.loop.handles, self.loop.tasks, len(mine))

    def rest(self, seconds: float) -> None:
        """Let what goes on in the background go on for a while."""
        self.loop.run(asyncio.sleep(seconds))
