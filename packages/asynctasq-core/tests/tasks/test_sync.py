"""Dispatching from code without an event loop: programs, threads, forked children."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import asynctasq
from asynctasq import task
from asynctasq.errors import DriverUnavailable
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker


@task
async def double(number: int) -> int:
    return 2 * number


@pytest.fixture
def configured(clean: Path) -> Iterator[None]:
    """The memory backend, for tests without a loop of their own."""
    asynctasq.init({"driver": "memory"})
    yield
    asyncio.run(asynctasq.close())


@pytest.fixture
def worked(configured: None, queue: str) -> Iterator[None]:
    """A worker in another thread."""
    ready = threading.Event()
    stop: list[object] = []

    async def work() -> None:
        worker = Worker([queue])
        stop.append(asyncio.get_running_loop())
        stop.append(worker)
        ready.set()
        await worker.run()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    ready.wait(5)
    loop, worker = stop
    yield
    loop.call_soon_threadsafe(worker.stop)  # type: ignore[attr-defined]
    thread.join(10)
    assert not thread.is_alive()


def test_a_program_without_a_loop_dispatches_and_waits_for_results(
    worked: None, queue: str
) -> None:
    handle = double(21).on_queue(queue).dispatch_sync()
    assert handle.result_sync(timeout=10) == 42


def test_many_threads_share_one_driver(configured: None, queue: str, use_counted) -> None:
    def dispatch(number: int) -> str:
        return str(double(number).on_queue(queue).dispatch_sync())

    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(dispatch, range(200)))
    assert len(ids) == 200
    assert use_counted.opened == 1


@pytest.fixture
def use_counted(use) -> type:
    """A driver that counts how often it is opened."""

    class Counted(MemoryDriver):
        opened = 0

        async def open(self) -> None:
            type(self).opened += 1
            await asyncio.sleep(0.01)
            await super().open()

    use(Counted)
    return Counted


@pytest.mark.asyncio
async def test_on_a_thread_whose_loop_runs_it_is_an_error(memory, queue: str, stored) -> None:
    with pytest.raises(RuntimeError, match=r"dispatch_sync\(\) would block .* await dispatch\(\)"):
        double(1).on_queue(queue).dispatch_sync()
    handle = await double(1).on_queue(queue).dispatch()
    with pytest.raises(RuntimeError, match=r"await result\(\) instead"):
        handle.result_sync()
    assert len(await stored()) == 1


@pytest.mark.asyncio
async def test_a_thread_beside_a_running_loop_may(memory, queue: str, stored) -> None:
    handle = await asyncio.to_thread(double(1).on_queue(queue).dispatch_sync)
    assert [task.ref for task in await stored()] == [handle.ref]


def test_errors_are_those_of_dispatch(configured: None, queue: str, use) -> None:
    class Away(MemoryDriver):
        async def open(self) -> None:
            raise DriverUnavailable("nobody there")

    use(Away)
    asynctasq.init({"driver": "probe", "dispatch_timeout": 0})
    with pytest.raises(DriverUnavailable, match="nobody there"):
        double(1).on_queue(queue).dispatch_sync()


def test_after_close_it_opens_anew(configured: None, queue: str, use_counted) -> None:
    before = set(threading.enumerate())  # earlier tests may have left some that are ending
    for _ in range(2):
        double(1).on_queue(queue).dispatch_sync()
        asyncio.run(asynctasq.close())
    assert use_counted.opened == 2
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("asynctasq-")]


def test_a_later_init_replaces_what_was_opened(configured: None, queue: str, use_counted) -> None:
    double(1).on_queue(queue).dispatch_sync()
    asynctasq.init({"driver": "probe", "default_max_attempts": 9})
    double(1).on_queue(queue).dispatch_sync()
    assert use_counted.opened == 2


def test_a_forked_child_dispatches_too(program) -> None:
    shown = program(
        """
        import os, sys, warnings
        import asynctasq
        from asynctasq import task

        warnings.simplefilter("ignore", DeprecationWarning)  # that threads and fork do not mix

        class Recorder:
            async def emit(self, events):
                for event in events:
                    # In one piece, and nothing that a fork could find half written.
                    os.write(1, f"{os.getpid() == child} {event.name}\\n".encode())
            async def close(self): ...

        @task
        async def note(number: int) -> int: ...

        child = -1
        asynctasq.init(event_emitters=[Recorder()])
        note(1).dispatch_sync()
        if (pid := os.fork()) == 0:
            child = os.getpid()
            note(2).dispatch_sync()
            sys.exit()
        assert os.waitpid(pid, 0)[1] == 0
        note(3).dispatch_sync()
        """
    )
    assert shown.stderr == ""
    lines = shown.stdout.splitlines()
    assert sorted(lines) == ["False task_enqueued", "False task_enqueued", "True task_enqueued"]


def test_a_program_that_only_dispatches_ends_by_itself_and_quietly(program) -> None:
    shown = program(
        """
        from asynctasq import task

        @task
        async def note(number: int) -> int: ...

        print(note(1).dispatch_sync().queue)
        """
    )
    assert (shown.stdout, shown.stderr, shown.returncode) == ("default\n", "", 0)
