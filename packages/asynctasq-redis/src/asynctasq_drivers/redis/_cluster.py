"""A cluster: which node has a key, as its nodes tell (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final

from asynctasq_drivers.redis._client import (
    TIMEOUT,
    Command,
    NotSent,
    Pool,
    ReplyLost,
    connect,
    disconnect,
    exchange,
    key_slot,
    new_connection,
)
from asynctasq_drivers.redis._target import Address, Target

REDIRECTS: Final = 5
"""How often a command follows from node to node: none of them has done it yet."""


class Cluster:
    """Nodes, each with a pool of its own, and the slots that are on them."""

    splits = True

    def __init__(self, target: Target, limit: int) -> None:
        self._target = target
        self._limit = limit
        self._pools: dict[Address, Pool] = {}
        self._slots: list[tuple[int, int, Address]] = []
        self._stale = True
        self._asking = asyncio.Lock()
        self._closed = False

    async def exchange(
        self, key: str, commands: Sequence[Command], timeout: float = TIMEOUT
    ) -> list[Any]:
        slot = key_slot(key.encode())
        address, asked = await self._node(slot), False
        for _ in range(REDIRECTS):
            answers = await self._on(address, commands, timeout, asked)
            moved = redirection(answers[0])
            if moved is None:
                return answers
            self._stale = self._stale or not moved[1]
            address, asked = moved
        return answers

    async def _on(
        self, address: Address, commands: Sequence[Command], timeout: float, asked: bool
    ) -> list[Any]:
        pool = self._pools.get(address) or self._pools.setdefault(address, self._pool(address))
        try:
            if asked:
                return (await pool.exchange([("ASKING",), *commands], timeout))[1:]
            answers = await pool.exchange(commands, timeout)
        except (NotSent, ReplyLost):
            self._stale = True
            raise
        if isinstance(answers[0], Exception) and "CLUSTERDOWN" in str(answers[0]):
            self._stale = True
        return answers

    def _words(self, address: Address) -> dict[str, Any]:
        return {**self._target.connection, "host": address[0], "port": address[1]}

    def _pool(self, address: Address) -> Pool:
        pool = Pool(lambda: new_connection(self._words(address)), self._limit)
        pool.closed = self._closed
        return pool

    async def _node(self, slot: int) -> Address:
        if self._stale:
            await self._look()
        for first, last, address in self._slots:
            if first <= slot <= last:
                return address
        self._stale = True
        raise NotSent(f"slot {slot} is on no node of the cluster")

    async def _look(self) -> None:
        """Ask one node after the other where the slots are, until one knows."""
        async with self._asking:
            if not self._stale:
                return
            error: Exception = NotSent("no node of the cluster answers")
            for address in self._known():
                connection = new_connection(self._words(address))
                try:
                    (answer,) = await exchange(connection, [("CLUSTER", "SLOTS")], timeout=2.0)
                    if isinstance(answer, list) and answer:
                        self._slots = [_range(row, address) for row in answer]
                        self._stale = False
                        return
                    error = NotSent(f"{address[0]}:{address[1]}: {answer or 'it has no slots'}")
                except (NotSent, ReplyLost) as lost:
                    error = lost
                finally:
                    await disconnect(connection)
            raise NotSent(str(error)) from error

    def _known(self) -> list[Address]:
        nodes = list({address for _, _, address in self._slots})
        random.shuffle(nodes)
        return [*nodes, *self._target.addresses]

    async def listener(self) -> Any:
        if self._stale:
            await self._look()
        connection = new_connection(self._words(self._known()[0]), protocol=2)
        try:
            await connect(connection)
        except NotSent:
            self._stale = True
            raise
        return connection

    async def close(self, *, at_once: bool = False) -> None:
        self._closed = True
        for pool in tuple(self._pools.values()):  # what is under way may find another node
            await pool.close(at_once=at_once)


def _range(row: Sequence[Any], asked: Address) -> tuple[int, int, Address]:
    first, last, (host, port, *_) = row[:3]
    # A node that does not know how it is reached from outside means itself.
    return int(first), int(last), (host.decode() if host else asked[0], int(port))


def redirection(answer: object) -> tuple[Address, bool] | None:
    """Where a node sends us, and whether only with this command; None: it does not."""
    if not isinstance(answer, Exception):
        return None
    words = str(answer).split()
    kind = type(answer).__name__
    if words[:1] in (["MOVED"], ["ASK"]):
        kind, words = words[0], words[1:]
    if len(words) != 2 or kind not in ("MOVED", "ASK", "MovedError", "AskError"):
        return None
    host, _, port = words[1].rpartition(":")
    return (host, int(port)), kind.startswith(("ASK", "Ask"))
