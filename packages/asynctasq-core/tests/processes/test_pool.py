"""What becomes of runs in real child processes, and of the children that run them."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import jobs
from pools import command_line, eventually, gone, pool_of, written

from asynctasq.processes import ChildDied, ChildNotStarted, ProcessPoolManager


def test_a_pool_warmed_in_one_loop_serves_others_and_threads() -> None:
    manager = ProcessPoolManager()
    asyncio.run(manager.initialize(2))
    pids: list[int] = []

    def use() -> None:
        pids.append(asyncio.run(manager.run(os.getpid)))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    stats = manager.get_stats()
    asyncio.run(manager.shutdown())
    assert len(pids) == 4
    assert set(pids) <= set(stats["pids"])  # type: ignore[call-overload]
    assert manager.size == 0


@pytest.mark.parametrize(
    ("function", "args", "error"),
    [
        (os._exit, (3,), ChildDied),
        (jobs.end_by, (signal.SIGKILL,), ChildDied),
        (sys.exit, (3,), RuntimeError),
        (jobs.interrupt, (), RuntimeError),
        (jobs.cancelled, (), RuntimeError),
        (jobs.odd, (), RuntimeError),
        (jobs.lambda_result, (), Exception),
        (int, ("x",), ValueError),
    ],
)
def test_what_goes_wrong_is_an_error_of_that_run_only(
    function: Any, args: tuple[Any, ...], error: type[Exception]
) -> None:
    async def test(manager: ProcessPoolManager) -> None:
        with pytest.raises(error):
            await manager.run(function, *args)
        assert await manager.run(abs, -1) == 1

    pool_of(1, test)


def test_a_sigterm_to_all_processes_of_a_service_ends_no_run() -> None:
    async def test(manager: ProcessPoolManager) -> None:
        (pid,) = manager.get_stats()["pids"]  # type: ignore[misc]
        assert await manager.run(jobs.end_by, signal.SIGTERM) is None
        assert await manager.run(os.getpid) == pid

    pool_of(1, test)


def test_an_error_tells_where_in_the_child_it_came_from() -> None:
    async def test(manager: ProcessPoolManager) -> None:
        with pytest.raises(RuntimeError, match=r"^Odd: odd$") as raised:
            await manager.run(jobs.odd)
        assert "in odd\n    raise Odd(1, 2)" in str(raised.value.__cause__)

    pool_of(1, test)


def test_a_run_that_is_late_or_cancelled_is_killed(tmp_path: Path) -> None:
    async def test(manager: ProcessPoolManager) -> None:
        (late,) = manager.get_stats()["pids"]  # type: ignore[misc]
        with pytest.raises(TimeoutError):
            await manager.run(jobs.spin, str(tmp_path / "late"), timeout=0.3)
        assert gone(late)
        run = asyncio.create_task(manager.run(jobs.spin, str(tmp_path / "cancelled")))
        pid = await asyncio.to_thread(written, tmp_path / "cancelled")
        run.cancel()
        assert await manager.run(abs, -1) == 1
        assert gone(pid)

    pool_of(1, test)


def test_runs_that_wait_begin_in_order_but_for_those_cancelled(tmp_path: Path) -> None:
    async def test(manager: ProcessPoolManager) -> None:
        gate, mark = tmp_path / "gate", tmp_path / "mark"
        order = tmp_path / "order"
        held = asyncio.create_task(manager.run(jobs.hold, str(mark), str(gate)))
        await asyncio.to_thread(written, mark)
        waiting = [asyncio.create_task(manager.run(jobs.note, str(order), n)) for n in range(10)]
        await asyncio.sleep(0)
        for dropped in (waiting[3], waiting[0]):
            dropped.cancel()
            await asyncio.wait((dropped,))
        gate.touch()
        await asyncio.gather(held, *waiting, return_exceptions=True)
        assert order.read_text() == "12456789"
        assert manager.get_stats()["restarts"] == 0

    pool_of(1, test)


def test_a_child_is_replaced_after_its_number_of_runs() -> None:
    async def test(manager: ProcessPoolManager) -> None:
        pids = [await manager.run(os.getpid) for _ in range(6)]
        assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4] == pids[5]

    pool_of(1, test, max_tasks_per_child=2)


def test_a_child_that_dies_idle_is_not_noticed_by_the_next_run() -> None:
    async def test(manager: ProcessPoolManager) -> None:
        for pid in manager.get_stats()["pids"]:  # type: ignore[attr-defined]
            os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: gone(pid))  # type: ignore[misc]
        assert await asyncio.gather(*(manager.run(abs, -n) for n in range(8))) == list(range(8))

    pool_of(2, test)


def test_the_loop_stays_warm_and_leftovers_are_cancelled() -> None:
    async def test(manager: ProcessPoolManager) -> None:
        assert await manager.run(jobs.loop_id) == await manager.run(jobs.loop_id)
        await manager.run(jobs.leave_a_task)
        assert await manager.run(jobs.is_left_cancelled)
        assert await manager.run(jobs.sigint_is_ignored)

    pool_of(1, test)


def test_a_child_in_which_a_leftover_resists_runs_nothing_else() -> None:
    async def test(manager: ProcessPoolManager) -> None:
        first = await manager.run(jobs.leave_a_task_that_resists)
        assert await manager.run(os.getpid) != first
        assert gone(first)

    pool_of(1, test)


def test_what_a_run_sets_in_its_context_ends_with_it() -> None:
    async def test(manager: ProcessPoolManager) -> None:
        for function in (jobs.set_plainly, jobs.set_on_loop) * 2:
            assert await manager.run(function) == "unset"

    pool_of(1, test)


def test_a_child_has_the_import_path_and_the_folder_of_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "sundries.py").write_text("def sold():\n    return 'ribbons'")
    (tmp_path / "pickle.py").write_text("raise SystemExit('not the standard module')")
    monkeypatch.syspath_prepend(str(tmp_path / "shop"))
    monkeypatch.chdir(tmp_path)
    import sundries  # type: ignore[import-not-found]

    async def test(manager: ProcessPoolManager) -> None:
        assert await manager.run(sundries.sold) == "ribbons"
        assert await manager.run(jobs.import_path) == sys.path
        assert await manager.run(os.getcwd) == str(tmp_path)
        (pid,) = manager.get_stats()["pids"]  # type: ignore[misc]
        assert str(tmp_path) not in command_line(pid)

    pool_of(1, test)


def test_many_megabytes_go_there_and_back() -> None:
    async def test(manager: ProcessPoolManager) -> None:
        assert len(await manager.run(bytes.upper, b"x" * 30_000_000)) == 30_000_000

    pool_of(1, test)


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "1 +", "import nothing_like_it"])
def test_a_module_that_cannot_be_imported_is_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_shop.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    manager = ProcessPoolManager()
    with pytest.raises(ImportError, match="broken_shop"):
        asyncio.run(manager.initialize(1, modules=["broken_shop"]))
    assert not manager.is_initialized


@pytest.mark.parametrize(
    ("broken", "error", "at_once"),
    [("import nothing_like_it", ImportError, 1), ("os._exit(3)", ChildNotStarted, 3)],
)
def test_children_that_cannot_start_are_tried_again_ever_more_rarely(
    broken: str,
    error: type[Exception],
    at_once: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module, starts = tmp_path / "frail_shop.py", tmp_path / "starts"
    noted = f"import os, time\nprint(time.monotonic(), file=open({str(starts)!r}, 'a'))\n"
    module.write_text(noted)
    monkeypatch.syspath_prepend(str(tmp_path))

    async def test(manager: ProcessPoolManager) -> None:
        module.write_text(noted + broken)
        (pid,) = manager.get_stats()["pids"]  # type: ignore[misc]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: gone(pid))
        while len(starts.read_text().splitlines()) <= 3 * at_once:
            with pytest.raises(error):
                await manager.run(abs, -1)
            await asyncio.sleep(0.01)
        module.write_text(noted + "#" * 100)
        await asyncio.to_thread(eventually, lambda: manager.get_stats()["pids"])
        assert await manager.run(abs, -1) == 1

    pool_of(1, test, modules=["frail_shop"])
    _, *times = map(float, starts.read_text().splitlines())
    first_of_each = times[::at_once]
    pauses = [later - sooner for sooner, later in pairwise(first_of_each)]
    assert all(pause > 0.1 * 2**number for number, pause in enumerate(pauses[:2]))


def test_200_runs_answer_or_tell_of_the_death_while_children_are_killed() -> None:
    async def test(manager: ProcessPoolManager) -> None:
        runs = [asyncio.create_task(manager.run(jobs.nap, 0.01)) for _ in range(200)]
        killed = 0
        while not all(run.done() for run in runs):
            await asyncio.sleep(0.1)
            # Those that have answered: one killed again and again as it starts is another matter.
            served = {run.result() for run in runs if run.done() and run.exception() is None}
            pids = served.intersection(manager.get_stats()["pids"])  # type: ignore[call-overload]
            if pids and killed < 8:
                os.kill(random.choice(sorted(pids)), signal.SIGKILL)
                killed += 1
        outcomes = await asyncio.gather(*runs, return_exceptions=True)
        assert all(isinstance(outcome, int | ChildDied) for outcome in outcomes)
        assert sum(isinstance(outcome, ChildDied) for outcome in outcomes) <= killed > 1
        assert await manager.run(abs, -1) == 1

    pool_of(2, test)
