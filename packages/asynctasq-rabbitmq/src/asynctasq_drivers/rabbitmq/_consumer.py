"""Consuming: the broker pushes, as far as there is a use for it.

Each queue that is asked for has a consumer, whose *prefetch* is what was asked for: so much may be
unacknowledged. It goes on between one dequeue and the next, so that what comes meanwhile is there
at once. Where nobody asks again it ends, and what it was pushed is given back to others.

Of several queues, a later one has a consumer only once the earlier ones turned out to be empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import count
from time import monotonic
from typing import Any, Final, TypeAlias

from aiormq import exceptions as client

from asynctasq.driver import Delivery
from asynctasq.errors import DriverError
from asynctasq_drivers.rabbitmq._channel import Delivered, Receiver
from asynctasq_drivers.rabbitmq._errors import of_consuming
from asynctasq_drivers.rabbitmq._line import FOR_A_WHILE, Line, Waiter
from asynctasq_drivers.rabbitmq._log import log
from asynctasq_drivers.rabbitmq._session import Held, Session
from asynctasq_drivers.rabbitmq._sessions import Sessions

IDLE: Final = 1.0
"""Seconds after which nobody is taken to ask again."""
_CALLS: Final = count(1)
Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], asyncio.Future[None]]


class Consumer:
    """What is pushed to one instance, and who there waits for it."""

    def __init__(
        self,
        sessions: Sessions,
        per_slot: int,
        give_back: Callable[[Sequence[Delivery]], Awaitable[bool]],
        drop: Callable[[Session, Held], None],
        spawn: Spawn,
    ) -> None:
        self._sessions = sessions
        self._per_slot = per_slot
        self._give_back = give_back
        self._drop = drop
        self._spawn = spawn
        self._lines: dict[str, Line] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self, queues: Sequence[str], limit: int, wait: float) -> tuple[Delivery, ...]:
        """See `Driver.dequeue`."""
        try:
            with self._waiting(queues, limit) as (waiter, lines):
                if found := await self._wait(waiter, lines, monotonic() + wait):
                    return found
            return await self._last_look(lines, limit, wait)
        except DriverError:
            if self._closed:
                return ()  # a wait that ends with the driver
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                return ()  # what it waited for was cut off at the end
            raise

    async def _wait(
        self, waiter: Waiter, lines: Sequence[Line], deadline: float
    ) -> tuple[Delivery, ...]:
        while not self._closed:
            waiter.news = False
            patient = deadline - monotonic() > FOR_A_WHILE
            if found := await self._look(lines, waiter.limit, patient=patient):
                return found
            left = deadline - monotonic()
            if left <= 0:
                break
            short = any(line.short for line in lines)
            await waiter.woken(min(left, FOR_A_WHILE) if short else left)
            await self._all_arrived(lines, waiter.limit)
        return ()

    @contextmanager
    def _waiting(self, queues: Sequence[str], limit: int) -> Generator[tuple[Waiter, list[Line]]]:
        waiter = Waiter(limit)
        lines = [self._lines.setdefault(queue, Line(queue)) for queue in queues]
        for line in lines:
            line.waiting.append(waiter)
        try:
            yield waiter, lines
        finally:
            for line in lines:
                line.waiting.remove(waiter)
                if not line.buffer:
                    line.touched = monotonic()
            self._watch()

    async def _look(
        self, lines: Sequence[Line], limit: int, *, patient: bool
    ) -> tuple[Delivery, ...]:
        """What is there, in the order of the queues: none before the one before it was asked."""
        session = await self._sessions.current(line.queue for line in lines)
        taken: list[Delivery] = []
        for line in lines:
            if more := line.growth(self._per_slot, monotonic(), patient=patient):
                # Cancelled, it goes on: a channel does not survive a call that was broken off.
                await asyncio.shield(self._spawn(self._begin(session, line, more)))
            taken += self._pop(session, line, limit - len(taken))
            if line.short:  # soon it has room again, and no later queue has its turn before
                break
            if taken and (len(taken) >= limit or line.missing(self._per_slot)):
                break
        return tuple(taken)

    async def _last_look(
        self, lines: Sequence[Line], limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        """Who waited for long asks again at once; for others the consumers end here."""
        session = self._sessions.open
        if session is None or self._closed:
            return ()
        if wait < IDLE:
            idle = [line for line in lines if not line.waiting]
            ends = [self._spawn(self._end(session, line)) for line in idle]
            await asyncio.shield(asyncio.gather(*ends))
        taken: list[Delivery] = []
        for line in lines:
            taken += self._pop(session, line, limit - len(taken))
        return tuple(taken)

    @staticmethod
    async def _all_arrived(lines: Sequence[Line], limit: int) -> None:
        """What the broker pushes at once is read in several turns of the loop."""
        before, now = -1, 0
        while before < now < limit:
            await asyncio.sleep(0)
            before, now = now, sum(len(line.buffer) for line in lines)

    def _pop(self, session: Session, line: Line, limit: int) -> list[Delivery]:
        taken: list[Delivery] = []
        if session.ended:
            return taken
        kept: list[Held] = []
        while line.buffer and len(taken) < limit:
            held = line.buffer.popleft()
            other = self._sessions.other(held)
            if other is None:
                self._sessions.hand(held)
                taken.append(held.delivery)
            elif other.settling is None and held.delivery.attempt <= other.delivery.attempt:
                self._drop(session, held)  # a copy of what is at work here
            else:
                kept.append(held)
        line.buffer.extendleft(reversed(kept))
        if taken:
            line.touched = monotonic()
        return taken

    async def _begin(self, session: Session, line: Line, more: int) -> None:
        """Let the broker push so many more, as far as wanted, and what is there already come."""
        async with line.lock:
            more = min(more, line.missing(self._per_slot))
            if not more or session.ended or line.buffer:
                return
            tag = f"{line.queue}/{next(_CALLS)}"
            line.tags.append(tag)
            line.window += more
            try:
                async with session.lock:
                    receive = self._receiver(session, line)
                    await session.channel.consume(line.queue, receive, tag, more)
                await session.channel.passed()
            except (client.AMQPError, OSError, TimeoutError, RuntimeError) as error:
                self._sessions.abandon(session)
                raise of_consuming(error) from error

    async def _end(self, session: Session, line: Line) -> None:
        """Let the broker push nothing more; what it did push, and nobody asked for, goes back."""
        async with line.lock:
            if session.ended or line.waiting:
                return
            try:
                if line.may_be_pushed:
                    # What an acknowledgement makes room for is pushed after it. To a consumer that
                    # has ended meanwhile it is not, but counted as given back.
                    await self.reach(session, line.queue)
                if not line.waiting and (tags := line.end()):
                    await session.channel.cancel(tags)
            except (client.AMQPError, OSError, TimeoutError, RuntimeError) as error:
                log.debug("a consumer ends with its channel: %s", error)
                self._sessions.abandon(session)

    def _receiver(self, session: Session, line: Line) -> Receiver:
        async def receive(delivered: Delivered) -> None:
            if (held := self._sessions.received(session, line.queue, delivered)) is not None:
                line.arrived(held, delivered.consumer_tag)

        return receive

    async def reach(self, session: Session, queue: str) -> None:
        """Have a queue itself answer, which it does after all that it was told before."""
        line = self._lines[queue]
        line.stirred = False
        if (found := await session.channel.get(queue)) is not None:
            await self._receiver(session, line)(found)

    def settled(self, held: Held) -> None:
        """It is acknowledged."""
        self._lines[held.delivery.queue].settled(held)

    def look_again(self, queues: Iterable[str]) -> None:
        """What could not be handed out may be by now."""
        for queue in queues:
            if (line := self._lines[queue]).buffer:
                line.wake()

    def lost(self) -> None:
        """The channel is gone: begin anew."""
        for line in self._lines.values():
            line.reset()
            line.wake()

    def _watch(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(IDLE, self._end_idle)

    def _end_idle(self) -> None:
        """What nobody has asked for in a while goes to others."""
        self._timer, now, open_ = None, monotonic(), False
        for line in self._lines.values():
            if line.waiting or not (line.tags or line.buffer):
                continue
            if now - line.touched >= IDLE:
                self._spawn(self.give_up(line.queue))
            else:
                open_ = True
        if open_:
            self._watch()

    async def give_up(self, queue: str) -> None:
        """Consume a queue no longer, and give back what of it nobody asked for."""
        if (line := self._lines.get(queue)) is None or (session := self._sessions.open) is None:
            return
        await self._end(session, line)
        if line.waiting or session.ended:
            return
        found = self.empty(queue)
        if not await self._give_back([held.delivery for held in found]):
            # Else it would be held here, and handed out by nobody.
            line.buffer.extendleft(reversed([h for h in found if session.held(h.delivery.receipt)]))
            line.touched = monotonic()
            line.wake()
            self._watch()

    async def discard(
        self, queue: str, acknowledge: Callable[[Session, Sequence[Held]], Awaitable[None]]
    ) -> int:
        """Consume a queue no longer, and acknowledge what of it nobody asked for."""
        if (line := self._lines.get(queue)) is None or (session := self._sessions.open) is None:
            return 0
        await self._end(session, line)
        if found := self.empty(queue):
            await acknowledge(session, found)
        return len(found)

    def empty(self, queue: str) -> list[Held]:
        """What of a queue nobody asked for, taken out."""
        if (line := self._lines.get(queue)) is None:
            return []
        found, line.buffer = list(line.buffer), type(line.buffer)()
        return found

    def unasked(self, queue: str) -> int:
        """How many are here that nobody asked for."""
        return len(line.buffer) if (line := self._lines.get(queue)) else 0

    def at_work(self, queue: str) -> int:
        """How many somebody here has asked for, and not settled."""
        return line.unacked - len(line.buffer) if (line := self._lines.get(queue)) else 0

    def stop(self) -> None:
        """End the waits, and take nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for line in self._lines.values():
            line.wake()

    async def close(self) -> None:
        """Give back all that nobody asked for."""
        for queue in self._lines:
            await self.give_up(queue)
