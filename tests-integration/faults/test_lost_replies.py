"""A reply that is lost after the backend has done it all, and a backend that was away before it."""

from __future__ import annotations

import pytest

from .conftest import Stage

COUNT = 10
pytestmark = pytest.mark.concurrent


def work_off(stage: Stage, faults: str) -> None:
    """A worker with these faults runs all tasks, and ends well."""
    worker = stage.worker("--driver", "faulty", "--max-tasks", str(COUNT), FAULTS=faults)
    assert worker.wait(20) == 0, stage.log()


@pytest.mark.parametrize(
    "faults",
    [
        "dequeue:1:before",
        "settle:1:before",
        "settle:1:after",
        "settle:1:after settle:2:after settle:3:before",
        "extend:1:before extend:2:after",
    ],
)
def test_what_is_asked_again_is_done_once(stage: Stage, faults: str) -> None:
    ids = stage.dispatch(*["deeds.outlast_a_renewal()"] * COUNT)
    work_off(stage, faults)
    tasks = stage.tasks()
    assert {(each.state, each.attempt, each.deliveries) for each in tasks.values()} == {
        ("completed", 1, 1)
    }
    assert stage.runs() == dict.fromkeys(ids, 1)
    assert "was lost" not in stage.log()
    assert "told to" in stage.log()  # so it did happen


def test_what_a_lost_dequeue_held_runs_when_its_lease_ends(stage: Stage) -> None:
    ids = stage.dispatch(*["deeds.walk()"] * COUNT)
    work_off(stage, "dequeue:1:after")
    tasks = stage.tasks()
    assert {(each.state, each.attempt, each.deliveries) for each in tasks.values()} == {
        ("completed", 1, 2)
    }
    assert stage.runs() == dict.fromkeys(ids, 1)
    assert "dequeue: told to lose the reply" in stage.log()


@pytest.mark.parametrize("faults", ["enqueue:1:before", "enqueue:1:after"])
def test_a_dispatch_that_is_tried_again_stores_each_task_once(stage: Stage, faults: str) -> None:
    stage.variables["FAULTS"] = faults
    stage.set(driver="faulty")
    ids = stage.dispatch(*["deeds.walk()"] * COUNT)
    assert sorted(stage.tasks()) == sorted(ids)
    work_off(stage, "")
    assert stage.runs() == dict.fromkeys(ids, 1)
