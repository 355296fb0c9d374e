"""Publishing: with confirms, many in flight, and never silence.

A message is stored when the broker has confirmed it. It is *mandatory*: one that no queue takes
comes back, as when somebody has deleted the queue. Then what is missing is declared again, and it
is published once more. So it is where the exchange is gone, for which the broker ends the channel,
if nothing else was under way there: of what was, it is not known what it had done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from aiormq import exceptions as client

from asynctasq.errors import BackendRefused, DriverError, DriverUnavailable
from asynctasq_drivers.rabbitmq._channel import ANSWER, Channel
from asynctasq_drivers.rabbitmq._client import Connection
from asynctasq_drivers.rabbitmq._errors import of_asking, of_lost_channel, of_sending
from asynctasq_drivers.rabbitmq._link import Link
from asynctasq_drivers.rabbitmq._messages import Parcel
from asynctasq_drivers.rabbitmq._topology import Topology

UNBLOCKED: Final = 5.0
"""Seconds to wait for a broker that takes nothing; then the caller hears of it."""
IN_FLIGHT: Final = 64
"""Messages that wait for their confirms at once: with more, the client library is busier looking
for whom a confirm is than with anything else."""
_MUCH: Final = 1 << 20
"""Bytes that may wait to be written without anybody waiting for them."""
_ALARM: Final = "it is short of memory or disk (an alarm is set)"
_NOWHERE: Final = (client.PublishError, client.ChannelNotFoundEntity)
"""Of a message that no queue takes, or whose exchange is not there."""
_ENDS_OF_CHANNELS: Final = (client.ChannelPreconditionFailed, client.ChannelNotFoundEntity)
"""For what one message is or asks for, at the cost of all that are under way."""
Failures: TypeAlias = dict[int, DriverError]
"""Places in what was to be published, and why it is not, or perhaps not, stored."""


class Late(TimeoutError):
    """Of what an alarm keeps the broker from reading: it will be confirmed, if the connection
    lives."""

    def __init__(self, confirm: asyncio.Future[None]) -> None:
        self.confirm = confirm
        super().__init__(_ALARM)


def alarmed() -> DriverUnavailable:
    """Of what was not sent."""
    return DriverUnavailable(f"RabbitMQ takes no messages now: {_ALARM}")


class Publisher:
    """Publishes on one channel of a connection that nothing is consumed on.

    A broker that is short of memory or disk stops reading from who publishes: acknowledgements must
    not wait behind that.
    """

    def __init__(self, link: Link, topology: Topology) -> None:
        self._link = link
        self._topology = topology
        self._channel: Channel | None = None
        self._of: Connection | None = None
        """The connection that the channel belongs to."""
        self._opening = asyncio.Lock()
        self._in_flight: dict[str, asyncio.Future[Any]] = {}
        """By id: what comes back is known by it, so that no two of an id are under way."""
        self._begun = 0
        """How many were ever published."""

    async def publish(
        self, parcels: Sequence[Parcel], *, again: bool = True, patient: bool = False
    ) -> Failures:
        """Store these. Never raises `DriverError`: what was not stored is in the answer.

        ``again``: publish those that no queue took once more, with all declared anew. ``patient``:
        what an alarm holds up goes on, and the cause of its failure is `Late`.
        """
        try:
            connection = await self._ready()
            await self._declare(connection, parcels)
            channel = await self._open_channel(connection)
        except DriverError as error:
            return dict.fromkeys(range(len(parcels)), error)
        errors = await self._send(connection, channel, parcels, patient)
        returned = [n for n, e in enumerate(errors) if again and isinstance(e, _NOWHERE)]
        failures = {
            n: _failure(parcels[n], e)
            for n, e in enumerate(errors)
            if e is not None and n not in returned
        }
        if returned:
            failures |= await self._send_again(connection, parcels, returned)
        return failures

    async def _ready(self) -> Connection:
        connection = await self._link.connection()
        await self._unblocked(connection)
        return connection

    @staticmethod
    async def _unblocked(connection: Connection) -> None:
        if not connection.is_blocked:
            return
        try:
            async with asyncio.timeout(UNBLOCKED):
                await connection.unblocked()
        except TimeoutError as error:
            raise alarmed() from error

    async def _open_channel(self, connection: Connection) -> Channel:
        if (channel := self._open(connection)) is not None:
            return channel
        async with self._opening:
            if (channel := self._open(connection)) is not None:
                return channel
            try:
                self._channel = await connection.channel(confirms=True)
                self._of = connection
            except Exception as error:
                raise of_asking(error) from error
            return self._channel

    def _open(self, connection: Connection) -> Channel | None:
        channel = self._channel
        there = channel is not None and self._of is connection and not channel.is_closed
        return channel if there else None

    async def _send(
        self, connection: Connection, channel: Channel, parcels: Sequence[Parcel], patient: bool
    ) -> Sequence[BaseException | None]:
        """For each, what came instead of its confirm.

        A broker may still read what was written to it, so that a connection where a confirm is
        late does not go on. Unless an alarm is why: another one would not know of it, and be
        written to again.
        """
        if len(parcels) == 1 and not patient:
            # Most often; it is spared the task that it would need beside others.
            return [await self._send_one(connection, channel, parcels[0])]
        errors: list[BaseException | None] = []
        for start in range(0, len(parcels), IN_FLIGHT):
            part = parcels[start : start + IN_FLIGHT]
            try:
                await self._unblocked(connection)
            except DriverUnavailable as error:  # of an alarm that has come meanwhile
                return [*errors, *[error] * (len(parcels) - start)]
            errors += await self._send_part(connection, channel, part, patient)
        return errors

    async def _send_part(
        self, connection: Connection, channel: Channel, parcels: Sequence[Parcel], patient: bool
    ) -> Sequence[BaseException | None]:
        """The same, all in flight at once."""
        wait = _is_much(parcels)
        work = [
            asyncio.ensure_future(self._publish_one(channel, parcel, wait)) for parcel in parcels
        ]
        for task in work:
            task.add_done_callback(_error_of)  # whoever asks has it, or nobody
        _, late = await asyncio.wait(work, timeout=ANSWER)
        if not late:
            return [_error_of(task) for task in work]
        if patient and connection.is_blocked:
            return [Late(task) if task in late else _error_of(task) for task in work]
        why = self._late(connection)
        for task in late:
            task.cancel()
        await asyncio.wait(late)
        return [why if task in late else _error_of(task) for task in work]

    async def _send_one(
        self, connection: Connection, channel: Channel, parcel: Parcel
    ) -> BaseException | None:
        """The same, for one that goes alone."""
        try:
            async with asyncio.timeout(ANSWER):
                await self._publish_one(channel, parcel, _is_much((parcel,)))
        except TimeoutError:
            return self._late(connection)
        except Exception as error:
            return error
        return None

    def _late(self, connection: Connection) -> TimeoutError:
        """What to say of those that are not confirmed in time; to be called before they end."""
        if connection.is_blocked:
            return TimeoutError(_ALARM)
        self._link.abort()
        return TimeoutError(f"no answer within {ANSWER:g} s")

    async def _publish_one(self, channel: Channel, parcel: Parcel, wait: bool) -> None:
        id = parcel.properties.message_id
        while (other := self._in_flight.get(id)) is not None:
            await asyncio.wait((other,))
        alone = not self._in_flight
        self._begun += 1
        last = self._begun
        done = self._in_flight[id] = asyncio.get_running_loop().create_future()
        try:
            await channel.publish(
                parcel.body, parcel.exchange, parcel.key, parcel.properties, wait=wait
            )
        except _ENDS_OF_CHANNELS as error:
            if isinstance(error, client.ChannelNotFoundEntity):
                self._topology.forget()
            if alone and last == self._begun:
                raise
            # It may be another that the channel ended for, and this one may be stored.
            raise of_lost_channel(error, (parcel.id,)) from error
        finally:
            del self._in_flight[id]
            done.set_result(None)

    async def _send_again(
        self, connection: Connection, parcels: Sequence[Parcel], places: Sequence[int]
    ) -> Failures:
        self._topology.forget()
        try:
            await self._declare(connection, [parcels[place] for place in places])
            channel = await self._open_channel(connection)
        except DriverError as error:
            return dict.fromkeys(places, error)
        again = [parcels[place] for place in places]
        errors = await self._send(connection, channel, again, patient=False)
        return {
            place: _failure(parcels[place], error)
            for place, error in zip(places, errors, strict=True)
            if error is not None
        }

    async def _declare(self, connection: Connection, parcels: Sequence[Parcel]) -> None:
        """See that all is there that these need, as far as is known. Raises `DriverError`.

        On the connection that they go out on: of one before it, what was there may be gone.
        """
        queues = {parcel.queue for parcel in parcels if parcel.queue}
        delay = max(parcel.delay for parcel in parcels)
        if not all(self._topology.has(queue, delay) for queue in queues):
            await self._topology.ensure(connection, sorted(queues), delay)


def _is_much(parcels: Iterable[Parcel]) -> bool:
    return sum(len(parcel.body) for parcel in parcels) > _MUCH


def _error_of(task: asyncio.Future[None]) -> BaseException | None:
    # A channel that ends cancels what waits for its confirms.
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def _failure(parcel: Parcel, error: BaseException) -> DriverError:
    if isinstance(error, DriverError):
        return error
    made = _translated(parcel, error)
    made.__cause__ = error
    return made


def _translated(parcel: Parcel, error: BaseException) -> DriverError:
    if isinstance(error, _NOWHERE):
        return DriverUnavailable(f"RabbitMQ has no queue for {parcel.key!r}, declared a moment ago")
    if isinstance(error, client.DeliveryError):
        # The queue is full by a policy, or its leader is not there.
        return DriverUnavailable(
            f"RabbitMQ takes no message for {parcel.key!r} now (nack): the queue is full by a "
            "policy, or has no leader"
        )
    if isinstance(error, client.ChannelAccessRefused) and _place(parcel) in str(error):
        return of_asking(error)
    if isinstance(error, client.ChannelPreconditionFailed):
        return BackendRefused(f"RabbitMQ refused: {error}")
    return of_sending(error, (parcel.id,))


def _place(parcel: Parcel) -> str:
    """As RabbitMQ names where a message was to go."""
    return f"exchange '{parcel.exchange or 'amq.default'}'"
