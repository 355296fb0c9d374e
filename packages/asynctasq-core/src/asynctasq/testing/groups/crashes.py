"""The process dies at any await of a call; another one looks at what the backend then holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import pytest

from asynctasq.driver import (
    Ack,
    DeadLetter,
    Delivery,
    Driver,
    Outcome,
    Record,
    Release,
    ResultStore,
    TaskStore,
)
from asynctasq.testing._deaths import Call, Death, Doom
from asynctasq.testing._doomed import MANY, DoomedLoop
from asynctasq.testing._group import Group, needs
from asynctasq.testing._outcomes import FAILURE, dead, one_of_each, retry
from asynctasq.testing._rig import Rig

T = TypeVar("T")


def settle_each(outcome: Callable[[Delivery], Outcome]) -> Call:
    """The call that settles all that is held in one way."""
    return lambda death: death.driver.settle([outcome(delivery) for delivery in death.held])


def ack_with_record(delivery: Delivery) -> Outcome:
    """The end of a task that succeeded."""
    return Ack(delivery, Record(delivery.ref, "completed", b"done", 60.0))


def dead_with_record(delivery: Delivery) -> Outcome:
    """The end of a task that failed for good."""
    return DeadLetter(delivery, FAILURE, Record(delivery.ref, "dead", FAILURE, None))


class Crashes(Group):
    """*After a crash* in the docstrings of the contract."""

    def test_a_retry_happened_or_did_not(self, bench: Rig) -> None:
        doom = Doom(bench, self.kill)
        with doom.at_every_await(settle_each(retry)) as deaths:
            for death, came in doom.survey(deaths, lambda d: len(d.held)):
                self._all_there(death, Counter(d.id for d in came), "retry")
                assert {d.attempt for d in came} <= ({1, 2} if death.died else {2})

    def test_a_release_happened_or_did_not(self, bench: Rig) -> None:
        doom = Doom(bench, self.kill)
        with doom.at_every_await(settle_each(Release)) as deaths:
            for death, came in doom.survey(deaths, lambda d: len(d.held)):
                self._all_there(death, Counter(d.id for d in came), "release")
                assert {d.attempt for d in came} == {1}

    def test_an_ack_happened_or_did_not(self, bench: Rig) -> None:
        doom = Doom(bench, self.kill)
        with doom.at_every_await(settle_each(Ack)) as deaths:
            for death, came in doom.survey(deaths, lambda _: 0):
                counts = Counter(d.id for d in came)
                assert set(counts.values()) <= {1}, "an acknowledgement that died made copies"
                assert death.died or not came, "settle answered, and the message came back"

    @needs(TaskStore)
    def test_a_dead_letter_is_dead_or_comes_back(self, bench: Rig) -> None:
        doom = Doom(bench, self.kill)
        with doom.at_every_await(settle_each(dead)) as deaths:
            soon = {d.queue: len(self._dead(bench, d)) for d in deaths}
            for death, came in doom.survey(deaths, lambda d: len(d.held) - soon[d.queue]):
                counts = Counter(d.id for d in came) + Counter(self._dead(bench, death))
                self._all_there(death, counts, "dead_letter")
                assert death.died or not came, "settle answered, and the message came back"

    @needs(ResultStore)
    @pytest.mark.parametrize("outcome", [ack_with_record, dead_with_record])
    def test_a_record_comes_with_its_outcome_or_not_at_all(
        self, bench: Rig, outcome: Callable[[Delivery], Outcome]
    ) -> None:
        doom = Doom(bench, self.kill)
        with doom.at_every_await(settle_each(outcome)) as deaths:
            for death, came in doom.survey(deaths, lambda _: 0):
                ended = {d.id for d in death.held} - {d.id for d in came}
                assert self._recorded(bench, death) == ended, (
                    "a record is stored in the same atomic step as its outcome"
                )

    def test_a_mixed_batch_loses_nothing(self, bench: Rig) -> None:
        doom = Doom(bench, self.kill, sent=8, held=8)
        with doom.at_every_await(lambda d: d.driver.settle(one_of_each(d.held))) as deaths:
            for death, came in doom.survey(deaths, lambda _: 4):
                given_back = {d.id for n, d in enumerate(death.held) if n % 4 in (1, 3)}
                assert given_back <= {d.id for d in came}, "a batch died, and a message with it"

    def test_an_enqueue_stored_each_message_once_or_not(self, bench: Rig) -> None:
        doom = Doom(bench, self.kill, sent=0, held=0)
        batches: dict[str, list[UUID]] = {}

        def enqueue(death: Death) -> Awaitable[Any]:
            death.sent = bench.messages(death.queue, 4)
            return death.driver.enqueue(death.sent)

        with doom.at_every_await(enqueue) as deaths:
            if deaths[0].driver.capabilities.idempotent_enqueue:
                self._look(bench, lambda d: d.enqueue([m for death in deaths for m in death.sent]))
                batches = {d.queue: [m.id for m in d.sent] for d in deaths}
            survivor = deaths[-1]
            batches[survivor.queue] = [m.id for m in survivor.sent]
            for death, came in doom.survey(deaths, lambda d: len(batches.get(d.queue, ()))):
                counts = Counter(d.id for d in came)
                assert set(counts.values()) <= {1}, "an enqueue that died stored a message twice"
                assert set(batches.get(death.queue, ())) <= set(counts), "a message is not there"

    def test_what_a_dequeue_took_comes_back_once(self, bench: Rig) -> None:
        doom = Doom(bench, self.kill, held=0)
        with doom.at_every_await(
            lambda d: d.driver.dequeue([d.queue], limit=2, wait=bench.patience)
        ) as deaths:
            for death, came in doom.survey(deaths, lambda d: len(d.sent)):
                counts = Counter(d.id for d in came)
                assert counts == {m.id: 1 for m in death.sent}, (
                    "what was taken comes back when its lease ends, exactly once"
                )
                assert {d.deliveries for d in came} <= {1, 2}

    def test_what_was_being_renewed_comes_back_once(self, bench: Rig) -> None:
        doom = Doom(bench, self.kill)
        with doom.at_every_await(lambda d: d.driver.extend(d.held)) as deaths:
            for death, came in doom.survey(deaths, lambda d: len(d.held)):
                counts = Counter(d.id for d in came)
                assert counts == {d.id: 1 for d in death.held}, "its lease ends, old or new"

    def test_an_instance_that_died_opening_hinders_nobody(self, bench: Rig, queue: str) -> None:
        for after in range(MANY):
            loop, driver = DoomedLoop(), bench.new()
            died = loop.run_until_death(driver.open(), after)
            if died and self.kill is not None:
                self.kill(driver)
            self._look(bench, lambda d: bench.put(d, [bench.message(queue)]))
            self._look(bench, lambda d: bench.one(d, queue))
            loop.bury(driver)
            if not died:
                return

    @needs(TaskStore)
    def test_replaying_leaves_each_dead_or_pending(self, bench: Rig) -> None:
        async def replay(death: Death) -> None:
            assert isinstance(death.driver, TaskStore)
            await death.driver.retry_dead([d.ref for d in death.held])

        doom = Doom(bench, self.kill, sent=2, held=2, before=settle_each(dead))
        with doom.at_every_await(replay) as deaths:
            for death, came in doom.survey(deaths, lambda _: 0):
                counts = Counter(d.id for d in came) + Counter(self._dead(bench, death))
                self._all_there(death, counts, "retry")

    @staticmethod
    def _all_there(death: Death, counts: Counter[UUID], outcome: str) -> None:
        assert set(counts) == {d.id for d in death.held}, (
            f"{outcome}: the process died between two steps, and the message is gone"
        )
        if outcome in death.driver.capabilities.atomic or not death.died:
            assert set(counts.values()) == {1}, (
                f"{outcome} is declared atomic, yet the old copy and the new one are both there"
            )

    @staticmethod
    def _look(bench: Rig, look: Callable[[Driver], Awaitable[T]]) -> T:
        async def run() -> T:
            async with bench.opened() as driver:
                return await look(driver)

        return asyncio.run(run())

    def _dead(self, bench: Rig, death: Death) -> list[UUID]:
        async def look(driver: Driver) -> list[UUID]:
            assert isinstance(driver, TaskStore)
            tasks = [await driver.get(d.ref) for d in death.held]
            return [task.ref.id for task in tasks if task is not None and task.state == "dead"]

        return self._look(bench, look)

    def _recorded(self, bench: Rig, death: Death) -> set[UUID]:
        async def look(driver: Driver) -> set[UUID]:
            assert isinstance(driver, ResultStore)
            return {d.id for d in death.held if await driver.result(d.ref, 0.0) is not None}

        return self._look(bench, look)
