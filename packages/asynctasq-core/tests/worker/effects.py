"""Effects of transactions, to be counted, and a driver whose commits go as a test says."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from msgspec.structs import replace

from asynctasq import task
from asynctasq.memory import MemoryDriver, MemoryTransaction


@task
async def effect() -> None:
    """What a transaction leaves behind, on a queue that no worker serves."""


async def write(queue: str, connection: Any) -> None:
    """What a user would write to the same database."""
    await effect().on_queue(f"{queue}-effects").dispatch(connection=connection)


async def gone(memory: MemoryDriver, queue: str) -> bool:
    """Whether the backend holds no task of this queue any more."""
    (stats,) = await memory.stats([queue])
    return not any((stats.pending, stats.scheduled, stats.running, stats.dead))


class Scripted(MemoryDriver):
    """Does as a test says at the end of a transaction."""

    before_commit: ClassVar[Any] = None
    after_commit: ClassVar[Any] = None
    lease: ClassVar[float] = 30.0

    async def enqueue(self, messages: Any) -> Any:
        return await super().enqueue([replace(m, visibility_timeout=self.lease) for m in messages])

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[MemoryTransaction]:
        async with super().transaction() as begun:
            yield begun
            if self.before_commit is not None:
                await self.before_commit()
        if self.after_commit is not None:
            await self.after_commit()


def raising(error: Exception) -> Any:
    """Do nothing but raise."""

    async def fail(*_: object) -> None:
        raise error

    return staticmethod(fail)
