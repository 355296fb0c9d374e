"""Events over a TCP socket of this machine: the least that an emitter and a subscriber can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from wire_options import Options

from asynctasq.errors import DriverUnavailable
from asynctasq.events import Event, EventsContext, decode_events, encode_events

HOST = "127.0.0.1"
CUT = b"cut"


class Emitter:
    """Tells each batch by a connection of its own."""

    def __init__(self, options: Options, context: EventsContext) -> None:
        self._port = options.wire_port
        self._channel = context.channel

    async def emit(self, events: Sequence[Event]) -> None:
        await send(self._port, self._channel.encode() + b"\n" + encode_events(events))

    async def close(self) -> None:
        """Nothing is held."""


async def send(port: int, data: bytes) -> None:
    _, writer = await asyncio.open_connection(HOST, port)
    writer.write(data)
    writer.close()
    await writer.wait_closed()


def _decoded(batch: bytes) -> Sequence[Event]:
    try:
        return decode_events(batch)
    except ValueError:  # somebody else's, on our channel
        return ()


class Subscriber:
    """Listens for batches. One that says `CUT` stands for a connection that is lost."""

    def __init__(self, options: Options, context: EventsContext) -> None:
        self._port = options.wire_port
        self._channel = context.channel
        self._came: asyncio.Queue[bytes] = asyncio.Queue()

    async def open(self) -> None:
        try:
            self._server = await asyncio.start_server(self._take, HOST, self._port)
        except OSError as error:
            raise DriverUnavailable(f"port {self._port} cannot be had") from error

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._came.put_nowait(await reader.read())
        writer.close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            channel, _, batch = (await self._came.get()).partition(b"\n")
            if channel == CUT:
                raise DriverUnavailable("the wire was cut")
            if channel.decode() == self._channel:
                for event in _decoded(batch):
                    yield event

    async def close(self) -> None:
        if hasattr(self, "_server"):
            self._server.close()
