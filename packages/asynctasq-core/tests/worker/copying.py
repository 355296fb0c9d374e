"""A backend as brokers are: a lease is the connection, receipts end with it, copies come again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from msgspec.structs import replace

from asynctasq.driver import Delivery, Outcome, Renewed, Retry, Settled
from asynctasq.errors import OutcomeUnknown
from asynctasq.memory import MemoryDriver
from asynctasq.memory._store import STORE


class Copying(MemoryDriver):
    """Keeps its messages in the memory backend. `cut` ends its connection, `copies` come again."""

    capabilities = replace(
        MemoryDriver.capabilities, lease="connection", atomic=frozenset(("ack",))
    )
    held: ClassVar[list[Delivery]]
    void: ClassVar[set[object]]
    asked: ClassVar[int] = 0
    """How often it was asked for more: what came before is taken over."""
    copies: ClassVar[list[Delivery]]
    """Handed out before all else, by the texts that are their receipts."""
    sent: ClassVar[list[Outcome]]
    """Every outcome that was to be settled, in order."""
    before_settle: ClassVar[list[Callable[[], Any]]]
    """Each is called before one call to `settle`; raises `OutcomeUnknown` if it gives True."""

    @classmethod
    def fresh(cls) -> type[Copying]:
        """One of a test's own."""
        state = {"held": [], "void": set(), "copies": [], "sent": [], "before_settle": []}
        return type("OfThisTest", (cls,), state)

    @classmethod
    def cut(cls) -> None:
        """All that is unacknowledged is due again; no receipt of before holds any more."""
        with STORE.lock:  # from another thread, too: none is handed out anew before all is void
            held, cls.held[:] = tuple(cls.held), ()
            cls.void.update(delivery.receipt for delivery in held)
            for delivery in held:
                queue = STORE.queues[delivery.queue]
                task = queue.held(delivery)
                if task is not None and task.state == "running":
                    queue.wait(task, 0.0, 1.0)

    async def dequeue(self, queues: Any, *, limit: int, wait: float) -> Any:
        type(self).asked += 1
        if not self.copies:
            taken = await super().dequeue(queues, limit=limit, wait=min(wait, 0.02))
            came = [replace(d, origin=d.origin or f"of {d.id}", lease=60.0) for d in taken]
            self.held.extend(came)
            return tuple(came)
        came, self.copies[:] = tuple(self.copies), ()
        return came

    async def settle(self, outcomes: Any) -> Settled:
        self.sent.extend(outcomes)
        unknown = bool(self.before_settle) and self.before_settle.pop(0)()
        mine = [o for o in outcomes if not isinstance(o.delivery.receipt, str)]
        good = [o for o in mine if o.delivery.receipt not in self.void]
        lost = [o.delivery for o in outcomes if o.delivery.receipt in self.void]
        answer = await super().settle(good)
        for outcome in good:
            self._count(outcome)
        if unknown:
            raise OutcomeUnknown([o.delivery.id for o in outcomes])
        return Settled((*lost, *answer.lost))

    def _count(self, outcome: Outcome) -> None:
        """The copy of a retry knows of its deliveries what the one before it knew."""
        task = STORE.queues[outcome.delivery.queue].tasks.get(outcome.delivery.id)
        if isinstance(outcome, Retry) and task is not None:
            task.deliveries = outcome.delivery.deliveries

    async def extend(self, deliveries: Any) -> Renewed:
        return Renewed(tuple(d for d in deliveries if d.receipt in self.void))
