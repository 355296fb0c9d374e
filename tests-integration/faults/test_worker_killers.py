"""A task that kills its worker ends, and takes none of those down that ran beside it."""

from __future__ import annotations

import signal

import pytest

from .conftest import Stage

INNOCENT = ["deeds.be_innocent(0.1)"] * 50


@pytest.mark.concurrent
def test_a_task_that_kills_its_worker_is_dead_after_three_and_the_others_keep_their_attempts(
    stage: Stage,
) -> None:
    ids = stage.dispatch(*INNOCENT, "deeds.kill_the_worker()", *INNOCENT)
    supervisor = stage.worker("--workers", "2", "--concurrency", "4")
    tasks = stage.until_ended(101, seconds=40)
    supervisor.send_signal(signal.SIGTERM)
    supervisor.wait(10)

    killer = tasks.pop(ids[50])
    assert (killer.state, killer.attempt, killer.deliveries) == ("dead", 1, 4)
    assert killer.failure is not None
    assert killer.failure.text.startswith("worker lost")
    assert stage.runs()[ids[50]] == 3
    assert len(tasks) == 100
    assert {(each.state, each.attempt) for each in tasks.values()} == {("completed", 1)}
    assert max(each.deliveries - each.attempt for each in tasks.values()) < 3
    assert stage.log().count("was ended by SIGKILL: replaced") == 3
