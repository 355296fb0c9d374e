"""Code that holds the interpreter for longer than its lease loses it, and is fenced."""

from __future__ import annotations

import os
import signal

import pytest

from .conftest import Stage, until


@pytest.mark.concurrent
def test_a_lease_lost_to_held_threads_is_taken_over_and_the_late_outcome_changes_nothing(
    stage: Stage,
) -> None:
    gate = stage.folder / "gate"
    os.mkfifo(gate)
    (task,) = stage.dispatch("deeds.hold_the_interpreter()")
    held_up = stage.worker(TROUBLE="yes")
    until(lambda: stage.runs()[task] == 1)
    other = stage.worker()
    stage.until_ended(1)
    assert "lease" not in stage.log(0)  # it has not even noticed
    completed = stage.tasks()[task]
    gate.write_bytes(b"")
    until(lambda: "was lost before it was settled" in stage.log(0))
    assert stage.runs()[task] == completed.deliveries == 2
    assert stage.tasks()[task] == completed
    assert (completed.state, completed.attempt) == ("completed", 1)
    later = stage.dispatch(*["deeds.walk()"] * 20)
    stage.until_ended(21)
    assert [stage.runs()[each] for each in later] == [1] * 20
    for worker in (held_up, other):
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0, stage.log()
