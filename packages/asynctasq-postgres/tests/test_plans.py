"""Every statement finds its rows through an index, however many are waiting.

The plans are those by which the server runs what a driver sends, on the driver's own connection:
auto_explain tells them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from asynctasq.driver import Ack, Context, DeadLetter, Failure, Outcome, Release, Retry
from asynctasq_drivers.postgres import PostgresDriver
from tools.backends import Room

from .drivers import made, message, opened, record
from .servers.own import ask, server

EXPLAINING: Final = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
}
IN_A_HURRY: Final = {
    "autovacuum": "off",  # which would analyse
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
    "synchronous_commit": "off",
}
OURS: Final = "SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace"
SET: Final = "UPDATE pg_class SET reltuples = {}, relpages = {} WHERE oid IN ({})"
STATISTICS: Final = {
    "never analysed": SET.format(-1, 0, OURS),
    "analysed while hardly anything waited": SET.format(5, 400, OURS),
    "analysed while empty": SET.format(0, 400, OURS),
    "analysed": "ANALYZE",
}
FAILURE: Final = Failure("ValueError", "no", "Traceback")
DEFAULT: Final = Context()

Plan: TypeAlias = dict[str, Any]

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    settings = {**EXPLAINING, **IN_A_HURRY}.items()
    with server(*(word for name, value in settings for word in ("-c", f"{name}={value}"))) as made:
        yield made


@pytest.fixture(scope="module")
def filled(room: Room) -> Room:
    asyncio.run(made(room.url).migrate())
    ask(room, (Path(__file__).parent / "filled.sql").read_text(encoding="utf-8"))
    ask(room, "VACUUM")
    return room


@pytest.fixture(params=STATISTICS.values(), ids=[*STATISTICS])
def known(request: pytest.FixtureRequest, filled: Room) -> Room:
    """With statistics that may mislead the planner."""
    return with_statistics(filled, request.param)


def with_statistics(filled: Room, sql: str) -> Room:
    ask(filled, f"DELETE FROM pg_statistic WHERE starelid IN ({OURS})")
    ask(filled, sql)
    return filled


class Explained:
    """A driver with one connection, and the plans of what it has sent."""

    def __init__(self, driver: PostgresDriver) -> None:
        self.driver = driver
        self._told: list[Plan] = []

    def hear(self, _: object, message: Any) -> None:
        text = message.message.partition("plan:")[2]
        if text:
            self._told.append(json.loads(text))

    def plans(self, sql: str = "") -> list[Plan]:
        """What was told since the last time, of that statement, or of all of ours."""
        told, self._told = self._told, []
        # The client library asks for types, too.
        return [plan["Plan"] for plan in told if (sql or '"task_queue') in plan["Query Text"]]


@asynccontextmanager
async def explained(
    room: Room, context: Context = DEFAULT, **options: Any
) -> AsyncGenerator[Explained]:
    async with opened(room.url, context, min_pool_size=1, max_pool_size=1, **options) as driver:
        made = Explained(driver)
        connection: Any = await driver._pool.take()
        connection.add_log_listener(made.hear)
        driver._pool.give(connection)
        yield made
        connection.remove_log_listener(made.hear)


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def kinds(plan: Plan) -> list[str]:
    return [node["Node Type"] for node in nodes(plan)]


def blocks(plan: Plan) -> int:
    """That were read, from memory or not."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def lines(plan: Plan, depth: int = 0) -> str:
    """As people read it."""
    words = ("Node Type", "Relation Name", "Index Name", "Index Cond", "Filter", "Actual Rows")
    told = " | ".join(str(plan[word]) for word in words if word in plan)
    rest = (lines(part, depth + 1) for part in plan.get("Plans", ()))
    return "\n".join((f"{'  ' * depth}{told} | {blocks(plan)} blocks", *rest))


