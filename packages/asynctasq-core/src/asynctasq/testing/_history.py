"""A model of the contract in plain Python, and histories that a driver and the model both live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import strategies as st

from asynctasq.driver import Ack, Delivery, Driver, Message
from asynctasq.testing._outcomes import EVERY_OUTCOME
from asynctasq.testing._rig import Rig

Step: TypeAlias = tuple[str, Any]

QUEUES = 2

histories: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.tuples(st.just("enqueue"), st.lists(st.integers(0, QUEUES - 1), max_size=4)),
        st.tuples(st.just("enqueue_again"), st.integers(0, 9)),
        st.tuples(st.just("dequeue"), st.tuples(st.integers(1, 5), st.booleans())),
        st.tuples(st.just("settle"), st.lists(st.integers(0, 3), max_size=6)),
        st.tuples(st.just("settle_again"), st.lists(st.integers(0, 3), max_size=3)),
        st.tuples(st.just("extend"), st.integers(1, 4)),
        st.tuples(st.just("purge"), st.integers(0, QUEUES - 1)),
    ),
    max_size=25,
)
"""What to do, and with what: numbers choose among what there is at that point."""


@dataclass
class Stored:
    """A message as the model knows it."""

    message: Message
    place: int
    """Its turn; what was given back in one batch shares one."""
    attempt: int = 1
    deliveries: int = 0


class History:
    """One life of two fresh queues. Every step is taken by the driver and by the model."""

    def __init__(self, rig: Rig, driver: Driver) -> None:
        self._rig = rig
        self._driver = driver
        self._can = driver.capabilities
        self._queues = rig.queues(QUEUES)
        self._waiting: dict[str, list[Stored]] = {queue: [] for queue in self._queues}
        self._held: list[tuple[Delivery, Stored]] = []
        self._spent: list[Delivery] = []
        self._dead: list[Stored] = []
        self._places = 0

    async def live(self, steps: Sequence[Step]) -> None:
        """Take the steps, compare after each, and see at the end that nothing is left over."""
        for name, choice in steps:
            await getattr(self, f"_{name}")(choice)
            await self._compare()
        while any(self._waiting.values()):
            await self._dequeue((5, False))
        await self._driver.settle([Ack(delivery) for delivery, _ in self._held])
        await self._rig.nothing(self._driver, self._queues, "more came than was stored", wait=0)

    def _next_place(self) -> int:
        self._places += 1
        return self._places

    async def _enqueue(self, queues: list[int]) -> None:
        batch = [self._rig.message(self._queues[n], b"payload %d" % n) for n in queues]
        await self._rig.put(self._driver, batch)
        for message in batch:
            self._waiting[message.queue].append(Stored(message, self._next_place()))

    async def _enqueue_again(self, choice: int) -> None:
        waiting = [stored for line in self._waiting.values() for stored in line]
        stored = [*waiting, *(held for _, held in self._held), *self._dead]
        if stored and self._can.idempotent_enqueue:
            message = stored[choice % len(stored)].message
            other = self._rig.message(message.queue, b"another", id=message.id)
            await self._rig.put(self._driver, [other])

    async def _dequeue(self, choice: tuple[int, bool]) -> None:
        limit, backwards = choice
        names = self._queues[::-1] if backwards else self._queues
        waits = any(self._waiting.values())
        wait = self._rig.patience if waits else 0.0
        came = await self._driver.dequeue(names, limit=limit, wait=wait)
        assert bool(came) == waits, f"{len(came)} came, while the queues hold {self._waiting}"
        assert len(came) <= limit, f"limit={limit} gave {len(came)}"
        for delivery in came:
            self._take(names, delivery)

    def _take(self, names: Sequence[str], delivery: Delivery) -> None:
        line = self._waiting[delivery.queue]
        stored = next((s for s in line if s.message.id == delivery.id), None)
        assert stored is not None, f"a message came that is not pending: {delivery}"
        if self._can.fifo:
            assert stored.place <= min(s.place for s in line), "fifo: its seniors still wait"
        if self._can.strict_queue_order:
            earlier = names[: names.index(delivery.queue)]
            assert not any(self._waiting[queue] for queue in earlier), (
                "strict_queue_order: an earlier queue has due messages"
            )
        line.remove(stored)
        stored.deliveries += 1
        assert (delivery.body, delivery.attempt, delivery.deliveries) == (
            stored.message.body,
            stored.attempt,
            stored.deliveries,
        ), "body, attempt or deliveries are not what they were to be"
        self._held.append((delivery, stored))

    async def _settle(self, kinds: list[int]) -> None:
        chosen, self._held = self._held[: len(kinds)], self._held[len(kinds) :]
        outcomes = [EVERY_OUTCOME[k](d) for k, (d, _) in zip(kinds, chosen, strict=False)]
        answer = await self._driver.settle(outcomes)
        assert answer.lost == (), "all of them were held"
        place = self._next_place()
        for outcome, (delivery, stored) in zip(outcomes, chosen, strict=True):
            self._spent.append(delivery)
            self._give_back(outcome.name, stored, place)

    def _give_back(self, outcome: str, stored: Stored, place: int) -> None:
        if outcome == "dead_letter":
            self._dead.append(stored)
        elif outcome == "retry":
            stored.attempt += 1
            stored.place = place
            self._waiting[stored.message.queue].append(stored)
        elif outcome == "release":
            stored.deliveries -= self._can.uncounted_release
            self._waiting[stored.message.queue].append(stored)

    async def _settle_again(self, kinds: list[int]) -> None:
        chosen = zip(kinds, reversed(self._spent), strict=False)
        outcomes = [EVERY_OUTCOME[kind](delivery) for kind, delivery in chosen]
        answer = await self._driver.settle(outcomes)
        if self._can.reports_lost:
            assert len(answer.lost) == len(outcomes), "a receipt was used twice"

    async def _extend(self, count: int) -> None:
        answer = await self._driver.extend([delivery for delivery, _ in self._held[:count]])
        assert answer.lost == (), "all of them were held"

    async def _purge(self, choice: int) -> None:
        line = self._waiting[self._queues[choice]]
        answer = await self._driver.purge(self._queues[choice])
        assert answer.count in (len(line), None), f"{len(line)} were pending: {answer}"
        line.clear()

    async def _compare(self) -> None:
        if not self._can.exact_stats:
            return
        for queue, stats in zip(self._queues, await self._driver.stats(self._queues), strict=True):
            running = sum(stored.message.queue == queue for _, stored in self._held)
            dead = sum(stored.message.queue == queue for stored in self._dead)
            assert stats.pending == len(self._waiting[queue]), f"pending: {stats}"
            assert stats.running in (running, None), f"{running} are running: {stats}"
            assert stats.dead in (dead, None), f"{dead} are dead: {stats}"
