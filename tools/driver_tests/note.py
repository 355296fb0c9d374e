"""A task that keeps when it ran, and what a producer elsewhere sends for it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from time import monotonic
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

import asynctasq
from asynctasq.codec import Envelope, encode_envelope

NAME: Final = "driver_tests.note"
UNTIL_TOLD: Final = -1.0
"""In place of the seconds of a task: as long as its gate is closed."""


class Run(NamedTuple):
    """One attempt at a task, and when it began."""

    attempt: int
    moment: float


RUNS: Final[defaultdict[UUID, list[Run]]] = defaultdict(list)
"""By task, in this process."""
GATES: Final[defaultdict[UUID, asyncio.Event]] = defaultdict(asyncio.Event)
"""By task."""


@asynctasq.task(name=NAME)
async def note(fails: int = 0, seconds: float = 0.0) -> None:
    """Keeps when it ran, and takes so long; so many attempts at it fail."""
    here = asynctasq.current()
    RUNS[here.id].append(Run(here.attempt, monotonic()))
    if seconds == UNTIL_TOLD:
        await GATES[here.id].wait()
    else:
        await asyncio.sleep(seconds)
    if here.attempt <= fails:
        raise ValueError("as it was told")


def body(fails: int = 0, seconds: float = 0.0, *, store_result: bool) -> bytes:
    """What is sent for it: three attempts, one at once after the other."""
    told = msgspec.Raw(msgspec.msgpack.encode({"fails": fails, "seconds": seconds}))
    return encode_envelope(Envelope(1, NAME, told, 3, "fixed", 0.0, 0.0, None, None, store_result))
