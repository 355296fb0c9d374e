"""Connections of aiormq, as this driver needs them. Its errors leave here as they are.

It is the layer that aio-pika is made of, by the same authors. Used directly, as the driver has its
own way to come back after a lost connection, and reads half as much again in the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from aiormq import Channel as AiormqChannel
from aiormq import Connection as AiormqConnection
from aiormq import exceptions, spec
from aiormq.connection import (
    TCPTransportFactory,
    TLSTransportFactory,
    TransportFactory,
    exception_by_code,
)

from asynctasq_drivers.rabbitmq._channel import ANSWER, Channel, answer_of
from asynctasq_drivers.rabbitmq._log import log, ours

CONNECT: Final = 5.0
"""Seconds for one host to let us in."""
_READ_AHEAD: Final = 1 << 20
_GOOD_BYE: Final = 2.0
_NO_ACCESS: Final = 403
"""Of who is not let in at all: told as it should be."""


class _Transport(TransportFactory):
    """Remembers the socket, so that a connection that hangs can be ended at once."""

    def __init__(self, url: str) -> None:
        secure = url.startswith("amqps:")
        self._inner = TLSTransportFactory() if secure else TCPTransportFactory()
        self.writer: asyncio.StreamWriter | None = None

    async def create(
        self, url: Any, **options: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self.writer = await self._inner.create(url, limit=_READ_AHEAD, **options)
        return reader, self.writer


class _Frames:
    """Remembers the last one that came."""

    def __init__(self, frames: Any) -> None:
        self._frames = frames
        self.last: Any = None

    async def get_frame(self) -> Any:
        found = await self._frames.get_frame()
        self.last = found[2]
        return found


class _Aiormq(AiormqConnection):
    """Tells why it was not let in: theirs, that a refusal was not the frame that it waited for.

    And writes all in the order in which it was told. Where what waits to be written has a bound,
    who comes when there is room again overtakes who has waited for it, and an acknowledgement could
    name what the one before it has acknowledged.
    """

    FRAME_BUFFER_SIZE = 0

    @staticmethod
    async def _rpc(
        request: Any, writer: asyncio.StreamWriter, frame_receiver: Any, wait_response: bool = True
    ) -> Any:
        frames: Any = _Frames(frame_receiver)
        try:
            return await AiormqConnection._rpc(request, writer, frames, wait_response)
        except exceptions.AMQPError as error:
            close = frames.last
            if isinstance(close, spec.Connection.Close) and close.reply_code != _NO_ACCESS:
                raise exception_by_code(close) from error
            raise


class Connection:
    """A connection to one host. Not to be cancelled while it is made: see `Link`."""

    def __init__(self, url: str, name: str) -> None:
        self._since = 0.0
        self._left = False
        self._name = name
        self._transport = _Transport(url)
        named = "name" in parse_qs(urlsplit(url).query)
        self._inner: Any = _Aiormq(  # partly typed
            url,
            transport_factory=self._transport,
            client_properties={} if named else {"connection_name": name},
        )
        self._asking: Channel | None = None
        self._one_at_a_time = asyncio.Lock()

    async def open(self) -> None:
        """Be let in. Raises the client library's errors, `OSError` or `TimeoutError`."""
        ours.set(True)
        try:
            async with asyncio.timeout(CONNECT):
                await answer_of(self._inner.connect())
                self._since = monotonic()
                self._inner.closing.add_done_callback(self._ended)
        except BaseException:
            self.abort()
            raise

    def _ended(self, closing: asyncio.Future[object]) -> None:
        why = None if closing.cancelled() else closing.exception()
        silent = self._inner.is_connection_was_stuck
        if not silent and isinstance(why, asyncio.CancelledError | None):
            log.debug("a connection to RabbitMQ ended with its event loop (%s)", self._name)
        elif not self._left:
            told = "not even a heartbeat came any more" if silent else "it was not told why"
            reason = " ".join(str(why or "").split()) or told
            log.warning("a connection to RabbitMQ ended (%s): %s", self._name, reason)

    @property
    def age(self) -> float:
        """Seconds since it was let in."""
        return monotonic() - self._since

    @property
    def is_open(self) -> bool:
        """Whether it is, as far as is known."""
        return bool(self._inner.is_opened)

    async def unblocked(self) -> None:
        """Wait while the broker takes nothing from who publishes: it is short of something."""
        await self._inner.ready()

    @property
    def is_blocked(self) -> bool:
        """Whether it takes nothing from who publishes now, and has said so."""
        waiting = self._inner.ready().__await__()
        try:
            next(waiting)
        except StopIteration:
            return False
        waiting.close()
        return True

    async def channel(self, *, confirms: bool = False) -> Channel:
        """A new one. Its deliveries wait without a bound of their own: prefetch is the bound."""
        async with asyncio.timeout(ANSWER):  # aiormq asks for confirms without a bound of its own
            made = await answer_of(
                self._inner.channel(publisher_confirms=confirms, frame_buffer_size=0)
            )
        assert isinstance(made, AiormqChannel)
        return Channel(made)

    @asynccontextmanager
    async def asking(self) -> AsyncGenerator[Channel]:
        """A channel for questions and declarations; an error ends it, so one asks at a time."""
        async with self._one_at_a_time:
            if self._asking is None or self._asking.is_closed:
                self._asking = await self.channel()
            yield self._asking

    async def close(self) -> None:
        """Say good-bye, and end in any case."""
        self._left = True
        if self.is_open:
            with suppress(Exception, asyncio.CancelledError):
                async with asyncio.timeout(_GOOD_BYE):
                    await asyncio.shield(asyncio.ensure_future(self._inner.close()))
        self.abort()

    def abort(self) -> None:
        """End it as if the network had."""
        if self._transport.writer is not None:
            with suppress(RuntimeError):  # its loop is gone
                self._transport.writer.transport.abort()
