"""A proxy in front of a server that cuts connections, loses answers, delays or swallows all.

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
from .wire import Conversation

_CHUNK = 65_536


class Proxy:
    """Listens until it is closed. Every method may be called from any thread."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._there = (parts.hostname or HOST, parts.port or 5432)
        self._dsn = url
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._links: set[asyncio.Task[None]] = set()
        self._port = 0
        self._door = self._bind()
        self._port = self._door.getsockname()[1]
        self._to_lose, self._word, self._whole = 0, b"", False
        self._silent, self._until_silent = False, 0
        self.lost = 0
        """How many answers it has lost."""
        self.delay = 0.0
        """Seconds by which each chunk is later, in each direction; may be set at any time."""
        self._thread.start()
        self.heal()

    @property
    def url(self) -> str:
        """The server's, by way of the proxy."""
        return self.to(self._dsn)

    def to(self, dsn: str) -> str:
        """That of another database or user of the server, by way of the proxy."""
        parts = urlsplit(dsn)
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
        """Take connections, on the same port as before, and carry what they say."""
        self._do(self._listen())

    def lose_replies(self, count: int = 1, to: bytes = b"", *, whole: bool = False) -> None:
        """So many times: let a statement run, swallow what answers it, and end its connection.

        Only statements count whose SQL has those bytes, such as `b"INSERT"`, or is nothing else,
        as `b"COMMIT"` has to be that is not of `READ COMMITTED`, when they are run, not when they
        are prepared. The server has done them by then, and ended the
        transaction unless a block goes on. Not over TLS, where nothing can be read. 0: lose none
        any more.
        """
        self._do(self._arm(count, to, whole))

    def close(self) -> None:
        """End every connection, and itself."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._door.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _arm(self, count: int, word: bytes, whole: bool) -> None:
        self._to_lose, self._word, self._whole = count, word, whole

    def _is_meant(self, sql: bytes) -> bool:
        return sql.rstrip(b";") == self._word if self._whole else self._word in sql

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
                await self._carry_both(client, server)

    async def _carry_both(self, client: socket.socket, server: socket.socket) -> None:
        """Until one of them ends, or an answer is lost."""
        talk = Conversation()
        ways = {
            asyncio.ensure_future(self._carry_requests(client, server, talk)),
            asyncio.ensure_future(self._carry_answers(server, client, talk)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry_requests(
        self, client: socket.socket, server: socket.socket, talk: Conversation
    ) -> None:
        while data := await self._hear(client):
            for sql, group in talk.asks(data):
                if self._to_lose > 0 and self._is_meant(sql) and talk.losing is None:
                    self._to_lose -= 1
                    talk.losing = group
            await self._loop.sock_sendall(server, data)

    async def _carry_answers(
        self, server: socket.socket, client: socket.socket, talk: Conversation
    ) -> None:
        while data := await self._hear(server):
            passing, lost = talk.answers(data)
            await self._loop.sock_sendall(client, passing)
            self._passed()
            if lost:
                self.lost += 1
                return

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


@contextmanager
def proxy(url: str) -> Generator[Proxy]:
    """One in front of the server of that URL, which has a host and a port."""
    made = Proxy(url)
    try:
        yield made
    finally:
        made.close()
