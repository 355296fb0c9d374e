"""A file that somebody keeps locked is waited for: the worker goes on by itself."""

from __future__ import annotations

import contextlib
import signal
import sqlite3

import pytest

from .conftest import Stage, until


@pytest.mark.concurrent
def test_a_worker_waits_for_a_locked_file_and_goes_on_when_it_is_free(stage: Stage) -> None:
    stage.set(sqlite_busy_timeout=0.3)
    ids = stage.dispatch(*["deeds.outlast_a_renewal()"] * 5, *["deeds.walk().delay(1.5)"] * 5)
    worker = stage.worker()
    until(lambda: len(stage.runs()) == 5)
    with contextlib.closing(sqlite3.connect(stage.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for said in ("leases could not be renewed", "wait for the backend", "nothing fetched"):
            until(lambda said=said: said in stage.log(), what=said)
        other.execute("ROLLBACK")
    tasks = stage.until_ended(10)
    assert {(each.state, each.attempt) for each in tasks.values()} == {("completed", 1)}
    assert stage.runs() == dict.fromkeys(ids, 1)
    later = stage.dispatch("deeds.walk()")
    stage.until_ended(11)
    assert stage.runs()[later[0]] == 1
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0, stage.log()
