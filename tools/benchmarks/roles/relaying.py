"""A proxy that adds time to every round trip, as a network does: it delays, and holds nothing up.

What was read is written half of the added time later, in each direction; meanwhile it goes on
reading. So requests that follow each other without waiting are delayed once, together.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tools.benchmarks.orders import Ready, Relay
from tools.benchmarks.parent import Parent

_CHUNK = 65_536
_UNDER_WAY = 256
"""Chunks on their way at most, so that one who sends faster than the other reads has to wait."""


async def relay(order: Relay, parent: Parent) -> None:
    """Until the parent says a word, or ends."""
    parent.listen()
    server = await serve(order.host, order.port, order.added)
    parent.tell(Ready(port_of(server)))
    await parent.word()
    server.close()


async def serve(host: str, port: int, added: float) -> asyncio.Server:
    """Listen on 127.0.0.1 for that server."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, asks = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()  # as the server does that is not there
            return
        try:
            await asyncio.gather(
                _carry(reader, asks, added / 2), _carry(answers, writer, added / 2)
            )
        finally:
            asks.close()
            writer.close()

    return await asyncio.start_server(accept, "127.0.0.1", 0)


def port_of(server: asyncio.Server) -> int:
    """Where it listens."""
    port: int = server.sockets[0].getsockname()[1]
    return port


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Everything from one to the other, and then the end."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)
    writing = asyncio.ensure_future(_write(under_way, writer))
    loop = asyncio.get_running_loop()
    data = b"..."
    while data:
        try:
            data = await reader.read(_CHUNK)
        except OSError:
            data = b""
        await under_way.put((loop.time() + delay, data))
    await writing


async def _write(
    under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
) -> None:
    """Each at its time. Where nobody reads any more it takes the rest, and drops it."""
    loop = asyncio.get_running_loop()
    while True:
        due, data = await under_way.get()
        if (left := due - loop.time()) > 0:
            await asyncio.sleep(left)
        with suppress(OSError):
            if data:
                writer.write(data)
                await writer.drain()
            else:
                writer.write_eof()
        if not data:
            return
