"""A proxy in front of a server that cuts connections, loses replies and delays what passes.

It has a thread and a loop of its own, so that a test may tell it what to do from anywhere.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from .own import HOST

_CHUNK = 65_536


class Proxy:
    """Listens until it is closed. Every method may be called from any thread."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._there = (parts.hostname or HOST, parts.port or 6379)
        self._parts = parts
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._links: set[asyncio.Task[None]] = set()
        self._port = 0
        self._door = self._bind()
        self._port = self._door.getsockname()[1]
        self._to_lose, self._word = 0, b""
        self.lost = 0
        """How many replies it has lost."""
        self.delay = 0.0
        """Seconds by which each chunk is later, in each direction; may be set at any time."""
        self._thread.start()
        self.heal()

    @property
    def url(self) -> str:
        """The server's, by way of the proxy."""
        user = self._parts.netloc.rpartition("@")[0]
        place = f"{user}@{HOST}:{self._port}" if user else f"{HOST}:{self._port}"
        return self._parts._replace(netloc=place).geturl()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        self._do(self._deafen())

    def heal(self) -> None:
        """Take connections, on the same port as before."""
        self._do(self._listen())

    def lose_replies(self, count: int = 1, to: bytes = b"") -> None:
        """So many times: let a command pass, swallow its reply, and end its connection.

        Only commands with those bytes count, such as `b"EVALSHA"`: a client says more than
        commands of its user's. 0: lose none any more.
        """
        self._do(self._arm(count, to))

    def close(self) -> None:
        """End every connection, and itself."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._door.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _arm(self, count: int, word: bytes) -> None:
        self._to_lose, self._word = count, word

    def _bind(self) -> socket.socket:
        """A port that is ours, and refuses connections as long as nobody listens."""
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((HOST, self._port))
        door.setblocking(False)
        return door

    async def _listen(self) -> None:
        # By hand: a server of asyncio's loses what it accepts while it closes.
        self._door.listen()
        self._loop.add_reader(self._door, self._accept)

    async def _deafen(self) -> None:
        self._loop.remove_reader(self._door)
        self._door.close()
        self._door = self._bind()
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
                await self._loop.sock_connect(server, self._there)
                await self._carry_both(client, server)

    async def _carry_both(self, client: socket.socket, server: socket.socket) -> None:
        """Until one of them ends, or a reply is lost."""
        losing = asyncio.Event()
        ways = {
            asyncio.ensure_future(self._carry_commands(client, server, losing)),
            asyncio.ensure_future(self._carry_replies(server, client, losing)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry_commands(
        self, client: socket.socket, server: socket.socket, losing: asyncio.Event
    ) -> None:
        while data := await self._loop.sock_recv(client, _CHUNK):
            await asyncio.sleep(self.delay)
            if self._to_lose > 0 and self._word in data and not losing.is_set():
                self._to_lose -= 1
                losing.set()
            await self._loop.sock_sendall(server, data)

    async def _carry_replies(
        self, server: socket.socket, client: socket.socket, losing: asyncio.Event
    ) -> None:
        while data := await self._loop.sock_recv(server, _CHUNK):
            if losing.is_set():
                self.lost += 1
                return
            await asyncio.sleep(self.delay)
            await self._loop.sock_sendall(client, data)


@contextmanager
def proxy(url: str) -> Generator[Proxy]:
    """One in front of the server of that URL, which has a host and a port."""
    made = Proxy(url)
    try:
        yield made
    finally:
        made.close()
