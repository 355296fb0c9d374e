"""Workers that are killed again and again at random, with tasks of all kinds in their hands."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from typing import TypeAlias

import pytest

from .conftest import Stage, is_alive, until

KINDS = (
    "deeds.Async({})",
    "deeds.Sync({})",
    "deeds_of_children.AsyncInChild({})",
    "deeds_of_children.SyncInChild({})",
)
TASKS = 300
ROUNDS = 10
WORDS = ("--app", "deeds_of_children", "--concurrency", "4")


@pytest.mark.concurrent
def test_tasks_end_once_however_often_workers_are_killed(stage: Stage) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    stage.set(max_losses=100)
    ids = stage.dispatch(*(KINDS[number % 4].format(number) for number in range(TASKS)))
    workers = [stage.worker(*WORDS) for _ in range(3)]
    for number in range(ROUNDS):
        if number == 0:  # where starting takes long, others may have nothing in their hands
            until(lambda: at_work(stage, workers), what="the first run")
            victim = chance.choice(at_work(stage, workers))
        else:
            time.sleep(chance.uniform(0.2, 0.5))  # when is the point; nothing is waited for
            victim = chance.choice(workers)
        workers.remove(victim)
        kill(victim)
        workers.append(stage.worker(*WORDS))
    tasks = stage.until_ended(TASKS, seconds=30)
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    assert [worker.wait(10) for worker in workers] == [0, 0, 0], stage.log()

    assert sorted(tasks) == sorted(ids)
    assert {(each.state, each.attempt) for each in tasks.values()} == {("completed", 1)}
    runs = stage.runs()
    assert [task for task in ids if not 1 <= runs[task] <= tasks[task].deliveries] == []
    assert sum(each.deliveries for each in tasks.values()) > TASKS  # some kill has struck
    with contextlib.closing(sqlite3.connect(stage.file)) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    until(lambda: not any(map(is_alive, stage.processes())), 5, "children end with their worker")


Worker: TypeAlias = "subprocess.Popen[bytes]"


def at_work(stage: Stage, workers: Sequence[Worker]) -> list[Worker]:
    """Those that have run something themselves, and not in a child."""
    known = {int(line[1]) for line in stage.lines() if line[0] != "imported"}
    return [worker for worker in workers if worker.pid in known]


def kill(worker: Worker) -> None:
    worker.kill()
    worker.wait()
