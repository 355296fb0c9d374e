"""Channels of aiormq, as this driver needs them. Its errors leave here as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar, cast

from aiormq import Channel as AiormqChannel
from aiormq import exceptions
from aiormq import spec as spec
from aiormq.abc import ChannelFrame, DeliveredMessage

from asynctasq_drivers.rabbitmq._log import is_ours

T = TypeVar("T")

ANSWER: Final = 10.0
"""Seconds for the broker to answer anything: after that the connection is taken to be dead."""
_METHOD: Final = slice(7, 11)
"""Where a frame says what it is."""
_LAST_WORDS: Final = (b"\0\x14\0\x28", b"\0\x14\0\x29")
"""Channel.Close and Channel.CloseOk."""

Delivered: TypeAlias = DeliveredMessage
Receiver: TypeAlias = Callable[[Delivered], Coroutine[Any, Any, None]]


class _Consumers(dict[str, Any]):
    """Keeps those that ended: what was on its way to them comes after the answer that they ended.

    Overlooked, it would be acknowledged with what came after it.
    """

    def pop(self, tag: str, default: Any = None) -> Any:
        return self.get(tag, default)


class _Writes:
    """Where a channel writes: nothing follows its last word, for which a broker would end the whole
    connection.

    aiormq looks whether a channel is closed, and may have answered its end before it writes.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self._over = False

    async def put(self, frame: ChannelFrame) -> None:
        self._look(frame)
        await self._queue.put(frame)

    def put_nowait(self, frame: ChannelFrame) -> None:
        self._look(frame)
        self._queue.put_nowait(frame)

    def _look(self, frame: ChannelFrame) -> None:
        if self._over:
            raise exceptions.ChannelInvalidStateError("the channel is closed")
        self._over = frame.payload[_METHOD] in _LAST_WORDS


class Channel:
    """One channel. What is *told* is answered by none but what is asked after it."""

    def __init__(self, inner: AiormqChannel) -> None:
        self._inner: Any = cast("Any", inner)  # partly typed
        inner.consumers = _Consumers(inner.consumers)
        is_ours(inner)
        self._inner.write_queue = _Writes(self._inner.write_queue)

    @property
    def is_closed(self) -> bool:
        """Whether it has ended, by whomever."""
        return bool(self._inner.is_closed)

    def on_end(self, call: Callable[[BaseException | None], None]) -> None:
        """Call this once it has ended, with the reason."""

        def ended(closing: asyncio.Future[Any]) -> None:
            call(None if closing.cancelled() else closing.exception())

        self._inner.closing.add_done_callback(ended)

    def on_cancel(self, call: Callable[[str], None]) -> None:
        """Call this with the tag of a consumer that the broker has ended."""

        async def cancelled(frame: spec.Basic.Cancel) -> None:
            call(frame.consumer_tag or "")

        self._inner.on_consumer_cancel_callbacks.add(cancelled)

    async def publish(
        self, body: bytes, exchange: str, key: str, properties: Any, *, wait: bool
    ) -> None:
        """Return when the broker has confirmed it. ``wait``: not to write more than is read."""
        publishing = self._inner.basic_publish(
            body,
            exchange=exchange,
            routing_key=key,
            properties=properties,
            mandatory=True,
            wait=wait,
        )
        await answer_of(publishing)

    async def acknowledge(self, acks: Iterable[tuple[int, bool]]) -> None:
        """These tags, ``True``: with all before it; return when the broker has done so.

        All in one write. A channel does one thing after the other, so that the answer to what is
        asked last says that the acknowledgements are through.
        """
        await self.tell(spec.Basic.Ack(delivery_tag=tag, multiple=all_) for tag, all_ in acks)
        await self.passed()

    async def tell(self, frames: Iterable[Any]) -> None:
        """In one write, and wait for no answer."""
        if self._inner.is_closed:
            raise exceptions.ChannelInvalidStateError("the channel is closed")
        marshalled = cast("Any", ChannelFrame).marshall(self._inner.number, frames)
        await self._inner.write_queue.put(marshalled)

    async def passed(self) -> None:
        """Wait until the broker has done all that it was told on this channel so far.

        To say that a flow goes on that was never stopped changes nothing, but is answered. Where
        the channel ended before it was asked, raises what it ended for.
        """
        try:
            await answer_of(self._inner.flow(active=True, timeout=ANSWER))
        except exceptions.ChannelInvalidStateError as error:
            raise (self._inner._close_exception or error) from None

    async def consume(self, queue: str, receive: Receiver, tag: str, prefetch: int) -> None:
        """Be pushed what is there, up to so many that are not acknowledged."""
        await answer_of(self._inner.basic_qos(prefetch_count=prefetch, timeout=ANSWER))
        consuming = self._inner.basic_consume(queue, receive, consumer_tag=tag, timeout=ANSWER)
        await answer_of(consuming)

    async def cancel(self, tags: Iterable[str]) -> None:
        """Be pushed nothing more; all that was on its way has come then."""
        for tag in tags:
            await answer_of(self._inner.basic_cancel(tag, timeout=ANSWER))
        await self.passed()
        for tag in tags:
            del self._inner.consumers[tag]

    async def depth(self, queue: str) -> tuple[int, int]:
        """How many messages are ready, and how many consume."""
        answer = await answer_of(self._inner.queue_declare(queue, passive=True, timeout=ANSWER))
        return answer.message_count or 0, answer.consumer_count or 0

    async def get(self, queue: str) -> Delivered | None:
        """One message, as if it had been pushed; or the queue's own word that it has none."""
        found = await answer_of(self._inner.basic_get(queue, timeout=ANSWER))
        return found if isinstance(found.delivery, spec.Basic.GetOk) else None

    async def purge(self, queue: str) -> int:
        """Drop what is ready; how many that were."""
        answer = await answer_of(self._inner.queue_purge(queue, timeout=ANSWER))
        return answer.message_count or 0

    async def close(self) -> None:
        """What it holds goes back. Never raises: gone is gone."""
        with suppress(Exception, asyncio.CancelledError):
            await self._inner.close(timeout=ANSWER)


async def answer_of(asked: Awaitable[T]) -> T:
    """What comes of a question; where the connection ends meanwhile, an error that says so.

    aiormq cancels what waits for an answer that cannot come any more, raises no more than
    `Exception`, or, where the end is known before the question is sent, `StopAsyncIteration`. Of a
    channel that ended and whose connection did so, too, it wants to tell twice.
    """
    try:
        return await asked
    except asyncio.InvalidStateError as error:
        raise exceptions.ChannelInvalidStateError("the channel is closed") from error
    except (asyncio.CancelledError, Exception) as error:
        if not _is_no_answer(error):
            raise
        raise exceptions.AMQPConnectionError("it ended before it answered") from error


def _is_no_answer(error: BaseException) -> bool:
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or not task.cancelling()
    return type(error) in (Exception, StopAsyncIteration)
