"""The pool of child processes, with real children."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import jobs

from asynctasq.processes import ChildDied, ProcessPoolManager, get_default_manager


def pool_of(size: int, test: Callable[[ProcessPoolManager], Any], **options: Any) -> Any:
    async def main() -> Any:
        manager = ProcessPoolManager()
        try:
            await manager.initialize(size, **options)
            return await test(manager)
        finally:
            await manager.shutdown(1)

    return asyncio.run(asyncio.wait_for(main(), 30))


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def written(path: Path) -> int:
    eventually(lambda: path.exists() and path.read_text() != "")
    return int(path.read_text())


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
        (jobs.end_by, (signal.SIGTERM,), ChildDied),
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


def test_a_run_that_is_late_or_cancelled_is_killed(tmp_path: Path) -> None:
    async def test(manager: ProcessPoolManager) -> None:
        with pytest.raises(TimeoutError):
            await manager.run(jobs.spin, str(tmp_path / "late"), timeout=0.3)
        run = asyncio.create_task(manager.run(jobs.spin, str(tmp_path / "cancelled")))
        pid = await asyncio.to_thread(written, tmp_path / "cancelled")
        run.cancel()
        assert await manager.run(abs, -1) == 1
        assert gone(pid)

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


def test_200_runs_answer_or_tell_of_the_death_while_children_are_killed() -> None:
    async def test(manager: ProcessPoolManager) -> None:
        runs = [asyncio.create_task(manager.run(jobs.nap, 0.01)) for _ in range(200)]
        killed = 0
        while not all(run.done() for run in runs):
            await asyncio.sleep(0.1)
            if killed < 8 and (pids := manager.get_stats()["pids"]):
                os.kill(random.choice(pids), signal.SIGKILL)  # type: ignore[arg-type]
                killed += 1
        outcomes = await asyncio.gather(*runs, return_exceptions=True)
        assert all(isinstance(outcome, int | ChildDied) for outcome in outcomes)
        assert sum(isinstance(outcome, ChildDied) for outcome in outcomes) <= killed
        assert await manager.run(abs, -1) == 1

    pool_of(2, test)


SCRIPT = """
import asyncio, os, sys
sys.path.insert(0, {jobs!r})
import jobs
from asynctasq.processes import get_default_manager
print("once")
manager = get_default_manager()
asyncio.run(manager.initialize(1))
print(*manager.get_stats()["pids"], flush=True)
{then}
"""


def script(tmp_path: Path, then: str) -> subprocess.Popen[str]:
    file = tmp_path / "program.py"
    file.write_text(SCRIPT.format(jobs=str(Path(__file__).parent), then=then))
    return subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, text=True)


def test_a_script_without_a_guard_runs_once_and_leaves_no_child(tmp_path: Path) -> None:
    output, _ = script(tmp_path, "").communicate(timeout=20)
    once, pid = output.split()
    assert once == "once"
    eventually(lambda: gone(int(pid)))


def test_a_child_that_computes_ends_with_its_killed_parent(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    program = script(tmp_path, f"asyncio.run(manager.run(jobs.spin, {str(mark)!r}))")
    try:
        eventually(lambda: mark.exists() and mark.read_text() != "")
    finally:
        program.kill()
        program.communicate()
    eventually(lambda: gone(int(mark.read_text())))


def test_a_forked_child_has_a_pool_of_its_own() -> None:
    ours = get_default_manager()
    if (pid := os.fork()) == 0:
        os._exit(0 if get_default_manager() is not ours else 1)
    assert os.waitpid(pid, 0)[1] == 0
