"""Connections that are cut while tasks run: each goes on, once, and ends on its new delivery."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

import asynctasq
from asynctasq import task
from asynctasq.driver import Ack, TaskRef
from asynctasq.worker import Worker
from asynctasq_drivers.rabbitmq import _consumer
from asynctasq_drivers.rabbitmq._session import Session
from tools.backends import Room

from .channels import channel_on
from .holding import QUEUE, held_there, message, opened, rest, taken, until
from .servers.own import is_empty, wait_for
from .servers.proxy import Proxy, proxy

runs: Counter[str] = Counter()
gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
doors: defaultdict[str, threading.Event] = defaultdict(threading.Event)


@task(name="rabbitmq.adopting.wait", queue=QUEUE, max_attempts=1)
async def wait(key: str, fails: bool = False) -> None:
    runs[key] += 1
    await gates[key].wait()
    if fails:
        raise LookupError(key)


@task(name="rabbitmq.adopting.block", queue=QUEUE, max_attempts=1)
def block(key: str) -> None:
    runs[key] += 1
    assert doors[key].wait(30)


@task(name="rabbitmq.adopting.apart", queue=QUEUE, max_attempts=1, process=True)
def apart(folder: str) -> None:
    with Path(folder, "ran").open("a") as file:
        file.write("x")
    while not Path(folder, "go").exists():
        os.sched_yield()


@asynccontextmanager
async def working(url: str, **orders: int) -> AsyncGenerator[Worker]:
    """One by way of that URL, which is also where tasks are sent to."""
    asynctasq.init({"driver": "rabbitmq", "rabbitmq_url": url, "store_results": False})
    try:
        async with Worker([QUEUE], **orders) as worker:
            yield worker
    finally:
        await asynctasq.close()


def cut(between: Proxy) -> None:
    """All connections end; new ones are let in at once."""
    between.cut()
    between.heal()


async def cut_and_adopted(between: Proxy, sessions: list[Session], count: int) -> None:
    """Once more, until all those that run are held on the new connection."""
    known = len(sessions)
    cut(between)
    await until(
        lambda: len(sessions) > known and len(sessions[-1].unacked) == count, "all are held again"
    )


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_what_runs_while_its_connection_is_cut_runs_once_and_completes(
    vhost: str, stack: AsyncExitStack, tmp_path: Path, sessions: list[Session]
) -> None:
    key, thread = str(tmp_path), f"{tmp_path}/thread"
    between = stack.enter_context(proxy(vhost))
    async with working(between.url, concurrency=20) as worker:
        for _ in range(10):
            await wait(key).dispatch()
        for _ in range(2):
            await block(thread).dispatch()
        await apart(key).dispatch()
        await until(lambda: runs[key] == 10 and runs[thread] == 2, "they run")
        await until(Path(key, "ran").exists, "the process runs")
        for _ in range(2):
            await cut_and_adopted(between, sessions, 13)
        gates[key].set()
        doors[thread].set()
        await asyncio.to_thread(Path(key, "go").touch)
        await until(lambda: worker.completed == 13, "all are completed")
    assert (runs[key], runs[thread]) == (10, 2)
    assert await asyncio.to_thread(Path(key, "ran").read_text) == "x"
    assert not await rest(await opened(stack, vhost))


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_cuts_are_no_losses(
    vhost: str, stack: AsyncExitStack, sessions: list[Session]
) -> None:
    between = stack.enter_context(proxy(vhost))
    async with working(between.url) as worker:
        handle = await wait(vhost, fails=True).dispatch()
        await until(lambda: runs[vhost], "it runs")
        for _ in range(4):  # one more than max_losses
            await cut_and_adopted(between, sessions, 1)
        gates[vhost].set()
        await until(lambda: worker.failed, "it has failed")
    dead = await (await opened(stack, vhost)).get(TaskRef(QUEUE, handle.id))
    assert dead is not None
    assert dead.failure is not None
    assert (dead.failure.type, dead.attempt, dead.deliveries) == ("LookupError", 1, 1)
    assert runs[vhost] == 1


@pytest.mark.concurrent
@pytest.mark.asyncio
@pytest.mark.parametrize("concurrency", [1, 10])  # with a slot that asks for more, and without
async def test_what_ends_while_the_connection_is_away_is_settled_later_and_not_run_again(
    vhost: str, rabbitmq_server: Room, stack: AsyncExitStack, concurrency: int
) -> None:
    between = stack.enter_context(proxy(vhost))
    async with working(between.url, concurrency=concurrency) as worker:
        await wait(vhost).dispatch()
        await until(lambda: runs[vhost], "it runs")
        between.cut()
        gates[vhost].set()
        await until(lambda: worker.snapshot().backend == "away", "it could not be settled")
        between.heal()
        await until(lambda: worker.completed == 1, "it is completed")
        await asyncio.to_thread(
            wait_for, lambda: is_empty(rabbitmq_server, vhost, QUEUE), "it is settled"
        )
    assert runs[vhost] == 1


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_what_another_was_handed_meanwhile_is_its_own(
    vhost: str, stack: AsyncExitStack
) -> None:
    between = stack.enter_context(proxy(vhost))
    async with working(between.url) as worker:
        await wait(vhost).dispatch()
        await until(lambda: runs[vhost], "it runs")
        between.cut()
        other = await opened(stack, vhost)
        (held,) = await taken(other)
        assert held.deliveries == 2, "here it is a loss"
        gates[vhost].set()
        between.heal()
        await until(lambda: worker.snapshot().backend == "connected", "it is there again")
        await wait(vhost).dispatch()
        await until(lambda: worker.completed, "it goes on")
        assert not (await other.settle([Ack(held)])).lost, "nobody has settled it"
    assert runs[vhost] == 2, "what the other had did not run here once more"
    assert not await rest(other)


@pytest.mark.asyncio
async def test_what_was_pushed_and_never_handed_out_has_lost_nothing(
    vhost: str, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_consumer, "IDLE", 60.0)  # so that nothing is given back meanwhile
    between = stack.enter_context(proxy(vhost))
    driver = await opened(stack, between.url, prefetch_count=5)
    await driver.enqueue([message() for _ in range(5)])
    for _ in range(3):
        await taken(driver)
        await until(lambda: driver._consumer.unasked(QUEUE) == 4, "the others were pushed as well")
        session = driver._sessions.open
        assert session
        cut(between)
        await until(lambda s=session: s.ended, "it has noticed")
    held = await taken(driver, 5)
    assert [one.losses for one in held] == [0] * 5


@pytest.mark.concurrent
@pytest.mark.asyncio
@pytest.mark.parametrize("concurrency", [1, 10])  # one after the other has ended, and beside it
@pytest.mark.parametrize("cut_at", ["before", "after", "confirm"])
async def test_a_worker_that_gets_both_halves_runs_each_attempt_once(
    vhost: str, rabbitmq_server: Room, stack: AsyncExitStack, cut_at: str, concurrency: int
) -> None:
    """Or two copies, as the confirm of the first was lost."""
    between = stack.enter_context(proxy(vhost))
    rounds = [("retry", True, 2), ("dead", True, 1)]
    if cut_at != "confirm":  # of what completes there is no copy
        rounds.insert(0, ("ack", False, 1))
    async with working(between.url, concurrency=concurrency) as worker:
        for number, (key, fails, attempts) in enumerate(rounds, start=1):
            gates[vhost + key].clear()
            await wait(vhost + key, fails=fails).max_attempts(attempts).retry_after(0).dispatch()
            await until(lambda k=key: runs[vhost + k], "it runs")
            break_off(between, cut_at)
            gates[vhost + key].set()
            await until(lambda n=number: between.lost == n, "its settling broke off")
            await until(lambda k=key, n=attempts: runs[vhost + k] >= n, "its attempts have run")
            # What came of the other half is the worker's to say: nobody else takes it before.
            await asyncio.to_thread(
                wait_for, lambda: is_empty(rabbitmq_server, vhost, QUEUE), "it ended"
            )
        await until(lambda: ended(worker) == len(rounds), "all have ended")
        assert not await rest(await opened(stack, vhost))
    assert {key: runs[vhost + key] for key, *_ in rounds} == {key: n for key, _, n in rounds}
    driver = await opened(stack, vhost)
    assert len((await driver.list("dead", QUEUE, 10)).tasks) == 2


def break_off(between: Proxy, cut_at: str) -> None:
    if cut_at == "confirm":
        between.lose_replies(to="basic.ack")
    elif cut_at == "before":
        between.cut_before("basic.ack")
    else:
        between.cut_after("basic.ack")


def ended(worker: Worker) -> int:
    return worker.completed + sum(queue.dead for queue in worker.snapshot().queues)


@pytest.mark.asyncio
async def test_a_copy_of_what_has_ended_here_begins_no_run(
    vhost: str, rabbitmq_server: Room
) -> None:
    asynctasq.init({"driver": "rabbitmq", "rabbitmq_url": vhost, "store_results": False})
    await wait(vhost).dispatch()
    await asynctasq.close()
    (sent,) = await held_there(vhost, QUEUE)
    gates[vhost].set()
    async with working(vhost) as worker, channel_on(vhost) as channel:
        await until(lambda: worker.completed, "it has ended")
        await asyncio.to_thread(
            wait_for, lambda: is_empty(rabbitmq_server, vhost, QUEUE), "it is settled"
        )
        for _ in range(3):
            properties = sent.header.properties
            await channel.basic_publish(sent.body, routing_key=QUEUE, properties=properties)
        await wait(vhost + "next").dispatch()
        gates[vhost + "next"].set()
        await until(lambda: worker.completed > 1, "what came after the copies has ended")
        await asyncio.to_thread(
            wait_for, lambda: is_empty(rabbitmq_server, vhost, QUEUE), "copies are no more"
        )
    assert runs[vhost] == 1
