"""A worker that must be replaced ends: the done is settled, what never began is given back."""

from __future__ import annotations

import time

import pytest

from asynctasq.memory import MemoryDriver
from asynctasq.worker import ExitCode

TASKS = """
@task(name="quick")
async def quick(n: int):
    say(f"quick {n}")

@task(name="spin")
async def spin():
    say("spin")
    while True:
        pass

@task(name="cling")
async def cling():
    say("cling")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

@task(name="hang")
def hang():
    say("hang")
    time.sleep(60)

@task(name="slow")
async def slow():
    say("slow")
    await asyncio.sleep(2)
    say("slow is done")
"""


async def facts(memory: MemoryDriver, *messages) -> list[tuple[str, int, int] | None]:
    """State, attempt and deliveries of each; None: it is completed."""
    found = [await memory.get(message.ref) for message in messages]
    return [one and (one.state, one.attempt, one.deliveries) for one in found]


@pytest.mark.asyncio
async def test_a_coroutine_that_never_comes_back_ends_the_process_and_takes_nothing_with_it(
    memory: MemoryDriver, programs, put, until, loop: str
) -> None:
    done = [await put("quick", n=n) for n in range(2)]
    spins = await put("spin", timeout=0.3)
    waiting = [await put("quick", n=n) for n in range(2, 6)]
    process = programs.start(f"{TASKS}\nserve(concurrency=3)", loop, stop_grace=0.5)
    await until(lambda: "spin" in programs.said(), 10)
    began = time.monotonic()
    code, errors = await programs.ended(process)
    took = time.monotonic() - began
    assert code == ExitCode.OVERRAN
    assert took < 0.3 + 0.5 + 2.5
    assert "task spin" in errors
    assert "did not stop within 0.5 s after its time-out of 0.3 s" in errors
    assert "blocks the event loop" in errors
    assert await facts(memory, *done) == [None, None]
    assert await facts(memory, spins) == [("running", 1, 1)]  # until its lease ends
    assert await facts(memory, *waiting) == [("pending", 1, 0)] * 4
    assert not [line for line in programs.said() if line in ("quick 2", "quick 3", "quick 4")]


@pytest.mark.parametrize("name", ["cling", "hang"])
@pytest.mark.asyncio
async def test_a_task_that_goes_on_after_its_time_out_ends_the_process_once_others_are_done(
    memory: MemoryDriver, programs, put, until, name: str
) -> None:
    late = await put(name, timeout=0.2)
    beside = await put("slow")
    process = programs.start(f"{TASKS}\nserve(concurrency=2)", stop_grace=0.4)
    await until(lambda: {name, "slow"} <= set(programs.said()), 10)
    waiting = await put("quick", n=1)
    code, errors = await programs.ended(process)
    assert code == ExitCode.OVERRAN
    assert f"task {name}" in errors
    assert "goes on after its time-out" in errors
    assert "slow is done" in programs.said()
    assert await facts(memory, late, beside, waiting) == [
        ("running", 1, 1),
        None,
        ("pending", 1, 0),
    ]


@pytest.mark.asyncio
async def test_what_runs_on_at_a_stop_does_not_keep_the_process(
    memory: MemoryDriver, programs, put, until
) -> None:
    left = [await put("cling"), await put("hang")]
    process = programs.start(f"{TASKS}\nserve()", shutdown_timeout=0.2, stop_grace=0.2)
    await until(lambda: {"cling", "hang"} <= set(programs.said()), 10)
    process.terminate()
    code, errors = await programs.ended(process, 5)
    assert code == ExitCode.DONE
    assert "goes on, and is left to its lease" in errors
    assert await facts(memory, *left) == [("running", 1, 1)] * 2
