"""Tasks in child processes: what runs there, what dies there, and what becomes of it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

import asynctasq
from asynctasq import task
from asynctasq.errors import TaskFailed
from asynctasq.memory import MemoryDriver
from asynctasq.processes import get_default_manager
from asynctasq.worker import Worker

SHOP = """
import asyncio, os, time
import asynctasq
from asynctasq import AsyncProcessTask, SyncProcessTask, task

def told():
    now = asynctasq.current()
    return [os.getpid(), str(now.id), now.task, now.queue, now.attempt, now.correlation_id]

def note(journal, text):
    with open(journal, "a") as notes:
        notes.write(f"{text}\\n")

class OnLoop(AsyncProcessTask[list], name="on_loop_class"):
    async def execute(self):
        await asyncio.sleep(0)
        return told()

class Plainly(SyncProcessTask[list], name="plainly_class"):
    def execute(self):
        return told()

@task(process=True)
async def on_loop():
    await asyncio.sleep(0)
    return told()

@task(process=True)
def plainly():
    return told()

@task(process=True)
async def transact():
    async with asynctasq.transaction():
        pass

class Refused(Exception):
    pass

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__("odd")

class Refuse(SyncProcessTask[None]):
    journal: str
    kind: str

    def execute(self):
        raise Refused("no ribbons") if self.kind == "plain" else Odd(1, 2)

    def should_retry(self, error):
        note(self.journal, f"asked {os.getpid()} {error}")
        return asynctasq.current().attempt < 2

    async def failed(self, error):
        note(self.journal, f"failed {os.getpid()} {type(error).__name__}: {error}")

@task(process=True)
def hold(journal, seconds=60.0):
    note(journal, os.getpid())
    time.sleep(seconds)
    return "held"

@task(process=True)
def die(journal, times):
    note(journal, os.getpid())
    if len(open(journal).readlines()) <= times:
        os._exit(7)
    return "alive"
