"""Child processes of a worker: what dies, is too slow or has run often enough harms nobody else."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from .conftest import Stage, is_alive, until

pytestmark = pytest.mark.concurrent
APP = ("--app", "deeds_of_children")
MAIN = """
import asynctasq, deeds_of_children
from asynctasq.worker import Worker

open("main", "a").write("ran\\n")
asynctasq.run(Worker(max_tasks=2).run())
"""


def test_a_killed_child_costs_its_own_task_one_run_and_nothing_else(stage: Stage) -> None:
    compute = ["deeds_of_children.compute()"] * 5
    ids = stage.dispatch(*compute, "deeds_of_children.kill_the_child_once()", *compute)
    worker = stage.worker(*APP)
    tasks = stage.until_ended(11)
    assert {(each.state, each.attempt) for each in tasks.values()} == {("completed", 1)}
    killer = ids.pop(5)
    assert stage.runs() == {**dict.fromkeys(ids, 1), killer: 2}
    assert [tasks[each].deliveries for each in ids] == [1] * 10
    assert tasks[killer].deliveries == 2
    assert "SIGKILL; it runs again when its lease ends" in stage.log()
    assert worker.poll() is None


def test_a_child_is_killed_at_the_time_out_of_its_task(stage: Stage) -> None:
    (late,) = stage.dispatch("deeds_of_children.compute_too_long()")
    stage.set(process_pool_size=1)
    stage.worker(*APP)
    task = stage.until_ended(1)[late]
    assert (task.state, task.attempt, task.deliveries) == ("dead", 1, 1)
    assert task.failure is not None
    assert task.failure.type == "TimeoutError"
    (pid,) = (int(line[1]) for line in stage.lines() if line[0] == str(late))
    assert not is_alive(pid)
    stage.dispatch("deeds_of_children.compute()")
    assert len(stage.until_ended(2)) == 2


def test_a_child_is_replaced_after_as_many_tasks_as_it_may_run(stage: Stage) -> None:
    ids = stage.dispatch(*["deeds_of_children.compute()"] * 6)
    stage.set(process_pool_size=1, process_pool_max_tasks_per_child=2)
    stage.worker(*APP)
    stage.until_ended(6)
    pids = [line[1] for line in stage.lines() if line[0] in set(map(str, ids))]
    assert sorted(map(pids.count, set(pids))) == [2, 2, 2]


def test_the_program_of_the_worker_is_not_run_in_its_children(stage: Stage) -> None:
    stage.dispatch("deeds_of_children.compute()", "deeds_of_children.compute_async()")
    program = stage.folder / "program.py"
    program.write_text(MAIN, encoding="utf-8")
    subprocess.run(
        [sys.executable, program], cwd=stage.folder, env=stage.variables, timeout=20, check=True
    )
    assert {each.state for each in stage.tasks().values()} == {"completed"}
    assert (stage.folder / "main").read_text() == "ran\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_children_end_when_their_worker_does(stage: Stage, number: signal.Signals) -> None:
    (task,) = stage.dispatch("deeds_of_children.linger_in_a_child()")
    stage.set(shutdown_timeout=0.2)
    worker = stage.worker(*APP, TROUBLE="yes")
    until(lambda: stage.runs()[task] == 1)
    until(lambda: sum(map(is_alive, stage.processes())) == 3, what="a worker and two children")
    worker.send_signal(number)
    assert worker.wait(10) == (0 if number == signal.SIGTERM else -number)
    until(lambda: not any(map(is_alive, stage.processes())), 5)
    other = stage.worker(*APP)
    ended = stage.until_ended(1)[task]
    assert (ended.state, ended.attempt) == ("completed", 1)
    assert ended.deliveries == (1 if number == signal.SIGTERM else 2)
    other.send_signal(signal.SIGTERM)
    assert other.wait(10) == 0, stage.log()
