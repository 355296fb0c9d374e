"""From where events happen to the emitters: bounded, batched, on a thread and loop of its own."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from asynctasq.events._emitter import EventEmitter, Selective
from asynctasq.events._logging import LoggingEventEmitter
from asynctasq.events._types import Event

logger = logging.getLogger("asynctasq")
CAPACITY = 10_000
_CLOSE_WITHIN = 5.0


class EventBus:
    """Takes events from any thread and never blocks it; what does not fit is dropped and counted.

    The emitters given are told in addition to the log. A slow or failing emitter delays and loses
    events, never tasks.
    """

    def __init__(self, emitters: Sequence[EventEmitter] = (), capacity: int = CAPACITY) -> None:
        self.dropped: int = 0
        """Events that found the buffer full."""
        self._emitters: tuple[EventEmitter, ...] = (LoggingEventEmitter(), *emitters)
        selective = [emitter for emitter in self._emitters if isinstance(emitter, Selective)]
        self._wants_all = len(selective) < len(self._emitters)
        self._wants = [emitter.wants for emitter in selective]
        self._capacity = capacity
        self._waiting: deque[Event] = deque()
        self._lock = threading.Lock()
        self._teller: _Teller | None = None
        self._closed = False

    def wants(self, kind: type[Event]) -> bool:
        """Whether anybody listens to this kind: else there is no need to make the event."""
        if self._wants_all:
            return True
        # Asked several times a task: a generator, or one more call, would cost as much as the rest.
        for wants in self._wants:
            try:
                if wants(kind):
                    return True
            except (Exception, SystemExit):  # one that cannot say is told
                logger.exception("event emitter %r failed", wants)
                return True
        return False

    def emit(self, event: Event) -> None:
        """Tell an event, soon. Never blocks and never raises."""
        with self._lock:
            if self._closed or len(self._waiting) >= self._capacity:
                self.dropped += 1
                return
            self._waiting.append(event)
            (self._teller or self._start()).wake()

    def retire(self) -> threading.Thread | None:
        """Take no more; the thread tells what waits, closes the emitters and ends. Idempotent."""
        with self._lock:
            self._closed = True
            teller, self._teller = self._teller, None
            if teller is None:
                return None
            teller.stop()
        atexit.unregister(self.close_now)
        return teller.thread

    def abandon(self) -> None:
        """Forget this bus in a forked child, where its thread is not; the parent tells its events.

        Nothing of it may be touched: its lock may be held, and its loop belongs to the parent.
        """
        atexit.unregister(self.close_now)

    def close_now(self) -> None:
        """Retire, and wait for up to five seconds until that is done."""
        if thread := self.retire():
            thread.join(_CLOSE_WITHIN)
            if thread.is_alive():
                logger.warning("an event emitter did not finish in time: not all was told")
        if self.dropped:
            logger.warning("%d events were dropped: an emitter was too slow", self.dropped)

    async def close(self) -> None:
        """`close_now`, without blocking the loop."""
        await asyncio.to_thread(self.close_now)

    def _start(self) -> _Teller:
        self._teller = teller = _Teller(self._waiting, self._emitters)
        atexit.register(self.close_now)
        return teller


class _Teller:
    """The thread that calls the emitters."""

    def __init__(self, waiting: deque[Event], emitters: Sequence[EventEmitter]) -> None:
        self._waiting = waiting
        self._emitters = emitters
        self._loop = asyncio.new_event_loop()
        self._news = asyncio.Event()
        self._awake = False
        self._stopping = False
        self.thread = threading.Thread(target=self._run, name="asynctasq-events", daemon=True)
        self.thread.start()

    def wake(self) -> None:
        """There is something to tell; costs nothing while it is known."""
        if not self._awake:
            self._awake = True
            self._ring()

    def stop(self) -> None:
        """Tell the rest, close the emitters and end; does not wait for that."""
        self._stopping = True
        self._ring()

    def _ring(self) -> None:
        with suppress(RuntimeError):  # its loop is closed: it has told what there was
            self._loop.call_soon_threadsafe(self._news.set)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            while not self._has_told(runner):
                logger.error("an event emitter has stopped the loop of all emitters: it goes on")

    def _has_told(self, runner: asyncio.Runner) -> bool:
        """Tell, for as long as there may be something; False: an emitter has ended that."""
        try:
            runner.run(self._tell())
        except (asyncio.CancelledError, RuntimeError):
            return self._stopping
        return True

    async def _tell(self) -> None:
        while not self._stopping or self._waiting:
            await self._news.wait()
            self._news.clear()
            self._awake = False
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            for emitter in self._emitters if batch else ():
                await _shielded(emitter, emitter.emit, batch)
        for emitter in self._emitters:
            await _shielded(emitter, emitter.close)


async def _shielded(
    emitter: EventEmitter, method: Callable[..., Awaitable[None]], *batch: Sequence[Event]
) -> None:
    """What an emitter raises is logged, and keeps no other from being told."""
    try:
        await method(*batch)
    except BaseException:  # a SystemExit ends no more than this either
        logger.exception("event emitter %r failed", type(emitter).__qualname__)