"""


@task(name="child_processes.block")
async def block(seconds: float) -> str:
    time.sleep(seconds)  # noqa: ASYNC251
    return "blocked"


class Journal:
    """What tasks have noted, whichever process they ran in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def __str__(self) -> str:
        return str(self._path)

    def lines(self) -> list[str]:
        return self._path.read_text().splitlines()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty one."""
    return Journal(tmp_path / "journal")


@pytest.fixture
def shop(
    memory: MemoryDriver, tmp_path: Path, queue: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """A module of this test, which children import by name; one child for a worker."""
    name = f"shop_{queue.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(SHOP)
    monkeypatch.syspath_prepend(str(tmp_path))
    asynctasq.init({"driver": "memory", "process_pool_size": 1})
    yield import_module(name)
    del sys.modules[name]


@pytest.fixture
def losing(use: Callable[..., None], short_leases: Any, shop: Any, tmp_path: Path) -> Any:
    """Configures short leases, under which a lost run comes back soon."""
    short_leases.lease = 0.3
    # What children need, although the installed distributions are hidden.
    sys.path += [str(Path(msgspec.__file__).parent.parent)]
    return lambda **options: asynctasq.init(
        {"driver": "probe", "process_pool_size": 1, "keep_completed_tasks": True, **options}
    )


@pytest_asyncio.fixture(autouse=True)
async def _end_children() -> Any:
    yield
    await get_default_manager().shutdown(0)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.asyncio
async def test_each_kind_runs_in_a_child_and_knows_what_it_is(
    shop: Any, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls = (shop.OnLoop(), shop.Plainly(), shop.on_loop(), shop.plainly())
    async with Worker([queue]):
        for call in calls:
            handle = await call.on_queue(queue).correlation_id("c-1").dispatch()
            pid, *told = await handle.result(timeout=10)
            name = told.pop(1)
            assert told == [str(handle.id), queue, 1, "c-1"]
            assert name in {
                "on_loop_class",
                "plainly_class",
                *(f"{shop.__name__}.{n}" for n in ("on_loop", "plainly")),
            }
            assert [pid] == get_default_manager().get_stats()["pids"]
            assert pid != os.getpid()
    assert not get_default_manager().is_initialized
    assert gone(pid)
    assert not [record for record in caplog.records if record.levelname != "INFO"]


@pytest.mark.asyncio
async def test_in_a_child_no_task_can_acknowledge_itself(shop: Any, queue: str) -> None:
    async with Worker([queue]):
        handle = await shop.transact().on_queue(queue).max_attempts(1).dispatch()
        with pytest.raises(TaskFailed, match=r"RuntimeError: .* outside of a running async task"):
            await handle.result(timeout=10)


@pytest.mark.asyncio
async def test_a_failure_has_the_tracebacks_of_its_author_and_the_task_is_asked_in_the_child(
    shop: Any, memory: MemoryDriver, queue: str, journal: Journal, until
) -> None:
    call = shop.Refuse(str(journal), "plain").on_queue(queue).retry_after(0).max_attempts(5)
    async with Worker([queue]) as worker:
        handle = await call.dispatch()
        with pytest.raises(TaskFailed, match="no ribbons"):
            await handle.result(timeout=10)
        (child,) = get_default_manager().get_stats()["pids"]  # type: ignore[misc]
        await until(lambda: len(journal.lines()) == 3)
    asked = f"asked {child} no ribbons"
    assert journal.lines() == [asked, asked, f"failed {os.getpid()} Refused: no ribbons"]
    assert worker.failed == 2
    dead = await memory.get(handle.ref)
    assert dead is not None
    assert dead.failure is not None
    assert dead.failure.type.endswith("Refused")
    assert "in execute" in dead.failure.traceback
    assert "asynctasq/" not in dead.failure.traceback


@pytest.mark.asyncio
async def test_an_error_that_cannot_travel_is_told_by_its_text(
    shop: Any, queue: str, journal: Journal, until
) -> None:
    async with Worker([queue]):
        await shop.Refuse(str(journal), "odd").on_queue(queue).max_attempts(1).dispatch()
        await until(lambda: len(journal.lines()) == 2, 10)
    assert journal.lines()[-1].startswith(f"failed {os.getpid()} TaskFailed: ")
    assert "odd" in journal.lines()[-1]


@pytest.mark.asyncio
async def test_a_time_out_is_a_failed_attempt_and_ends_the_child(
    shop: Any, memory: MemoryDriver, queue: str, journal: Journal
) -> None:
    async with Worker([queue]) as worker:
        before = await shop.plainly().on_queue(queue).dispatch()
        child = (await before.result(timeout=10))[0]
        handle = (
            await shop.hold(str(journal)).on_queue(queue).timeout(0.3).max_attempts(1).dispatch()
        )
        with pytest.raises(TaskFailed, match="its process was killed"):
            await handle.result(timeout=10)
        assert gone(child)
        after = await shop.plainly().on_queue(queue).dispatch()
        assert await after.result(timeout=10)
    assert (worker.completed, worker.failed) == (2, 1)


@pytest.mark.asyncio
async def test_a_run_whose_child_dies_is_a_loss_and_runs_again(
    losing: Any, shop: Any, memory: MemoryDriver, queue: str, journal: Journal
) -> None:
    losing()
    async with Worker([queue]) as worker:
        handle = await shop.die(str(journal), 1).on_queue(queue).max_attempts(1).dispatch()
        assert await handle.result(timeout=10) == "alive"
    first, second = journal.lines()
    assert first != second
    assert (worker.completed, worker.failed) == (1, 0)
    ended = await memory.get(handle.ref)
    assert ended is not None
    assert (ended.attempt, ended.deliveries) == (1, 2)


@pytest.mark.asyncio
async def test_a_task_that_kills_its_children_is_dead_after_max_losses(
    losing: Any, shop: Any, queue: str, journal: Journal
) -> None:
    losing(max_losses=2)
    async with Worker([queue]):
        handle = await shop.die(str(journal), 100).on_queue(queue).dispatch()
        with pytest.raises(TaskFailed, match="worker lost"):
            await handle.result(timeout=10)
    assert len(journal.lines()) == 2


@pytest.mark.asyncio
async def test_children_are_replaced_after_their_number_of_tasks(shop: Any, queue: str) -> None:
    options = {"process_pool_size": 1, "process_pool_max_tasks_per_child": 2}
    asynctasq.init({"driver": "memory", **options})
    handles = [await shop.plainly().on_queue(queue).dispatch() for _ in range(4)]
    async with Worker([queue]):
        pids = [(await handle.result(timeout=10))[0] for handle in handles]
    assert pids[0] == pids[1] != pids[2] == pids[3]


@pytest.mark.asyncio
async def test_a_pool_that_is_there_is_used_and_left_as_it_was(shop: Any, queue: str) -> None:
    manager = get_default_manager()
    await asyncio.to_thread(lambda: asyncio.run(manager.initialize(2)))
    pids = manager.get_stats()["pids"]
    async with Worker([queue]):
        handle = await shop.plainly().on_queue(queue).dispatch()
        assert (await handle.result(timeout=10))[0] in pids  # type: ignore[operator]
    assert manager.is_initialized
    assert manager.get_stats()["pids"] == pids


@pytest.mark.asyncio
async def test_what_does_not_finish_before_a_stop_is_killed_and_given_back(
    shop: Any, memory: MemoryDriver, queue: str, journal: Journal, until
) -> None:
    asynctasq.init({"driver": "memory", "process_pool_size": 1, "shutdown_timeout": 0.1})
    handles = [await shop.hold(str(journal)).on_queue(queue).dispatch() for _ in range(3)]
    async with Worker([queue], concurrency=2) as worker:
        await until(journal.lines, 10)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    assert gone(int(journal.lines()[0]))
    assert len(journal.lines()) == 1
    assert (worker.completed, worker.failed) == (0, 0)
    for handle in handles:
        given_back = await memory.get(handle.ref)
        assert given_back is not None
        assert (given_back.state, given_back.attempt, given_back.deliveries) == ("pending", 1, 0)


@pytest.mark.asyncio
async def test_a_blocked_event_loop_holds_up_no_task_in_a_child(
    shop: Any, queue: str, journal: Journal, apart, until
) -> None:
    async with apart(Worker([queue])):
        held = await shop.hold(str(journal), 0.3).on_queue(queue).dispatch()
        await until(journal.lines, 10)
        blocked = await block(2.0).on_queue(queue).dispatch()
        assert await held.result(timeout=1.5) == "held"
        assert await blocked.result(timeout=5) == "blocked"


@pytest.mark.asyncio
async def test_arguments_that_do_not_fit_are_given_back(
    shop: Any, memory: MemoryDriver, queue: str, put, until, caplog: pytest.LogCaptureFixture
) -> None:
    message = await put(f"{shop.__name__}.die", journal=3)
    async with Worker([queue]) as worker:
        await until(lambda: "cannot be run here" in caplog.text, 10)
    left = await memory.get(message.ref)
    assert left is not None
    assert (left.state, left.attempt, left.deliveries) == ("scheduled", 1, 0)
    assert (worker.completed, worker.failed) == (0, 0)
