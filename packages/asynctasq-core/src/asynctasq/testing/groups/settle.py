"""The four outcomes, alone and mixed."""

from __future__ import annotations

import asyncio

from asynctasq.driver import Ack, DeadLetter, Driver, Failure, Release, Retry
from asynctasq.testing._doomed import DoomedLoop
from asynctasq.testing._group import Group
from asynctasq.testing._outcomes import EVERY_OUTCOME, dead, one_of_each, retry
from asynctasq.testing._rig import Rig

HARD_TEXTS = ("", "nul \x00 in it", "surrogate \ud800 in it", "'; DROP TABLE x; --", "\N{SNOWMAN}")


class Settle(Group):
    """`Driver.settle`, when all goes well."""

    async def test_what_ended_never_comes_again(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 2, visibility_timeout=self.lease))
        done, failed = await rig.take(driver, queue, 2)
        answer = await driver.settle([Ack(done), dead(failed)])
        assert answer.lost == (), "both were held when they were settled"
        why = "it was acknowledged or dead-lettered before its lease ended"
        await rig.nothing(second, queue, why, wait=rig.runs_for([done]) + 2 * self.quiet)

    async def test_a_retry_is_due_again_and_a_release_too(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 2))
        failed, unrun = await rig.take(driver, queue, 2)
        await driver.settle([retry(failed), Release(unrun)])
        again = {d.id: d for d in await rig.take(second, queue, 2)}
        assert again[failed.id].attempt == 2, "a retry is the next attempt"
        assert again[unrun.id].attempt == 1, "a release is no attempt"

    async def test_one_outcome_leaves_the_others_alone(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 5))
        held = await rig.take(driver, queue, 5)
        await driver.settle([Ack(held[2])])
        rest = [d for d in held if d is not held[2]]
        answer = await driver.settle([Release(d) for d in rest])
        assert answer.lost == (), "acknowledging one message took others with it"
        came = await rig.take(driver, queue, 4)
        assert {d.id for d in came} == {d.id for d in rest}

    async def test_a_batch_may_be_mixed(self, rig: Rig, driver: Driver) -> None:
        queues = rig.queues(2)
        await rig.put(driver, (m for queue in queues for m in rig.messages(queue, 8)))
        held = await rig.take(driver, queues, 16)
        assert (await driver.settle(one_of_each(held))).lost == ()
        came = {d.id: d.attempt for d in await rig.take(driver, queues, 8)}
        assert came == {d.id: 2 for d in held[1::4]} | {d.id: 1 for d in held[3::4]}
        await rig.nothing(driver, queues, "the other half is done or dead")

    async def test_a_batch_may_be_large(self, rig: Rig, driver: Driver, queue: str) -> None:
        await rig.put(driver, rig.messages(queue, 160))
        held = await rig.take(driver, queue, 160)
        assert (await driver.settle(one_of_each(held))).lost == ()
        came = await rig.take(driver, queue, 80)
        assert len({d.id for d in came}) == 80, "every second outcome gives the message back"

    async def test_an_empty_batch_of_outcomes_is_no_error(self, driver: Driver) -> None:
        assert (await driver.settle([])).lost == ()
        assert (await driver.extend([])).lost == ()

    def test_round_trips_do_not_grow_with_the_batch(self, bench: Rig) -> None:
        few, many = self._waits(bench, 20), self._waits(bench, 200)
        assert many - few < 90, (
            f"20 outcomes waited {few} times for the backend, 200 did {many} times: one by one?"
        )

    def _waits(self, bench: Rig, count: int) -> int:
        loop, driver, queue = DoomedLoop(), bench.new(), bench.queue()
        loop.run(driver.open())
        loop.run(bench.put(driver, bench.messages(queue, count)))
        held = loop.run(bench.take(driver, queue, count, within=4 * self.patience))
        before = loop.waits
        loop.run(driver.settle(one_of_each(held)))
        waits = loop.waits - before
        loop.bury(driver)
        return waits

    async def test_settling_twice_changes_nothing(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 4))
        outcomes = one_of_each(await rig.take(driver, queue, 4))
        await driver.settle(outcomes)
        repeated = await driver.settle(outcomes)
        if driver.capabilities.reports_lost:
            named = {d.id for d in repeated.lost}
            assert named == {o.delivery.id for o in outcomes}, "what had happened is then in lost"
        came = await rig.take(driver, queue, 2)
        assert sorted(d.attempt for d in came) == [1, 2], "the repetition happened once more"
        await rig.nothing(driver, queue, "each outcome happened once")

    async def test_a_settled_delivery_cannot_be_settled_otherwise(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 4))
        held = await rig.take(driver, queue, 4)
        await driver.settle(one_of_each(held))
        for outcome in EVERY_OUTCOME:
            answer = await driver.settle([outcome(d) for d in held])
            expected = len(held) if driver.capabilities.reports_lost else len(answer.lost)
            assert len(answer.lost) == expected, "given back since, so nothing was changed"
        came = await rig.take(driver, queue, 2)
        assert sorted(d.attempt for d in came) == [1, 2], "a receipt was used twice"
        await rig.nothing(driver, queue, "a receipt was used twice")

    async def test_of_two_concurrent_outcomes_one_happens(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 10))
        held = await rig.take(driver, queue, 10)
        twice = [driver.settle([retry(d)]) for d in held for _ in range(2)]
        answers = await asyncio.gather(*twice)
        if driver.capabilities.reports_lost:
            assert sum(len(a.lost) for a in answers) == 10, "one of the two found it given back"
        came = await rig.take(driver, queue, 10)
        await rig.nothing(driver, queue, "one delivery gave two messages")
        assert {d.attempt for d in came} == {2}

    async def test_a_failure_may_hold_any_text(self, rig: Rig, driver: Driver, queue: str) -> None:
        await rig.put(driver, rig.messages(queue, 2 * len(HARD_TEXTS)))
        held = await rig.take(driver, queue, 2 * len(HARD_TEXTS))
        for text, delivery, other in zip(HARD_TEXTS, held[::2], held[1::2], strict=True):
            failure = Failure(f"Error{text}", text, text * 5000)
            answer = await driver.settle(
                [Retry(delivery, 0.0, failure), DeadLetter(other, failure)]
            )
            assert answer.lost == (), f"what an error says must not strand its task: {text!r}"
        await rig.take(driver, queue, len(HARD_TEXTS))
