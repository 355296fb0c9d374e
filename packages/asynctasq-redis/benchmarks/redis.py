"""The floor of the redis driver: redis-py alone, on a list of messages of 200 bytes.
`tools/README.md` tells what a floor file is."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

CLIENT = ("asyncio", "redis.asyncio", "hiredis")
BATCH = 100
LEASE = 300.0
_REST = os.urandom(192)

_TAKE = """
local bodies = redis.call('RPOP', KEYS[1], ARGV[1])
if not bodies then return {} end
local leased = {}
for i, body in ipairs(bodies) do
  leased[2 * i - 1], leased[2 * i] = ARGV[2], body
end
redis.call('ZADD', KEYS[2], unpack(leased))
return bodies
"""
"""From the list into a sorted set, where each is until its lease ends."""


def options(folder: Path, url: str | None) -> Mapping[str, str]:
    """The server is the benchmark's own; each place on it has a queue of its own."""
    return {"redis_url": url or ""}


def _client(options: Mapping[str, str]) -> Any:
    return Redis.from_url(options["redis_url"])  # pyright: ignore[reportUnknownMemberType]


@asynccontextmanager
async def _keys(options: Mapping[str, str]) -> AsyncGenerator[tuple[Any, str, str]]:
    """A client with the keys of a list and of its leases, which are removed at the end."""
    line = f"floor:{uuid4().hex}"
    leases = f"{line}:leases"
    async with _client(options) as client:
        try:
            yield client, line, leases
        finally:
            await client.unlink(line, leases)


def _body(number: int) -> bytes:
    """No two are the same, as those of tasks."""
    return number.to_bytes(8) + _REST


async def _push(client: Any, line: str, numbers: Sequence[int]) -> None:
    async with client.pipeline(transaction=False) as pipeline:
        for number in numbers:
            pipeline.lpush(line, _body(number))
        await pipeline.execute()


async def push_one(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """LPUSH one by one."""
    async with _keys(options) as (client, line, _):
        yield 0
        for number in range(count):
            await client.lpush(line, _body(number))
            yield 1


async def push_many(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """LPUSH in pipelines of 100."""
    async with _keys(options) as (client, line, _):
        yield 0
        for start in range(0, count, BATCH):
            numbers = range(count)[start : start + BATCH]
            await _push(client, line, numbers)
            yield len(numbers)


async def take(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """Take by 100 under a lease, in a script, then remove."""
    async with _keys(options) as (client, line, leases):
        for start in range(0, count, BATCH):
            await _push(client, line, range(count)[start : start + BATCH])
        script = client.register_script(_TAKE)
        yield 0
        while bodies := await script(keys=[line, leases], args=[BATCH, time.time() + LEASE]):
            await client.zrem(leases, *bodies)
            yield len(bodies)


FLOORS = {"dispatch-one": push_one, "dispatch-many": push_many, "noop": take}


class _Ear:
    """Hears what clients send. The server's own count has in it what scripts call, too."""

    def __init__(self) -> None:
        self.heard = 0
        self._listens = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def listen(self, options: Mapping[str, str]) -> None:
        """From the first time on, until the loop ends."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen(options))
            listening = asyncio.create_task(self._listens.wait())
            await asyncio.wait((self._task, listening), return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()

    async def _listen(self, options: Mapping[str, str]) -> None:
        async with _client(options) as client, client.monitor() as monitor:
            self._listens.set()
            async for command in monitor.listen():
                self.heard += command["client_type"] != "lua"


_EAR = _Ear()


async def commands(options: Mapping[str, str]) -> int:
    """How many clients have sent since this was asked first, but for those of administration."""
    await _EAR.listen(options)
    return _EAR.heard


def wanted(options: Mapping[str, str]) -> Mapping[str, Mapping[str, float]]:
    """Found with results stored, on a server with its default durability."""
    return {
        "dispatch-one": {"at_least": 0.5, "about": 7_000},
        "dispatch-50": {"about": 60_000},
        "dispatch-many": {"about": 100_000},
        "noop-100": {"at_least": 0.16, "about": 40_000},
        "noop-100-two": {"at_least": 1.7},
        "cpu": {"limit": 50},
        "io": {"at_least": 0.95},
        "latency-p50": {"limit": 1.5},
        "waiting-20k": {"at_most": 1.2},
        "waiting-1m": {"at_most": 1.2},
        "round-trip": {"at_least": 0.8},
        "idle-cpu": {"limit": 1},
        "idle-commands": {"limit": 2},
        "rss": {"above": 20},
    }
