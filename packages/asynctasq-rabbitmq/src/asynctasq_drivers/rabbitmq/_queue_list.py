"""Which task queues there are: AMQP cannot list queues, so that each is noted when it is made."""

from __future__ import annotations

from uuid import UUID

from asynctasq_drivers.rabbitmq._browsing import view
from asynctasq_drivers.rabbitmq._channel import spec
from asynctasq_drivers.rabbitmq._client import Connection
from asynctasq_drivers.rabbitmq._messages import Parcel
from asynctasq_drivers.rabbitmq._publisher import Publisher
from asynctasq_drivers.rabbitmq._topology import Names

_NOBODY = UUID(int=0)


class QueueList:
    """A queue that holds the name of each task queue, at least once."""

    def __init__(self, names: Names, publisher: Publisher) -> None:
        self._names = names
        self._publisher = publisher

    async def add(self, queue: str) -> None:
        """Note a name. Raises `DriverError`."""
        properties = spec.Basic.Properties(message_id=f"queue {queue}", delivery_mode=2)
        parcel = Parcel("", self._names.queues, queue.encode(), properties, "", _NOBODY)
        for error in (await self._publisher.publish([parcel], again=False)).values():
            raise error

    async def names(self, connection: Connection) -> list[str]:
        """All that were noted; what was noted twice is so no longer. Raises what `view` does."""
        async with view(connection, self._names.queues) as found:
            by_name = {message.body: message for message in found.messages}
            await found.remove([m for m in found.messages if by_name[m.body] is not m])
            return sorted(name.decode(errors="replace") for name in by_name)
