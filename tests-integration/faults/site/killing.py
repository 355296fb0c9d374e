"""Kills a worker at every place where a task of its two loops suspends; prints what became of it.

    python killing.py FOLDER

Everything is imported once, then each worker is forked off, so that hundreds of them take seconds.
A scenario runs undisturbed first, which tells its places. Then, for each place that no scenario
before it had, one worker dies there, and another one finishes what it left.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deeds
from scenarios import SCENARIOS, Scenario
from suspensions import Place, Point, Suspensions

import asynctasq
from asynctasq.app import run
from asynctasq.config import Config, make_driver
from asynctasq.worker import Worker, _engine

AT_ONCE = 24
"""Workers at a time: most of them wait for a lease."""
TIMES = 2
"""How often a place is reached, at most, before a worker dies there."""
TRIES = 3
"""How often a worker is to die there: timing may lead it past a place."""
PATIENCE = 20
"""Seconds until one that hangs is ended."""


def forked(folder: Path, scenario: Scenario, body: Callable[[], None], trouble: bool) -> int:
    """Run something in a process of its own, on the file in this folder."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        log = os.open(folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(log, 2)
        os.environ.update(
            JOURNAL=str(folder / "journal"),
            ASYNCTASQ_SQLITE_PATH=str(folder / "queue.db"),
            TROUBLE="yes" if trouble else "no",
            **scenario.options,
        )
        if not trouble:
            os.environ["FAULTS"] = ""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
        signal.alarm(PATIENCE)
        scenario.load()
        body()
        code = 0
    except BaseException:
        logging.exception("failed")
    finally:
        logging.shutdown()
        os._exit(code)


def dispatch(calls: Sequence[Any]) -> None:
    async def main() -> None:
        await asynctasq.dispatch_many(calls)

    run(main())


def work_until_killed(folder: Path, scenario: Scenario, point: Point | None) -> None:
    """A worker on loops that count; undisturbed, it tells the places that it has seen."""
    suspensions = Suspensions(point)
    _engine.fastest_loop = lambda: suspensions.new_loop

    async def main() -> None:
        worker = Worker(max_tasks=scenario.attempts or None)
        if not scenario.attempts:
            stopping = asyncio.ensure_future(_stop_when_all_run(worker, len(scenario.tasks)))
        await worker.run()
        if not scenario.attempts:
            await stopping

    with asyncio.Runner(loop_factory=suspensions.new_loop) as runner:
        runner.run(main())
    if point is None:
        (folder / "places").write_text(json.dumps(list(suspensions.counts.items())))


async def _stop_when_all_run(worker: Worker, count: int) -> None:
    while deeds.noted() < count:
        await asyncio.sleep(0.005)
    worker.stop()


def finish() -> None:
    """An ordinary worker, until nothing is left to be done."""

    async def main() -> None:
        driver = make_driver("sqlite", Config.get())
        await driver.open()
        async with Worker():
            while any(q.pending or q.scheduled or q.running for q in await driver.stats()):
                await asyncio.sleep(0.02)
        await driver.close()

    run(main())


@dataclass
class Death:
    """One worker that died, or did not, and the one that came after it."""

    scenario: Scenario
    point: Point
    folder: Path
    tries: int = 0
    killed: bool = False
    finished: bool = False

    def begin(self, template: Path) -> int:
        self.tries += 1
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        shutil.copy(template / "queue.db", self.folder)
        (self.folder / "journal").touch()
        return forked(
            self.folder,
            self.scenario,
            lambda: work_until_killed(self.folder, self.scenario, self.point),
            trouble=True,
        )

    def go_on(self) -> int:
        return forked(self.folder, self.scenario, finish, trouble=False)


def places_of(scenario: Scenario, template: Path) -> list[tuple[Place, int]]:
    """Where its worker suspends, and how often, if nothing kills it."""
    template.mkdir(parents=True)
    shown = template.with_name(f"{template.name} undisturbed")
    _await_one(forked(template, scenario, lambda: dispatch(scenario.calls()), trouble=False))
    shutil.copytree(template, shown)
    (shown / "journal").touch()
    _await_one(
        forked(shown, scenario, lambda: work_until_killed(shown, scenario, None), trouble=True)
    )
    return [(tuple(place), count) for place, count in json.loads((shown / "places").read_text())]


def _await_one(pid: int) -> None:
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"exit status {status}"


def deaths_of(scenario: Scenario, folder: Path, known: set[Place]) -> list[Death]:
    """One for every place that is not known by now."""
    deaths: list[Death] = []
    for place, count in places_of(scenario, folder / scenario.name):
        if not place or place in known:
            continue
        known.add(place)
        for time in range(1, min(count, TIMES) + 1):
            for moment in ("suspends", "resumes"):
                of_this = folder / f"{scenario.name} {len(deaths)}"
                deaths.append(Death(scenario, Point(place, moment, time), of_this))
    return deaths


def carry_out(folder: Path, deaths: list[Death]) -> None:
    """Let all die, and others go on, several at a time."""
    waiting, dying, surviving = list(reversed(deaths)), {}, {}
    while waiting or dying or surviving:
        while waiting and len(dying) + len(surviving) < AT_ONCE:
            death = waiting.pop()
            dying[death.begin(folder / death.scenario.name)] = death
        pid, status = os.wait()
        if pid in surviving:
            surviving.pop(pid).finished = status == 0
            continue
        death = dying.pop(pid)
        death.killed = os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        if death.killed or death.tries == TRIES:
            surviving[death.go_on()] = death
        else:
            waiting.append(death)


def main(folder: Path) -> None:
    known: set[Place] = set()
    deaths = [death for each in SCENARIOS for death in deaths_of(each, folder, known)]
    carry_out(folder, deaths)
    for death in deaths:
        told = vars(death) | vars(death.scenario) | {"scenario": death.scenario.name}
        print(json.dumps(told, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
