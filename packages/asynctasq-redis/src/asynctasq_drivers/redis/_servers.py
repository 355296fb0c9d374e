"""The server that a key is on: one, the master of some Sentinels, or a node of a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from asynctasq_drivers.redis._client import (
    TIMEOUT,
    Command,
    NotSent,
    Pool,
    ReplyLost,
    connect,
    disconnect,
    exchange,
    new_connection,
)
from asynctasq_drivers.redis._target import Address, Target


class Servers(Protocol):
    """Sends commands where they belong."""

    splits: bool
    """Whether keys of several queues may be on several servers."""

    async def exchange(
        self, key: str, commands: Sequence[Command], timeout: float = TIMEOUT
    ) -> list[Any]:
        """Commands about one key, and their answers, errors among them: see `_client.exchange`."""
        ...

    async def listener(self) -> Any:
        """A connection of its own to any server, to hear on what is published. Raises `NotSent`."""
        ...

    async def close(self, *, at_once: bool = False) -> None:
        """End all connections, once what is under way has its answer, or at once. Never raises."""
        ...


def servers_of(target: Target, limit: int) -> Servers:
    """What a target leads to, with so many connections to each server at most."""
    if target.kind == "cluster":
        from asynctasq_drivers.redis._cluster import Cluster

        return Cluster(target, limit)
    return Watched(target, limit) if target.kind == "sentinel" else Single(target.connection, limit)


class Single:
    """One server."""

    splits = False

    def __init__(self, connection: Mapping[str, Any], limit: int) -> None:
        self._connection = connection
        self._pool = Pool(lambda: new_connection(self._connection), limit)

    async def exchange(
        self, key: str, commands: Sequence[Command], timeout: float = TIMEOUT
    ) -> list[Any]:
        return await self._pool.exchange(commands, timeout)

    async def drop(self) -> None:
        """End what is idle: another server may answer there now."""
        await self._pool.drop()

    async def listener(self) -> Any:
        connection = new_connection(self._connection, protocol=2)
        await connect(connection)
        return connection

    async def close(self, *, at_once: bool = False) -> None:
        await self._pool.close(at_once=at_once)


class Watched:
    """The master of a service that Sentinels watch (https://redis.io/docs/latest/develop/reference/sentinel-clients/)."""

    splits = False

    def __init__(self, target: Target, limit: int) -> None:
        self._target = target
        self._limit = limit
        self._master: Single | None = None
        self._finding = asyncio.Lock()
        self._closed = False
        self._met: dict[Address, Single] = {}
        """Every server that was the master at some time."""

    async def exchange(
        self, key: str, commands: Sequence[Command], timeout: float = TIMEOUT
    ) -> list[Any]:
        master = await self._found()
        try:
            answers = await master.exchange(key, commands, timeout)
        except (NotSent, ReplyLost):
            self._forget(master)
            raise
        if any(str(answer).startswith(_NO_MASTER) for answer in answers if _is_error(answer)):
            self._forget(master)
        return answers

    async def listener(self) -> Any:
        master = await self._found()
        try:
            return await master.listener()
        except NotSent:
            self._forget(master)
            raise

    def _forget(self, master: Single) -> None:
        if self._master is master:
            self._master = None

    async def _found(self) -> Single:
        async with self._finding:
            if self._master is None:
                address = await self._asked()
                for met in self._met.values():
                    await met.drop()  # who was replaced may hang, who is back has forgotten us
                if self._closed:
                    raise NotSent("the driver is closed")
                self._master = self._met.get(address) or self._meet(address)
            return self._master

    def _meet(self, address: Address) -> Single:
        words = {**self._target.connection, "host": address[0], "port": address[1]}
        self._met[address] = Single(words, self._limit)
        return self._met[address]

    async def _asked(self) -> Address:
        """The master's address, by the first Sentinel that knows it and whose word holds."""
        error: Exception = NotSent("no Sentinel knows the service")
        for host, port in self._target.addresses:
            own = {"host": host, "port": port}
            sentinel = new_connection({**_tls_of(self._target.connection), **own})
            try:
                question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._target.service)
                (answer,) = await exchange(sentinel, [question], timeout=2.0)
                if answer and not isinstance(answer, Exception):
                    return answer[0].decode(), int(answer[1])
                error = NotSent(f"Sentinel {host}:{port}: {answer or 'does not know the service'}")
            except (NotSent, ReplyLost) as lost:
                error = lost
            finally:
                await disconnect(sentinel)
        raise NotSent(str(error)) from error

    async def close(self, *, at_once: bool = False) -> None:
        self._closed = True
        for master in tuple(self._met.values()):
            await master.close(at_once=at_once)


_NO_MASTER = ("READONLY", "You can't write against a read only", "MASTERDOWN", "Link with MASTER")


def _is_error(answer: object) -> bool:
    return isinstance(answer, Exception)


def _tls_of(connection: Mapping[str, Any]) -> dict[str, Any]:
    """Sentinels are asked without a name or password, but on connections of the same kind."""
    return {k: v for k, v in connection.items() if k.startswith("ssl_") or k == "connection_class"}
