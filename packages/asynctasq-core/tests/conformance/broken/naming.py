"""Drivers that name the sending wrongly which a delivery stems from."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from asynctasq.driver import Delivery
from asynctasq.memory import MemoryDriver

from ..modest import ModestDriver  # noqa: TID252


class NamesNoOrigin(ModestDriver):
    """Settles by copies, and leaves a worker to run the copy of what it has finished."""

    caught_by = "Origins"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        return tuple(structs.replace(delivery, origin=None) for delivery in taken)


class NamesTheTask(ModestDriver):
    """A task that is replayed would be dropped by the worker that had it."""

    caught_by = "Origins"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        return tuple(structs.replace(delivery, origin=str(delivery.id)) for delivery in taken)


class NamesTheCopy(ModestDriver):
    """Every copy has a name of its own, so that none is known to be one."""

    caught_by = "Origins"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        return tuple(
            structs.replace(delivery, origin=f"{delivery.origin}-{delivery.deliveries}")
            for delivery in taken
        )


class NamesWhatIsOneStep(MemoryDriver):
    """Each outcome is one step: what it names is kept in mind for nothing."""

    caught_by = "Origins"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        return tuple(structs.replace(delivery, origin=str(delivery.id)) for delivery in taken)
