"""redis-py, as far as it is used here: a connection, what is sent on it, and how far it came.

Retrying is left to the core: only here is it known whether a command may have run already.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import hiredis

from redis import exceptions
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.crc import key_slot as key_slot

Command: TypeAlias = Sequence[str | bytes | int | float]
"""Its words."""

TIMEOUT: Final = 10.0
"""Seconds for a command and its answer: a server may stand still for some of them."""
CONNECT_TIMEOUT: Final = 5.0
"""Seconds for a connection, with its greeting."""

RedisError: TypeAlias = exceptions.RedisError
_REPLIES: Final = (
    exceptions.ResponseError,
    exceptions.BusyLoadingError,
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
)
"""What a server answers instead: it did not do what it was asked."""


class NotSent(Exception):
    """There is no connection: certainly nothing was done. Its cause is the client library's."""


class ReplyLost(Exception):
    """It was sent, and the answer never came: it may have been done."""


def connection_of(url: str) -> dict[str, Any]:
    """What a connection to a single server is made with. Raises ValueError."""
    return dict(parse_url(url))


def new_connection(words: Mapping[str, Any], *, protocol: int = 3) -> AbstractConnection:
    """A connection that is not connected."""
    kwargs: dict[str, Any] = {
        "socket_timeout": None,  # `exchange` has a limit for all of it
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "client_name": "asynctasq",
        "driver_info": None,
        **words,
        "protocol": protocol,
    }
    made: type[AbstractConnection] = kwargs.pop("connection_class", Connection)
    return made(**kwargs)


async def connect(connection: AbstractConnection) -> None:
    """Make a connection usable, if it is not. Raises `NotSent`, or what the server says to it."""
    if connection.is_connected:
        reader = cast("Any", connection)._reader
        if not reader.at_eof():
            return
        await connection.disconnect(nowait=True)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await connection.connect()  # type: ignore[no-untyped-call]
    except _REPLIES:
        raise
    except (exceptions.RedisError, OSError, ValueError) as error:  # TimeoutError is an OSError
        await connection.disconnect(nowait=True)
        raise NotSent(str(error) or type(error).__name__) from error
    except BaseException:
        await connection.disconnect(nowait=True)  # its greeting is half said
        raise


async def exchange(
    connection: AbstractConnection, commands: Sequence[Command], timeout: float = TIMEOUT
) -> list[Any]:
    """Send commands at once and read their answers, errors among them.

    Raises `NotSent` or `ReplyLost`. Who is cancelled loses the connection, never another's answer.
    """
    await connect(connection)
    try:
        async with asyncio.timeout(timeout):
            await connection.send_packed_command([*map(_packed, commands)], check_health=False)
            return [await _answer(connection) for _ in commands]
    except (exceptions.RedisError, OSError, ValueError) as error:
        await connection.disconnect(nowait=True)
        raise ReplyLost(str(error) or type(error).__name__) from error


def _packed(command: Command) -> bytes:
    packed: bytes = cast("Any", hiredis).pack_command(tuple(command))
    return packed


async def _answer(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except _REPLIES as error:
        return error


async def next_message(connection: Any, quiet: float) -> bytes:
    """What is published next to a connection that listens; after so many seconds it is tried.

    Raises `ReplyLost` once it is gone, or answers no more. It is not made anew: that one would not
    listen.
    """
    asked = False
    while True:
        push = await _pushed(connection, quiet)
        if push is None and asked:
            raise ReplyLost("the connection is dead")
        if asked := push is None:
            await _ping(connection)
        elif push[0] == b"message":
            return bytes(push[2])


async def _pushed(connection: Any, seconds: float) -> Any:
    try:
        return await connection.read_response(timeout=seconds)
    except (exceptions.RedisError, OSError, ValueError) as error:
        raise ReplyLost(str(error) or type(error).__name__) from error


async def _ping(connection: AbstractConnection) -> None:
    if not connection.is_connected:
        raise ReplyLost("the connection was closed")
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await connection.send_packed_command([_packed(("PING",))], check_health=False)
    except (exceptions.RedisError, OSError, ValueError) as error:
        raise ReplyLost(str(error) or type(error).__name__) from error


async def disconnect(connection: AbstractConnection) -> None:
    """End a connection. Never raises; from another event loop than its own, as well as it can."""
    try:
        await connection.disconnect()
    except (exceptions.RedisError, OSError, RuntimeError):
        return


class Pool:
    """Connections to one server: as many as are used at once, up to a limit; the rest wait."""

    def __init__(self, make: Callable[[], AbstractConnection], limit: int) -> None:
        self._make = make
        self._room = asyncio.Semaphore(limit)
        self._idle: deque[AbstractConnection] = deque()
        self._busy: set[AbstractConnection] = set()
        self._rested = asyncio.Event()
        self._closed = False

    async def exchange(self, commands: Sequence[Command], timeout: float = TIMEOUT) -> list[Any]:
        """As `exchange`, on whichever connection is free."""
        async with self._room:
            if self._closed:
                raise NotSent("the driver is closed")
            connection = self._idle.pop() if self._idle else self._make()
            self._busy.add(connection)
            try:
                return await exchange(connection, commands, timeout)
            finally:
                self._busy.discard(connection)
                self._idle.append(connection)
                self._rested.set()

    async def drop(self) -> None:
        """End what is idle: another server answers under this name now."""
        while self._idle:
            await disconnect(self._idle.pop())

    async def close(self, *, at_once: bool = False) -> None:
        """End all of them, once what is under way has its answer, or at once."""
        self._closed = True
        while self._busy and not at_once:
            self._rested.clear()
            await self._rested.wait()
        for connection in (*self._busy, *self._idle):
            await disconnect(connection)
