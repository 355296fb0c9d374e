"""Code that holds the GIL longer than its lease is fenced; nothing is lost by that."""

from __future__ import annotations

import asyncio

import pytest

import asynctasq
from asynctasq.memory import MemoryDriver
from asynctasq.worker import ExitCode

HOLDS = """
@task(name="hold")
async def hold():
    os.kill(os.getpid(), signal.SIGTERM)  # it takes no more: the other one takes over
    await asyncio.sleep(0.1)
    say("holds")
    ctypes.PyDLL(None).usleep(2_500_000)  # no thread of this process goes on
    say("holds no more")
    return "the first"

serve(concurrency=1)
"""

TAKES_OVER = """
@task(name="hold")
async def hold():
    say("took over")
    while not said("holds no more"):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)  # the first tries to settle meanwhile
    return "the second"

while not said("holds"):
    time.sleep(0.01)
serve(concurrency=1)
"""


@pytest.mark.asyncio
async def test_code_that_holds_the_gil_longer_than_its_lease_is_fenced_and_nothing_is_lost(
    memory: MemoryDriver, programs, put, until
) -> None:
    asynctasq.init({"driver": "memory"})
    message = await put("hold", lease=0.5)
    processes = [
        programs.start(source, keep_completed_tasks=True) for source in (HOLDS, TAKES_OVER)
    ]
    await until(lambda: "holds no more" in programs.said(), 15)
    assert "took over" in programs.said()
    record = await memory.result(message.ref, wait=5)
    processes[1].terminate()
    ends = await asyncio.gather(*map(programs.ended, processes))
    assert [code for code, _ in ends] == [ExitCode.DONE] * 2, ends[1][1]
    assert record is not None
    assert record.value == b"\xaathe second"
    ended = await memory.get(message.ref)
    assert ended is not None
    assert (ended.state, ended.attempt) == ("completed", 1)
    assert ended.deliveries >= 2
    assert sorted(programs.said()[-2:]) == ["completed 0", "completed 1"]
    assert "was lost" in ends[0][1]
    assert "was lost" not in ends[1][1]
