"""SIGTERM and SIGINT stop a worker, whatever its loop is doing; a second one ends it at once."""

from __future__ import annotations

import asyncio
import signal

import pytest

from asynctasq.memory import MemoryDriver
from asynctasq.worker import ExitCode

TASKS = """
@task(name="block")
async def block():
    say("blocks")
    # One call that no signal interrupts: no Python code runs on this thread meanwhile.
    hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000_000)

@task(name="wait")
async def wait():
    say("waits")
    await asyncio.sleep(60)

@task(name="deafen")
async def deafen():
    signal.set_wakeup_fd(-1)
    say("deaf")

@task(name="handle")
async def handle():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, say, "usr1")
    say("handled")
"""

OBEYS = """
class Worker(Worker):
    def stop(self):
        super().stop()
        say("obeys")
"""

both = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@pytest.mark.parametrize(
    ("loop", "number"), [("asyncio", signal.SIGTERM), ("uvloop", signal.SIGINT)], indirect=["loop"]
)
@pytest.mark.asyncio
async def test_it_ends_with_0_although_its_loop_never_comes_back(
    programs, put, until, loop: str, number: signal.Signals
) -> None:
    await put("block")
    process = programs.start(f"{TASKS}\nserve()", loop, shutdown_timeout=0.1, stop_grace=0.1)
    await until(lambda: "blocks" in programs.said(), 10)
    process.send_signal(number)
    code, errors = await programs.ended(process, 15)
    assert code == ExitCode.DONE
    assert "task block" in errors


@both
@pytest.mark.asyncio
async def test_a_second_one_ends_it_at_once_with_128_and_its_number(
    memory: MemoryDriver, programs, put, until, number: signal.Signals
) -> None:
    waits = await put("wait")
    process = programs.start(f"{TASKS}\n{OBEYS}\nserve()")
    await until(lambda: "waits" in programs.said(), 10)
    process.terminate()
    await until(lambda: "obeys" in programs.said(), 10)  # two that come at once may be one
    process.send_signal(number)
    code, _ = await programs.ended(process)
    assert code == 128 + number
    held = await memory.get(waits.ref)
    assert held is not None
    assert held.state == "running"  # until its lease ends


@pytest.mark.parametrize("name", ["deafen", "handle"])
@pytest.mark.asyncio
async def test_code_that_takes_the_wakeup_descriptor_away_makes_it_not_deaf(
    programs, put, until, loop: str, name: str
) -> None:
    await put(name)
    process = programs.start(f"{TASKS}\nserve()", loop)
    await until(lambda: programs.said(), 10)
    await asyncio.sleep(0.6)  # nothing wakes its loop any more
    process.terminate()
    code, _ = await programs.ended(process)
    assert code == ExitCode.DONE
    assert programs.said()[-1] == "completed 1"
