"""What ended here: a backend that settles by copies may hand some of it out once more."""

from __future__ import annotations

from typing import Final, NamedTuple

from asynctasq.worker._job import Job

_MOST: Final = 10_000


class _Ended(NamedTuple):
    attempt: int
    owed: Job | None


class Finished:
    """The last attempt of each of the last 10,000 sendings that ended here, by their origin."""

    def __init__(self) -> None:
        self._ended: dict[str, _Ended] = {}

    def note(self, origin: str, attempt: int, owed: Job | None = None) -> None:
        """This attempt is over, and all before it. ``owed``: its outcome may have been lost."""
        self._ended.pop(origin, None)
        self._ended[origin] = _Ended(attempt, owed)
        if len(self._ended) > _MOST:
            del self._ended[next(iter(self._ended))]

    def is_over(self, origin: str, attempt: int) -> bool:
        """Whether this attempt has ended, so that there is nothing to run."""
        ended = self._ended.get(origin)
        return ended is not None and attempt <= ended.attempt

    def take_owed(self, origin: str, attempt: int) -> Job | None:
        """The job that ran it and whose outcome was lost, to be settled on another receipt."""
        ended = self._ended.get(origin)
        if ended is None or ended.owed is None or attempt != ended.attempt:
            return None
        self._ended[origin] = ended._replace(owed=None)
        return ended.owed
