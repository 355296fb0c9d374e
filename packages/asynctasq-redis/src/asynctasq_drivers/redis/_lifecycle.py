"""Opening, closing, and what is under way between the two."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from asynctasq.driver import Context
from asynctasq.errors import BackendRefused, DriverClosed, DriverError
from asynctasq_drivers.redis._client import NotSent, ReplyLost
from asynctasq_drivers.redis._errors import translated
from asynctasq_drivers.redis._keys import QUEUES, keys_of
from asynctasq_drivers.redis._options import RedisOptions
from asynctasq_drivers.redis._scripts import Script, run
from asynctasq_drivers.redis._servers import Servers, servers_of
from asynctasq_drivers.redis._target import target_of
from asynctasq_drivers.redis._wakes import PREFIX, Wakes

T = TypeVar("T")

OLDEST: Final = (6, 2)
"""The first version of Redis that has all commands of the scripts."""

log: Final = logging.getLogger("asynctasq.redis")
_PASS_ON: Final = Script("pass_on")


class Lifecycle:
    """What a driver is without its verbs."""

    def __init__(self, options: RedisOptions, context: Context) -> None:
        self._target = target_of(options)
        self._options = options
        self._context = context
        self._servers: Servers | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._closed = False
        self._opened = False
        self._gone = False
        self._known: set[str] = set()
        """Queues whose names are stored."""
        self._under_way: set[asyncio.Future[Any]] = set()

    async def open(self) -> None:
        if self._closed:
            raise DriverClosed("this redis driver is closed for good: make another")
        if self._opened:
            return
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
        opening = self._opening
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            raise
        except BaseException:
            if self._opening is opening:
                self._opening = None  # so that it may be called again
            raise
        if self._closed:
            raise DriverClosed("this redis driver was closed while it was opened")

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        servers = servers_of(self._target, self._options.redis_max_connections)
        try:
            await _look_at(servers)
        except BaseException:
            await servers.close()
            raise
        self._servers = servers
        self._wakes = Wakes(servers, self._stray)
        self._opened = True

    async def close(self) -> None:
        self._closed = True
        if self._loop is None:
            return
        if self._loop is not asyncio.get_running_loop():
            if self._servers is not None:
                await self._servers.close(at_once=True)
            return
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._opening is not None:
            await asyncio.wait((self._opening,))
            if not self._opening.cancelled():
                self._opening.exception()
        if self._servers is None:
            return
        await self._wakes.close()
        while self._under_way:  # what was taken, and is being given back
            await asyncio.wait(tuple(self._under_way))
        self._gone = True
        await self._servers.close()

    def _running(self) -> Servers:
        if self._closed or self._servers is None:
            state = "closed" if self._closed else "new"
            raise DriverClosed(f"this redis driver is {state}: open() it first, close() last")
        if self._loop is not asyncio.get_running_loop():
            raise DriverClosed("this redis driver was opened on another event loop: make another")
        return self._servers

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Do something that `close` waits for."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    def _stray(self, ready: str) -> None:
        """Somebody was woken for a queue who looks there no more: another is to look."""
        if self._servers is not None and not self._gone:
            queue = ready.removeprefix("queue:{").removesuffix("}")
            self._start(_quietly(run(self._servers, _PASS_ON, keys_of(queue).all)))

    async def _register(self, servers: Servers, *queues: str) -> None:
        """Store the names of queues, before anything else of them is."""
        if new := [queue for queue in queues if queue not in self._known]:
            await command(servers, "SADD", QUEUES, *new)
            self._known.update(new)


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except DriverError as error:  # who waits looks again all the same
        log.debug("a wake could not be passed on: %s", error)


async def command(servers: Servers, name: str, key: str, *words: str) -> Any:
    """The answer of a command about one key. Raises what the contract knows."""
    try:
        (answer,) = await servers.exchange(key, [(name, key, *words)])
    except (NotSent, ReplyLost) as error:
        raise translated(NotSent(str(error))) from (error.__cause__ or error)
    except Exception as error:  # what a server says to a new connection
        raise translated(error) from error
    if isinstance(answer, Exception):
        raise translated(answer) from answer
    return answer


async def _look_at(servers: Servers) -> None:
    """Refuse what is too old, or who may wake nobody, and tell of settings that lose tasks."""
    try:
        answer, heard = await servers.exchange(QUEUES, [("INFO",), ("PUBLISH", PREFIX, "")])
    except (NotSent, ReplyLost) as error:
        raise translated(NotSent(str(error))) from (error.__cause__ or error)
    except Exception as error:  # what a server says to a new connection
        raise translated(error) from error
    if isinstance(heard, Exception):  # in a script it would be too late
        raise translated(heard) from heard
    if isinstance(answer, Exception):
        if "NoPermission" in type(answer).__name__ or "NOPERM" in str(answer):
            return  # this user may not ask
        raise translated(answer) from answer
    _judge(answer.decode() if isinstance(answer, bytes) else str(answer))


def _judge(info: str) -> None:
    told = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    version = told.get("redis_version", "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers and numbers < OLDEST:
        raise BackendRefused(
            f"Redis {version} is too old: this driver needs 6.2 or newer, or Valkey"
        )
    policy = told.get("maxmemory_policy", "noeviction")
    if policy.startswith("allkeys"):
        log.warning(
            "maxmemory-policy is %s: beyond maxmemory Redis throws away tasks that were accepted; "
            "set it to noeviction",
            policy,
        )
