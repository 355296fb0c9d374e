"""The memory driver on a port, as a server that can be restarted and cut off.

Each connection is one call: a pickled (context, method, arguments), then the pickled answer. A byte
sent meanwhile stops a call that waits; an end of the connection stops it too.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from asynctasq.driver import Context
from asynctasq.memory import MemoryDriver

HOST = "127.0.0.1"


async def read(reader: asyncio.StreamReader) -> Any:
    """The next value."""
    size = int.from_bytes(await reader.readexactly(8), "big")
    return pickle.loads(await reader.readexactly(size))


def write(writer: asyncio.StreamWriter, value: object) -> None:
    """Send a value."""
    data = pickle.dumps(value)
    writer.write(len(data).to_bytes(8, "big") + data)


class Server:
    """Listens while inside ``with``, on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._calls: set[asyncio.Task[None]] = set()
        self._drivers: dict[Context, MemoryDriver] = {}
        self.port = 0

    def _reserve(self) -> None:
        """Take the port, so that nobody else has it meanwhile, and refuse who connects."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setblocking(False)
        self._socket.bind((HOST, self.port))
        self.port = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._reserve()
        self._thread.start()
        self.heal()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._socket.close()

    def cut(self) -> None:
        """End every connection, and let none be made."""
        self._do(self._deafen())

    def heal(self) -> None:
        """Answer, on the same port as before."""
        self._do(self._listen())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        # By hand: a server of asyncio's loses what it accepts while it closes.
        self._socket.listen()
        self._loop.add_reader(self._socket, self._accept)

    async def _deafen(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._reserve()
        while self._calls:
            for call in self._calls:
                call.cancel()
            await asyncio.wait(self._calls)

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        call = self._loop.create_task(self._serve(connection))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        call.add_done_callback(lambda _: connection.close())  # also if it never began

    async def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            context, method, arguments, options = await read(reader)
            call = getattr(await self._driver(context), method)(*arguments, **options)
            write(writer, await self._answer(asyncio.ensure_future(call), reader))
            writer.close()
            await writer.wait_closed()
        except (OSError, EOFError):
            return  # the client is gone; what it took comes back by its lease
        finally:
            writer.transport.abort()

    async def _driver(self, context: Context) -> MemoryDriver:
        driver = self._drivers.setdefault(context, MemoryDriver(None, context))
        await driver.open()
        return driver

    async def _answer(
        self, call: asyncio.Task[Any], reader: asyncio.StreamReader
    ) -> tuple[bool, object]:
        stop = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait((call, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            call.cancel()
            stop.cancel()
            await asyncio.wait((call, stop))
        if call.cancelled():
            return True, None
        error = call.exception()
        return (True, call.result()) if error is None else (False, error)