def check(plans: list[Plan], count: int) -> None:
    """Each finds its rows through an index."""
    assert len(plans) >= count
    for plan in plans:
        reading = [node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
        assert reading == [], lines(plan)
    dear = [lines(plan) for plan in plans if blocks(plan) > 600]
    assert not dear, "\n\n".join(dear)


async def every_verb(driver: PostgresDriver) -> None:
    """What workers and their senders do."""
    await driver.enqueue([message() for _ in range(10)])
    taken = await driver.dequeue(["mail"], limit=10, wait=0.0)
    assert len(taken) == 10
    assert not (await driver.extend(taken)).lost
    acks = [Ack(delivery, record(delivery)) for delivery in taken[:5]]
    dead: list[Outcome] = [
        DeadLetter(delivery, FAILURE, record(delivery)) for delivery in taken[5:7]
    ]
    rest: list[Outcome] = [Retry(taken[7], 0.0, FAILURE), Release(taken[8]), Ack(taken[9])]
    assert not (await driver.settle(acks)).lost
    assert not (await driver.settle([*dead, *rest])).lost
    assert await driver.dequeue(["later"], limit=10, wait=0.2) == ()
    assert await driver.result(taken[0].ref, 0.0) is not None
    await driver.store([record(taken[0])])
    await driver.get(taken[7].ref)
    assert await driver.retry_dead([taken[5].ref, taken[6].ref])
    assert await driver.delete([taken[5].ref, taken[6].ref])
    async with driver.transaction() as connection:
        (delivery,) = await driver.dequeue(["mail"], limit=1, wait=0.0)
        assert await driver.settle_in(connection, Ack(delivery))


@pytest.mark.parametrize("pgbouncer", [False, True])
@pytest.mark.parametrize("keep", [False, True])
async def test_no_statement_reads_all_that_waits(known: Room, pgbouncer: bool, keep: bool) -> None:
    context = Context(keep_completed_tasks=keep)
    async with explained(known, context, pgbouncer=pgbouncer) as it:
        for _ in range(2):
            await every_verb(it.driver)
        sql = it.driver._sql
        plans = it.plans()
        check(plans, 20)
        waited: list[Plan] = []
        async with asyncio.timeout(20):  # not asked by a look that took all of its time
            while not waited:
                await it.driver.dequeue(["later"], limit=10, wait=0.2)
                waited = it.plans(sql.next_due)
        assert max(map(blocks, waited)) < 20


async def test_sending_looks_up_each_record_by_its_key(known: Room) -> None:
    async with explained(known) as it:
        for _ in range(2):
            await it.driver.enqueue([message() for _ in range(10)])
        check(it.plans(it.driver._sql.enqueue), 2)


QUEUES: Final = {
    "one of many": ["mail"],
    "several": ["nobody", "few", "later", "many-1", "many-2", "mail"],
    "nothing due": ["later", "nobody"],
    "more than there is": ["few", "nobody"],
}


@pytest.mark.parametrize("pgbouncer", [False, True])
@pytest.mark.parametrize("queues", QUEUES.values(), ids=[*QUEUES])
async def test_the_order_of_hand_outs_comes_from_the_index(
    known: Room, pgbouncer: bool, queues: list[str]
) -> None:
    async with explained(known, pgbouncer=pgbouncer) as it:
        for _ in range(3):
            taken = await it.driver.dequeue(queues, limit=20, wait=0.0)
            await it.driver.settle([Release(delivery) for delivery in taken])
        plans = it.plans(it.driver._sql.dequeue)
        assert len(plans) == 3
        for plan in plans:
            assert not [kind for kind in kinds(plan) if "Sort" in kind], lines(plan)
            looks = [node for node in nodes(plan) if node.get("Index Name") == "task_queue_line"]
            assert looks, lines(plan)
            assert all("queue" in node["Index Cond"] for node in looks), lines(plan)
            assert blocks(plan) < 400, lines(plan)


async def test_taking_costs_the_same_with_a_thousand_times_as_many_waiting(filled: Room) -> None:
    ask(filled, "ANALYZE")
    names: dict[str, Any] = {"queue_table": "small", "dead_letter_table": "small_dead"}
    async with explained(filled) as large, explained(filled, **names) as small:
        for driver in (large.driver, small.driver):
            await driver.enqueue([message(queue="new") for _ in range(1000)])
        costs = []
        for it, queue in ((small, "new"), (large, "new"), (large, "mail")):
            for _ in range(3):
                assert len(await it.driver.dequeue([queue], limit=10, wait=0.0)) == 10
            costs.append([blocks(plan) for plan in it.plans(it.driver._sql.dequeue)])
        assert max(costs[2]) < 1.5 * max(costs[0]) + 20, costs
