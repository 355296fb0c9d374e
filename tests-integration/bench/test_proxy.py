"""The proxy adds time to a round trip, and nothing to those that are under way together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tools.benchmarks.children import child
from tools.benchmarks.orders import Ready, Relay

pytestmark = pytest.mark.once

ADDED = 0.1
CHUNK, CHUNKS = 65_536, 100


class Echo:
    """A server that says what it hears, to one client."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        self.ended.set()


@asynccontextmanager
async def _through_proxy(
    folder: Path, added: float
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server that echoes, through the proxy in a process of its own."""
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    order = Relay(host="127.0.0.1", port=server.sockets[0].getsockname()[1], added=added)
    with child(order, {}, folder) as proxy:
        port = (await asyncio.to_thread(proxy.answer, Ready)).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()
            server.close()
            async with asyncio.timeout(20):
                await echo.ended.wait()


@pytest.mark.asyncio
async def test_each_round_trip_takes_as_much_longer_as_was_asked_for(tmp_path: Path) -> None:
    async with _through_proxy(tmp_path, ADDED) as (reader, writer):
        start = time.monotonic()
        for _ in range(3):
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
        assert time.monotonic() - start >= 3 * ADDED


@pytest.mark.asyncio
async def test_what_waits_for_no_answer_is_delayed_once_together(tmp_path: Path) -> None:
    data = bytes(CHUNK * CHUNKS)
    async with _through_proxy(tmp_path, ADDED) as (reader, writer):
        start = time.monotonic()
        sending = asyncio.ensure_future(_send(writer, data))
        assert await reader.read(-1) == data
        spent = time.monotonic() - start
        await sending
    assert ADDED <= spent < ADDED * CHUNKS / 2


@pytest.mark.asyncio
async def test_large_things_come_through_whole_and_so_does_the_end(tmp_path: Path) -> None:
    data = bytes(range(256)) * 40_000
    async with _through_proxy(tmp_path, 0.001) as (reader, writer):
        sending = asyncio.ensure_future(_send(writer, data))
        assert await reader.read(-1) == data
        await sending


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
    writer.write_eof()
