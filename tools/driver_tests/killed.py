"""Workers as processes of their own, killed at any moment, and what they wrote down before."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, NamedTuple
from uuid import UUID

from asynctasq.driver import Driver, Message, ResultStore
from tools.driver_tests.messages import QUEUE
from tools.driver_tests.note import NAME, body
from tools.driver_tests.waiting import PATIENCE, until

_PROGRAM: Final = f"""
import asyncio, json, os, sys, uuid
import asynctasq
from asynctasq.worker import Worker

journal = os.open("journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def write(what, it):
    os.write(journal, f"{{what}} {{it.id}} {{it.attempt}} {{os.getpid()}}\\n".encode())

@asynctasq.task(name={NAME!r})
async def note(fails, seconds):
    it = asynctasq.current()
    write("runs", it)
    await asyncio.sleep(seconds)
    if it.attempt <= fails:
        raise ValueError("as it was told")

"""
_RUN: Final = f"""
asynctasq.init(json.loads(sys.argv[1]))
worker = Worker([{QUEUE!r}], concurrency=4)
worker.handle_signals()
os.write(journal, f"ready {{uuid.UUID(int=0)}} 0 {{os.getpid()}}\\n".encode())
asynctasq.run(worker.run())
"""
SECONDS: Final = 0.05
"""Those that a task takes."""


class Attempt(NamedTuple):
    """Which task, and how often it had been tried by then."""

    id: UUID
    number: int


class Crew:
    """Three workers at a time, and what they wrote down."""

    def __init__(
        self, settings: Mapping[str, Any], folder: Path, before: str = "", quiet: bool = False
    ) -> None:
        """``before``: what a worker executes first; it may `write` more."""
        self._words = (sys.executable, "-c", _PROGRAM + before + _RUN, json.dumps(settings))
        self._folder = folder
        self._errors = subprocess.DEVNULL if quiet else None
        self._journal = folder / "journal"
        self._journal.touch()
        self.killed: set[int] = set()
        self.alive = [self._start() for _ in range(3)]

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._words, cwd=self._folder, stderr=self._errors)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End one, and start another in its place."""
        self.alive.remove(process)
        assert process.poll() is None, "it ended by itself"
        process.kill()
        process.wait()
        self.killed.add(process.pid)
        self.alive.append(self._start())

    def runs(self, what: str = "runs") -> dict[Attempt, list[int]]:
        """The processes in which each attempt has run, or has come to that, in their order."""
        found: dict[Attempt, list[int]] = defaultdict(list)
        for line in self._journal.read_text(encoding="utf-8").splitlines():
            said, id, number, pid = line.split()
            if said == what:
                found[Attempt(UUID(id), int(number))].append(int(pid))
        return found

    def count(self) -> int:
        """How many runs there were."""
        return sum(map(len, self.runs().values()))

    def has_run(self, known: int) -> bool:
        """Whether there are more by now."""
        return self.count() > known

    def at_work(self) -> list[subprocess.Popen[bytes]]:
        """Those that have run something, and not only started."""
        known = {pid for pids in self.runs().values() for pid in pids}
        return [process for process in self.alive if process.pid in known]

    def stop(self) -> None:
        """Let all settle what they have, and end. One that has just been started is killed by what
        asks it to, until it heeds signals."""
        deadline = monotonic() + PATIENCE
        while not self._heeding_signals().issuperset(process.pid for process in self.alive):
            assert monotonic() < deadline, "a worker has not come up"
            sleep(0.02)
        for process in self.alive:
            process.terminate()
        for process in self.alive:
            assert process.wait(30) == 0

    def _heeding_signals(self) -> set[int]:
        return {pid for pids in self.runs("ready").values() for pid in pids}

    def end(self) -> None:
        """Leave none behind."""
        for process in self.alive:
            process.kill()
            process.wait()


async def sent_while_workers_are_killed(
    driver: Driver, crew: Crew, chance: random.Random, sent: Sequence[Message], kills: int
) -> None:
    """A share before each of the kills, which strike who has run something by then."""
    share = len(sent) // kills
    for number in range(kills):
        known = crew.count()
        await driver.enqueue(sent[number * share : (number + 1) * share])
        await until(partial(crew.has_run, known), "a worker is at work")
        await asyncio.sleep(chance.uniform(0, 0.3))  # when is the point; nothing is waited for
        crew.kill(chance.choice(crew.at_work()))


def seeded() -> random.Random:
    """Chance that the output of a test that fails tells how to repeat."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


async def tasks_end_and_each_further_run_has_a_reason(
    driver: Driver, settings: Mapping[str, Any], folder: Path, *, tasks: int = 800, kills: int = 8
) -> None:
    """Of a driver that keeps results, and counts every run."""
    content = body(0, SECONDS, store_result=True)
    sent = [Message(queue=QUEUE, body=content, visibility_timeout=2.0) for _ in range(tasks)]
    crew = Crew(settings, folder)
    try:
        await sent_while_workers_are_killed(driver, crew, seeded(), sent, kills)
        await _each_ends(driver, sent)
    finally:
        crew.end()
    runs = crew.runs()
    assert set(runs) == {Attempt(message.id, 1) for message in sent}
    again = [pids for pids in runs.values() if len(pids) > 1]
    print(f"{len(again)} of {tasks} tasks ran again after {kills} kills")
    assert again, "no kill has struck"
    without = [pids for pids in again if not crew.killed.issuperset(pids[:-1])]
    assert not without, "ran again although its process lived"


async def _each_ends(driver: Driver, sent: Sequence[Message]) -> None:
    assert isinstance(driver, ResultStore)
    for message in sent:
        record = await driver.result(message.ref, PATIENCE)
        assert record, f"{message.id} is lost, or has not ended"
        assert record.state == "completed"
    (left,) = await driver.stats([QUEUE])
    assert (left.pending, left.running, left.dead) == (0, 0, 0)
