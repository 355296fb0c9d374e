"""The tasks that workers run here, and what those of them that take notes have noted."""

from __future__ import annotations

import asyncio
import time

from asynctasq import task
from asynctasq.tasks import Call

NAP = 0.05
"""Seconds that a task sleeps which stands for one that waits for something."""
PAYLOAD = "x" * 100
"""With which a message has about 200 bytes."""

late: list[float] = []
"""Seconds from dispatch to start, in the order of the starts."""


@task(name="bench.noop")
async def noop(payload: str) -> None:
    """Do nothing."""


@task(name="bench.nap")
async def nap(payload: str) -> None:
    """Wait, as for a network."""
    await asyncio.sleep(NAP)


@task(name="bench.stamp")
async def stamp(sent: float) -> None:
    """Note how long ago it was sent: by the one clock that all processes of a machine share."""
    late.append(time.time() - sent)


def call(name: str, queue: str) -> Call[None]:
    """A call of one of them, for a queue."""
    return (nap if name == "nap" else noop)(PAYLOAD).on_queue(queue)
