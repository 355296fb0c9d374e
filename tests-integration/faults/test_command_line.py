"""`asynctasq worker` from its start to its end: how it stops, and when it has to be replaced."""

from __future__ import annotations

import signal

import pytest

from .conftest import Stage, until

pytestmark = pytest.mark.concurrent


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_runs_finish_and_gives_the_rest_back_unrun(
    stage: Stage, number: signal.Signals
) -> None:
    ids = stage.dispatch(*["deeds.be_innocent(0.3)"] * 40)
    worker = stage.worker("--concurrency", "10")
    until(lambda: stage.runs().total() >= 10)
    worker.send_signal(number)
    assert worker.wait(10) == 0, stage.log()
    tasks, runs = stage.tasks(), stage.runs()
    for task in ids:
        state, deliveries = ("completed", 1) if runs[task] else ("pending", 0)
        assert (tasks[task].state, tasks[task].deliveries) == (state, deliveries)
    assert 10 <= runs.total() < 40
    stage.worker("--concurrency", "40")
    assert {each.deliveries for each in stage.until_ended(40).values()} == {1}
    assert stage.runs() == dict.fromkeys(ids, 1)


@pytest.mark.parametrize("concurrency", ["1", "10"])
def test_max_tasks_is_the_number_that_runs(stage: Stage, concurrency: str) -> None:
    stage.dispatch(*["deeds.walk()"] * 11)
    worker = stage.worker("--max-tasks", "3", "--concurrency", concurrency)
    assert worker.wait(10) == 0, stage.log()
    states = [each.state for each in stage.tasks().values()]
    assert (states.count("completed"), states.count("pending")) == (3, 8)
    assert stage.runs().total() == 3


BAD_ENDS = [
    ("deeds.overrun()", (), 5, "did not stop within 0.3 s after its time-out"),
    ("deeds.get_stuck()", ("--stuck-after", "2"), 6, "no task has begun or ended within 2 s"),
]


@pytest.mark.parametrize(("task", "words", "code", "said"), BAD_ENDS)
def test_a_worker_that_cannot_go_on_says_why_and_ends_with_a_code_of_its_own(
    stage: Stage, task: str, words: tuple[str, ...], code: int, said: str
) -> None:
    stage.set(stop_grace=0.3, shutdown_timeout=1, default_visibility_timeout=60)
    ids = stage.dispatch(task, *["deeds.walk()"] * 20)
    worker = stage.worker(*words)
    assert worker.wait(20) == code, stage.log()
    assert said in stage.log()
    tasks = stage.tasks()
    assert tasks[ids[0]].state == "running", stage.log()  # until its lease ends
    assert {tasks[each].state for each in ids[1:]} == {"completed"}


@pytest.mark.parametrize(("task", "words", "code", "said"), BAD_ENDS)
def test_the_supervisor_replaces_a_worker_that_cannot_go_on(
    stage: Stage, task: str, words: tuple[str, ...], code: int, said: str
) -> None:
    stage.set(stop_grace=0.3, shutdown_timeout=1)
    (bad,) = stage.dispatch(task)
    supervisor = stage.worker("--workers", "2", *words)
    until(lambda: f"ended with exit code {code}" in stage.log())
    ended = stage.until_ended(1)[bad]
    assert (ended.state, ended.attempt, ended.deliveries) == ("completed", 1, 2)
    later = stage.dispatch(*["deeds.walk()"] * 20)
    stage.until_ended(21)
    assert [stage.runs()[each] for each in later] == [1] * 20
    supervisor.send_signal(signal.SIGTERM)
    supervisor.wait(10)
    assert said in stage.log()
