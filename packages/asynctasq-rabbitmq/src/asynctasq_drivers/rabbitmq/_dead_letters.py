"""`TaskStore`, as far as AMQP can: dead letters, which are found by looking at all of a queue."""

from __future__ import annotations

from bisect import insort
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from operator import itemgetter
from uuid import UUID

import msgspec
from msgspec import Struct

from asynctasq.driver import QUEUE_NAME, StoredTask, TaskPage, TaskRef, TaskState
from asynctasq.errors import InvalidMessage, Unsupported
from asynctasq_drivers.rabbitmq import _messages
from asynctasq_drivers.rabbitmq._browsing import View, view
from asynctasq_drivers.rabbitmq._channel import Delivered
from asynctasq_drivers.rabbitmq._errors import of_asking
from asynctasq_drivers.rabbitmq._lifecycle import Lifecycle
from asynctasq_drivers.rabbitmq._line import MOST
from asynctasq_drivers.rabbitmq._log import log
from asynctasq_drivers.rabbitmq._messages import Parcel
from asynctasq_drivers.rabbitmq._topology import dead_queue


class _Place(Struct, frozen=True, order=True, array_like=True):
    """Where a dead letter stands in a listing."""

    queue: str
    died_at: float
    id: UUID


class _First:
    """Of dead letters that pass by, those that died first, from a place on: no more than a page.

    Of a task that is there twice, as its settling broke off, the one that died first.
    """

    def __init__(self, queue: str, count: int, after: _Place | None) -> None:
        self._queue = queue
        self._count = count
        self._after = after
        self._places: dict[UUID, _Place] = {}
        self._not_the_first: list[_Place] = []
        self.found: list[tuple[_Place, Delivered]] = []
        """In their order."""
        self.next: _Place | None = None
        """The first of those that come after them."""

    def pass_by(self, message: Delivered) -> bool:
        """Look at one. It is not to be kept anywhere else."""
        place = _place(self._queue, message)
        other = self._places.get(place.id)
        if other is None or place < other:
            self._places[place.id] = place
            if other is not None:
                self._forget(other)
            if self._after is None or place > self._after:
                self._keep(place, message)
        return False

    @property
    def end(self) -> _Place | None:
        """Where the next page goes on: where nothing is left on this one, behind what was."""
        if self.found:
            return self.found[-1][0]
        passed = (place for place in self._not_the_first if not self.next or place < self.next)
        return max(passed, default=self._after)

    def _forget(self, place: _Place) -> None:
        left = [pair for pair in self.found if pair[0] != place]
        if len(left) < len(self.found):
            self._not_the_first.append(place)
        self.found = left

    def _keep(self, place: _Place, message: Delivered) -> None:
        if self.next is not None and place > self.next:
            return
        insort(self.found, (place, message), key=itemgetter(0))
        if len(self.found) > self._count:
            self.next, _ = self.found.pop()


class DeadLetters(Lifecycle):
    """A driver's look at single tasks."""

    async def get(self, ref: TaskRef) -> StoredTask | None:
        self._running()
        return await self._spawned(self._get(ref))

    async def _get(self, ref: TaskRef) -> StoredTask | None:
        async with self._of(ref.queue, {ref.id}) as found:
            messages = found.messages
            return _messages.stored_task(ref.queue, messages[0]) if messages else None

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        self._running()
        if status != "dead":
            raise Unsupported(f"RabbitMQ cannot look at {status} tasks, only at dead ones")
        after = None if cursor is None else _place_of(cursor)
        return await self._spawned(self._list(queue, limit, after))

    async def _list(self, queue: str | None, limit: int, after: _Place | None) -> TaskPage:
        names = [queue] if queue is not None else await self._queue_names()
        most = min(limit, self._context.task_scan_limit)
        tasks: list[StoredTask] = []
        for name in names:
            if after is not None and name < after.queue:
                continue
            first = _First(name, most - len(tasks), after)
            async with self._view(name, first.pass_by):
                pass
            tasks += [_messages.stored_task(name, message) for _, message in first.found]
            after = first.end
            if first.next is not None:
                return TaskPage(tuple(tasks), msgspec.json.encode(after).decode())
        return TaskPage(tuple(tasks), None)

    async def retry_dead(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        self._running()
        return await self._spawned(self._each_queue(refs, replay=True))

    async def delete(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        self._running()
        return await self._spawned(self._each_queue(refs, replay=False))

    async def _each_queue(self, refs: Sequence[TaskRef], *, replay: bool) -> tuple[TaskRef, ...]:
        done: list[TaskRef] = []
        for queue in dict.fromkeys(ref.queue for ref in refs):
            ids = {ref.id for ref in refs if ref.queue == queue}
            async with self._of(queue, ids) as found:
                meant: Sequence[Delivered] = tuple(found.messages)
                if replay:
                    meant = await self._replayed(queue, meant)
                await found.remove(meant)
                done += [TaskRef(queue, _messages.id_of(m)) for m in meant]
        return tuple(dict.fromkeys(done))

    async def _replayed(self, queue: str, dead: Sequence[Delivered]) -> Sequence[Delivered]:
        """Those of which a copy is confirmed; of a letter that is there twice, one copy."""
        if not dead:
            return []
        by_id = {_messages.id_of(message): message for message in dead}
        parcels = [self._replay(queue, message) for message in by_id.values()]
        failures = await self._publisher.publish(parcels)
        stored = {parcel.id for n, parcel in enumerate(parcels) if n not in failures}
        if failures and not stored:
            raise next(iter(failures.values()))
        return [message for message in dead if _messages.id_of(message) in stored]

    def _replay(self, queue: str, message: Delivered) -> Parcel:
        task = _messages.stored_task(queue, message)
        sent = message.header.properties.timestamp
        properties = _messages.properties_of_replay(task, sent)
        exchange, key = self._names.route(queue, 0.0)
        return Parcel(exchange, key, message.body, properties, queue, task.ref.id)

    @asynccontextmanager
    async def _of(self, queue: str, ids: Collection[UUID]) -> AsyncGenerator[View]:
        """Those dead letters of a queue; looked at until each was seen."""
        left = set(ids)

        def is_last(message: Delivered) -> bool:
            left.discard(_messages.id_of(message))
            return not left

        async with self._view(queue, lambda m: _messages.id_of(m) in ids, is_last) as found:
            yield found

    @asynccontextmanager
    async def _view(
        self,
        queue: str,
        wanted: Callable[[Delivered], bool],
        enough: Callable[[Delivered], bool] = lambda _: False,
    ) -> AsyncGenerator[View]:
        if not QUEUE_NAME.fullmatch(queue):
            raise InvalidMessage(f"queue {queue[:200]!r}: expected {QUEUE_NAME.pattern}")
        connection = await self._publishing.connection()
        try:
            async with view(connection, dead_queue(queue), wanted, enough) as found:
                if found.seen >= MOST:
                    log.warning("queue %s has more dead letters than can be looked at", queue)
                yield found
        except Exception as error:
            raise of_asking(error) from error


def _place(queue: str, message: Delivered) -> _Place:
    return _Place(queue, _messages.died_at(message) or 0.0, _messages.id_of(message))


def _place_of(cursor: str) -> _Place:
    try:
        return msgspec.json.decode(cursor, type=_Place)
    except (msgspec.MsgspecError, UnicodeError):
        raise InvalidMessage("cursor: expected one that this listing gave") from None
