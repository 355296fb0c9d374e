"""A proxy in front of a server that cuts connections, loses what is said, delays or swallows all.

It has a thread and a loop of its own, so that a test may tell it what to do from anywhere. What is
said on a connection is a matter of its protocol: for that there is a `Wire`, one for each.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

HOST = "127.0.0.1"
_CHUNK = 65_536
_PATIENCE = 5.0
T = TypeVar("T")


class Wire:
    """Reads along on one connection, from its first byte, and lets all pass as it is."""

    def asks(self, data: bytes) -> tuple[bytes, bool]:
        """What the server may hear of what the client says next; and whether all ends then."""
        return data, False

    def answers(self, data: bytes) -> tuple[bytes, bool]:
        """What the client may hear of what the server says next; and whether all ends then."""
        return data, False

    def farewell(self) -> tuple[bytes, bytes]:
        """What the server is asked last, where a client is cut off, and the answer to that.

        It answers once it has done all that was asked before; it may do less of that where its
        client just leaves.
        """
        return b"", b""


class Losses(Generic[T]):
    """What is to be lost, on whichever connection: those that are meant, and so many of them."""

    def __init__(self) -> None:
        self._left = self._before = 0
        self._meant: Callable[[T], bool] = lambda _: False

    def arm(self, count: int, meant: Callable[[T], bool], before: int = 0) -> None:
        """So many from now on, once so many others that are meant too have passed."""
        self._left, self._meant, self._before = count, meant, before

    def take(self, what: T) -> bool:
        """Whether this is one."""
        if self._left <= 0 or not self._meant(what):
            return False
        self._before -= 1
        self._left -= self._before < 0
        return self._before < 0


class Proxy:
    """Listens until it is closed. Every method may be called from any thread."""

    def __init__(self, url: str, port: int) -> None:
        """The server's URL, and where that has no port, the standard one."""
        parts = urlsplit(url)
        self._there = (parts.hostname or HOST, parts.port or port)
        self._url = url
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._links: set[asyncio.Task[None]] = set()
        self._port = 0
        self._door = self._bind()
        self._port = self._door.getsockname()[1]
        self._silent, self._until_silent = False, 0
        self.lost = 0
        """How often it has lost what it was told to."""
        self.delay = 0.0
        """Seconds by which each chunk is later, in each direction; may be set at any time."""
        self._thread.start()
        self.heal()

    def wire(self) -> Wire:
        """One for a new connection."""
        return Wire()

    @property
    def url(self) -> str:
        """The server's, by way of the proxy."""
        return self.to(self._url)

    def to(self, url: str) -> str:
        """That of another database, virtual host or user of the server, by way of the proxy."""
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        place = f"{user}@{HOST}:{self._port}" if user else f"{HOST}:{self._port}"
        return parts._replace(netloc=place).geturl()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        self._do(self._deafen())

    def swallow(self, after: int = 0) -> None:
        """Answer nothing more, as a network that drops all: whatever anybody says is gone.

        So many chunks of answers still pass. Connections stay open, also at the server where a
        client leaves; new ones are taken, and the server does not hear of them. `heal` and `cut`
        end them all.
        """
        self._do(self._fall_silent(after))

    def heal(self) -> None:
        """Take connections, on the same port as before, and carry what they say, from now on."""
        self._do(self._listen())

    def lose(
        self, losses: Losses[T], count: int, meant: Callable[[T], bool], before: int = 0
    ) -> None:
        """Arm them while nothing passes."""
        self._do(self._arm(losses, count, meant, before))

    def close(self) -> None:
        """End every connection, and itself."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._door.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _arm(
        self, losses: Losses[T], count: int, meant: Callable[[T], bool], before: int
    ) -> None:
        losses.arm(count, meant, before)

    def _bind(self) -> socket.socket:
        """A port that is ours, and refuses connections as long as nobody listens."""
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((HOST, self._port))
        door.setblocking(False)
        return door

    async def _fall_silent(self, after: int) -> None:
        self._until_silent, self._silent = after, not after

    def _passed(self) -> None:
        """An answer; the last one, perhaps."""
        self._until_silent -= 1
        self._silent = self._silent or not self._until_silent

    async def _listen(self) -> None:
        if self._silent:  # each connection has lost something
            await self._end_links()
            self._silent = False
        self._until_silent = 0
        # By hand: a server of asyncio's loses what it accepts while it closes.
        self._door.listen()
        self._loop.add_reader(self._door, self._accept)

    async def _deafen(self) -> None:
        self._loop.remove_reader(self._door)
        self._door.close()
        self._door = self._bind()
        await self._end_links()

    async def _end_links(self) -> None:
        while self._links:
            for link in self._links:
                link.cancel()
            await asyncio.wait(self._links)

    def _accept(self) -> None:
        try:
            client, _ = self._door.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        link = self._loop.create_task(self._serve(client))
        self._links.add(link)
        link.add_done_callback(self._links.discard)
        link.add_done_callback(lambda _: client.close())  # also if it never began

    async def _serve(self, client: socket.socket) -> None:
        client.setblocking(False)
        with socket.socket() as server:
            server.setblocking(False)
            with suppress(OSError):  # a server that is not there
                if self._silent:
                    await self._healed()
                await self._loop.sock_connect(server, self._there)
                wire = self.wire()
                if await self._carry_both(client, server, wire):
                    client.close()
                    await self._let_end(server, *wire.farewell())

    async def _carry_both(self, client: socket.socket, server: socket.socket, wire: Wire) -> bool:
        """Until one of them ends, or something is lost; whether that was a client's."""
        asking = asyncio.ensure_future(self._carry_requests(client, server, wire))
        ways = {asking, asyncio.ensure_future(self._carry_answers(server, client, wire))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            return asking.done() and not asking.exception() and asking.result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry_requests(
        self, client: socket.socket, server: socket.socket, wire: Wire
    ) -> bool:
        while data := await self._hear(client):
            passing, ended = wire.asks(data)
            await self._loop.sock_sendall(server, passing)
            self.lost += ended
            if ended:
                return True
        return False

    async def _carry_answers(
        self, server: socket.socket, client: socket.socket, wire: Wire
    ) -> bool:
        while data := await self._hear(server):
            passing, ended = wire.answers(data)
            await self._loop.sock_sendall(client, passing)
            self._passed()
            self.lost += ended
            if ended:
                return False
        return False

    async def _let_end(self, server: socket.socket, question: bytes, answer: bytes) -> None:
        """Until it has done all that has passed: left at once, it might not even read that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._loop.sock_sendall(server, question)
                await self._hear_until(server, answer)
                server.shutdown(socket.SHUT_WR)
                while await self._loop.sock_recv(server, _CHUNK):
                    pass

    async def _hear_until(self, server: socket.socket, answer: bytes) -> None:
        heard = bytearray()
        while answer not in heard and (data := await self._loop.sock_recv(server, _CHUNK)):
            heard += data

    async def _hear(self, peer: socket.socket) -> bytes:
        """What it says next, empty once it has ended; nothing of either while all is silent."""
        with suppress(OSError):  # an end too
            while data := await self._loop.sock_recv(peer, _CHUNK):
                await asyncio.sleep(self.delay)
                if not self._silent:
                    return data
        if self._silent:
            await self._healed()
        return b""

    async def _healed(self) -> None:
        """Never: whoever waits for it is ended by it."""
        await self._loop.create_future()
