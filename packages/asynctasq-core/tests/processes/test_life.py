"""The life of a pool: warm, of another size, killed, shut down, forked, left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import jobs
from pools import ended, eventually, gone, pool_of, script, written

from asynctasq.processes import ChildDied, ProcessPoolManager, _process


@pytest.fixture
def slow_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module whose import notes its process in ``mark``, and ends when there is this file."""
    gate = tmp_path / "gate"
    call = f"jobs.hold({str(tmp_path / 'mark')!r}, {str(gate)!r})"
    (tmp_path / "slow_shop.py").write_text(f"import jobs\n{call}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return gate


def test_whoever_initialises_waits_until_all_children_are_warm(
    slow_shop: Path, tmp_path: Path
) -> None:
    async def main() -> None:
        manager = ProcessPoolManager()
        assert not await manager.ready()
        both = [asyncio.create_task(manager.initialize(1, modules=["slow_shop"])) for _ in range(2)]
        await asyncio.to_thread(written, tmp_path / "mark")
        another = asyncio.create_task(manager.ready())
        await asyncio.sleep(0)
        both[0].cancel()  # takes nothing from the other
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        assert [each.done() for each in (*both, another)] == [True, False, False]
        assert not manager.is_initialized
        await asyncio.to_thread(slow_shop.touch)
        await both[1]
        assert await another
        assert manager.is_initialized
        assert await manager.ready()
        await manager.shutdown()

    asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize("means", ["cancel", "kill", "shutdown"])
def test_an_import_that_hangs_can_be_ended(means: str, slow_shop: Path, tmp_path: Path) -> None:
    async def main() -> None:
        manager = ProcessPoolManager()
        warming = asyncio.create_task(manager.initialize(1, modules=["slow_shop"]))
        pid = await asyncio.to_thread(written, tmp_path / "mark")
        if means == "cancel":
            warming.cancel()
        elif means == "kill":
            manager.kill()
        else:
            await manager.shutdown(0.1)
        with pytest.raises((asyncio.CancelledError, ChildDied)):
            await warming
        assert not manager.is_initialized
        await asyncio.to_thread(eventually, lambda: gone(pid))
        assert not await manager.ready()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_another_size_takes_over_and_what_runs_is_finished(tmp_path: Path) -> None:
    async def test(manager: ProcessPoolManager) -> None:
        mark, gate = tmp_path / "mark", tmp_path / "gate"
        held = asyncio.create_task(manager.run(jobs.hold, str(mark), str(gate)))
        waiting = asyncio.create_task(manager.run(os.getpid))
        pid = await asyncio.to_thread(written, mark)
        await manager.initialize(2)
        assert manager.size == 2
        assert await manager.run(os.getpid) != pid
        assert not held.done()
        gate.touch()
        assert await held == await waiting == pid
        await asyncio.to_thread(eventually, lambda: gone(pid))

    pool_of(1, test)


@pytest.mark.parametrize("means", ["kill", "shutdown"])
def test_a_run_left_in_a_pool_of_a_former_size_ends_with_the_rest(
    means: str, tmp_path: Path
) -> None:
    async def test(manager: ProcessPoolManager) -> None:
        run = asyncio.create_task(manager.run(jobs.spin, str(tmp_path / "mark")))
        pid = await asyncio.to_thread(written, tmp_path / "mark")
        await manager.initialize(2)
        await manager.shutdown(0.1) if means == "shutdown" else manager.kill()
        with pytest.raises(ChildDied):
            await run
        await asyncio.to_thread(eventually, lambda: gone(pid))

    pool_of(1, test)


def test_kill_from_another_thread_ends_all_runs_at_once(tmp_path: Path) -> None:
    async def test(manager: ProcessPoolManager) -> None:
        runs = [asyncio.create_task(manager.run(jobs.spin, str(tmp_path / "a")))]
        await asyncio.to_thread(written, tmp_path / "a")
        runs += [asyncio.create_task(manager.run(abs, -1)) for _ in range(2)]
        await asyncio.sleep(0)
        killer = threading.Thread(target=manager.kill)
        killer.start()
        async with asyncio.timeout(3):
            outcomes = await asyncio.gather(*runs, return_exceptions=True)
        killer.join()
        assert [type(outcome) for outcome in outcomes] == [ChildDied] * 3

    pool_of(1, test)


def test_shutdown_ends_a_run_that_hangs_and_a_new_life_may_follow(tmp_path: Path) -> None:
    async def test(manager: ProcessPoolManager) -> None:
        run = asyncio.create_task(manager.run(jobs.spin, str(tmp_path / "mark")))
        pid = await asyncio.to_thread(written, tmp_path / "mark")
        began = time.monotonic()
        await manager.shutdown(0.2)
        assert time.monotonic() - began < 3
        assert gone(pid)
        with pytest.raises(ChildDied):
            await run
        await manager.shutdown()
        assert (manager.is_initialized, manager.size) == (False, 0)
        with pytest.raises(RuntimeError, match="initialize"):
            await manager.run(abs, -1)
        await manager.initialize(1)
        assert await manager.run(abs, -1) == 1

    pool_of(1, test)


def test_shutdown_lets_what_is_queued_finish() -> None:
    async def test(manager: ProcessPoolManager) -> None:
        runs = [asyncio.create_task(manager.run(jobs.nap, 0.02)) for _ in range(5)]
        await asyncio.sleep(0)
        await manager.shutdown(10)
        assert len({await run for run in runs}) == 1

    pool_of(1, test)


@pytest.mark.parametrize("arguments", [(0,), (1, 0)])
def test_sizes_below_one_are_refused(arguments: tuple[int, ...]) -> None:
    manager = ProcessPoolManager()
    with pytest.raises(ValueError, match="expected at least 1, or None; found 0"):
        asyncio.run(manager.initialize(*arguments))


def test_a_script_without_a_guard_runs_once_and_leaves_no_child(tmp_path: Path) -> None:
    once, pid = ended(script(tmp_path, "")).split()
    assert once == "once"
    eventually(lambda: gone(int(pid)))


def test_a_program_may_end_while_a_child_computes(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    then = f"""
def use():
    asyncio.run(manager.run(jobs.spin, {mark!r}))
threading.Thread(target=use, daemon=True).start()
while not os.path.exists({mark!r}): pass
"""
    program = script(tmp_path, then)
    assert ended(program).startswith("once")
    eventually(lambda: gone(written(tmp_path / "mark")))


def test_a_child_that_computes_ends_with_its_killed_parent(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    program = script(tmp_path, f"asyncio.run(manager.run(jobs.spin, {str(mark)!r}))")
    try:
        pid = written(mark)
    finally:
        program.kill()
        program.communicate()
    eventually(lambda: gone(pid))


def test_ctrl_c_in_a_terminal_reaches_no_child(tmp_path: Path) -> None:
    mark, gate = tmp_path / "mark", tmp_path / "gate"
    then = f"""
signal.signal(signal.SIGINT, lambda *_: open({str(gate)!r}, "w").close())
print(asyncio.run(manager.run(jobs.hold, {str(mark)!r}, {str(gate)!r})))
"""
    program = script(tmp_path, then)
    written(mark)
    os.killpg(program.pid, signal.SIGINT)
    _, started, ran = ended(program).split()
    assert started == ran


def test_a_child_has_the_flags_of_its_parent(tmp_path: Path) -> None:
    given = ("-OO", "-Werror::UserWarning", "-Xfrozen_modules=off", "-Xfaulthandler")
    then = "print(asyncio.run(manager.run(jobs.flags)) == jobs.flags(), jobs.flags()[0])"
    assert ended(script(tmp_path, then, *given)).splitlines()[-1] == "True 2"


def test_a_fork_has_no_children_but_may_have_its_own(tmp_path: Path) -> None:
    then = """
other = ProcessPoolManager()
asyncio.run(other.initialize(1))
if (pid := os.fork()) == 0:
    for each in (manager, other):
        try:
            asyncio.run(each.run(abs, -1))
        except RuntimeError as error:
            print(error)
    gc.collect()
    asyncio.run(manager.initialize(1))
    print(asyncio.run(manager.run(abs, -1)), flush=True)
    sys.exit()
status = os.waitpid(pid, 0)[1]
print(status, asyncio.run(manager.run(abs, -2)), asyncio.run(other.run(abs, -3)))
"""
    flags = ("-Werror::ResourceWarning", "-Wignore::DeprecationWarning")
    none = "no child processes: await initialize() first"
    assert ended(script(tmp_path, then, *flags)).splitlines()[2:] == [none, none, "1", "0 2 3"]


def test_a_child_whose_parent_ended_before_it_had_begun_ends_without_a_word() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        ran = subprocess.run(
            [sys.executable, "-c", _process._START, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "")
