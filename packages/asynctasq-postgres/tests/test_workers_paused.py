"""A worker that stops for longer than its lease, in or after a transaction: one effect."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from asynctasq.worker import Worker

from .effects import gates, pay
from .servers.own import ask
from .shop import LEASE, QUEUE, Shop, once, until

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]


async def paused(process: subprocess.Popen[bytes]) -> None:
    """Wait for it."""
    pid, status = await asyncio.to_thread(os.waitpid, process.pid, os.WUNTRACED)
    assert (pid, os.WIFSTOPPED(status)) == (process.pid, True)


def has_ended(shop: Shop) -> bool:
    """Whether the lease of the only task has."""
    return ask(shop.dsn, "SELECT locked_until < now() FROM task_queue") == [True]


def deliveries(shop: Shop) -> list[int]:
    """Of what is completed, how often each was handed out."""
    return sorted(ask(shop.dsn, "SELECT deliveries FROM task_queue_completed"))


@pytest.mark.parametrize("point", ["before begin", "begun", "written"])
async def test_who_has_lost_its_lease_before_it_acknowledges_commits_nothing(
    shop: Shop, point: str
) -> None:
    shop.init(keep_completed_tasks=True)
    handle = await pay().on_queue(QUEUE).visibility_timeout(LEASE).dispatch()
    with shop.worker(point, "SIGSTOP") as process:
        await paused(process)
        async with Worker([QUEUE]) as successor:
            assert await handle.result(timeout=20) == 1
            await until(lambda: successor.completed == 1, "its successor has done it")
        process.send_signal(signal.SIGCONT)
        await until(lambda: f"{handle.id} (queue {QUEUE}) was lost" in shop.told(), "it is told")
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert shop.effects() == once("pay", [handle.id])
    assert (shop.tasks(), deliveries(shop)) == (0, [2])


async def test_who_has_lost_its_lease_to_somebody_who_still_works_commits_nothing(
    shop: Shop, gate: asyncio.Event
) -> None:
    shop.init(keep_completed_tasks=True)
    handle = await pay().on_queue(QUEUE).visibility_timeout(LEASE).dispatch()
    with shop.worker("written", "SIGSTOP") as process:
        await paused(process)
        async with Worker([QUEUE]) as successor:
            held = "SELECT deliveries FROM task_queue"
            await until(lambda: ask(shop.dsn, held) == [2], "its successor has it")
            process.send_signal(signal.SIGCONT)
            told = f"{handle.id} (queue {QUEUE}) was lost"
            await until(lambda: told in shop.told(), "it is told")
            assert not shop.effects()
            gate.set()
            assert await handle.result(timeout=20) == 1
            await until(lambda: successor.completed == 1, "its successor has done it")
    assert shop.effects() == once("pay", [handle.id])
    assert (shop.tasks(), deliveries(shop)) == (0, [2])


@pytest.fixture
def gate() -> Iterator[asyncio.Event]:
    """What tasks in this process wait for in their blocks."""
    made = asyncio.Event()
    gates.append(made)
    yield made
    gates.remove(made)


@pytest.mark.parametrize("point", ["settled", "commit under way"])
async def test_who_has_acknowledged_and_not_committed_keeps_its_task_beyond_its_lease(
    shop: Shop, point: str
) -> None:
    options = {"keep_completed_tasks": True}
    shop.init(**options)
    handle = await pay().on_queue(QUEUE).visibility_timeout(LEASE).dispatch()
    with shop.worker(point, "SIGSTOP", **options) as process:
        await paused(process)
        if point == "settled":
            await until(lambda: has_ended(shop), "its lease ends")
        async with Worker([QUEUE]) as other:
            further = await pay().on_queue(QUEUE).dispatch()
            assert await further.result(timeout=20) == 1
            process.send_signal(signal.SIGCONT)
            assert await handle.result(timeout=20) == 1
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert shop.effects() == once("pay", [handle.id, further.id])
    assert (shop.tasks(), deliveries(shop), other.completed) == (0, [1, 1], 1)


@pytest.mark.parametrize("point", ["committed", "returned"])
async def test_who_has_committed_still_stores_its_result_long_after_its_lease(
    shop: Shop, point: str
) -> None:
    handle = await pay().on_queue(QUEUE).visibility_timeout(LEASE).dispatch()
    with shop.worker(point, "SIGSTOP") as process:
        await paused(process)
        assert (shop.effects(), shop.tasks()) == (once("pay", [handle.id]), 0)
        await asyncio.sleep(1.2 * LEASE)  # how long is the point
        process.send_signal(signal.SIGCONT)
        assert await handle.result(timeout=20) == 1
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert "lost" not in shop.told()
    assert (shop.effects(), shop.tasks()) == (once("pay", [handle.id]), 0)
