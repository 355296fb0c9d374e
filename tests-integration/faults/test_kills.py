"""A worker that is killed at any await of its two loops loses nothing, and spends no attempt."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from asynctasq.codec import decode_envelope
from asynctasq.driver import StoredTask

from .conftest import SITE, Stage, is_alive

pytestmark = [pytest.mark.concurrent, pytest.mark.timeout(120)]

ATTEMPTS = {"deeds.fail_once": 2}
"""Of each task that needs more than one."""
DEAD = {"deeds.FailForGood"}
MODULES = [
    f"asynctasq.worker.{name}"
    for name in ("_fetcher", "_runner", "_threads", "_settler", "_leases", "_watch", "_engine")
]


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What became of a worker for each place to die at; once, however many processes test."""
    room = tmp_path_factory.getbasetemp()
    room = room.parent if "PYTEST_XDIST_WORKER" in os.environ else room
    told = room / "kills.json"
    with (room / "kills.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            told.write_text(killed_everywhere(tmp_path_factory.mktemp("kills")), encoding="utf-8")
    return [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]


def killed_everywhere(folder: Path) -> str:
    """What `site/killing.py` tells."""
    stage = Stage(folder)
    # Where many share a processor, one may stand still for a second.
    stage.set(process_pool_size=1, default_visibility_timeout=2)
    ran = subprocess.run(
        [sys.executable, SITE / "killing.py", folder],
        cwd=folder,
        env=stage.variables,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def told(death: dict[str, Any]) -> str:
    """Where it died, and what was logged."""
    log = (Path(death["folder"]) / "log").read_text(encoding="utf-8")
    return f"{death['scenario']}, killed={death['killed']} at {death['point']}:\n{log}"


def dispatched(stage: Stage) -> set[UUID]:
    """What tasks have dispatched in their turn, and were told so."""
    return {UUID(line[3]) for line in stage.lines() if line[2:3] == ["dispatched"]}


def given(death: dict[str, Any]) -> list[StoredTask]:
    """The tasks that were there from the start."""
    tasks = Stage(Path(death["folder"])).tasks().values()
    if death["scenario"] != "dispatches":
        return list(tasks)
    return [task for task in tasks if decode_envelope(task.body).task in death["tasks"]]


def test_whatever_await_a_worker_is_killed_at_every_task_ends_once(
    deaths: list[dict[str, Any]],
) -> None:
    assert len(deaths) > 50
    for death in deaths:
        assert death["finished"], told(death)
        tasks = given(death)
        names = [decode_envelope(task.body).task for task in tasks]
        assert sorted(names) == sorted(death["tasks"]), told(death)
        for name, task in zip(names, tasks, strict=True):
            assert task.state == ("dead" if name in DEAD else "completed"), told(death)


def test_what_a_killed_worker_has_dispatched_runs(deaths: list[dict[str, Any]]) -> None:
    count = 0
    for death in deaths:
        stage = Stage(Path(death["folder"]))
        tasks = stage.tasks()
        for child in dispatched(stage):
            count += 1
            assert child in tasks, told(death)
            assert tasks[child].state == "completed", told(death)
    assert count > 0


def test_a_kill_spends_no_attempt_and_every_further_run_is_counted(
    deaths: list[dict[str, Any]],
) -> None:
    for death in deaths:
        stage = Stage(Path(death["folder"]))
        runs = stage.runs()
        for task in given(death):
            name = decode_envelope(task.body).task
            assert task.attempt == ATTEMPTS.get(name, 1), told(death)
            assert task.deliveries - task.attempt <= 1, f"{name}, {told(death)}"
            # What a stop gives back is not counted, although it had begun.
            counted = task.deliveries + (death["scenario"] == "stopped")
            assert task.attempt <= runs[task.ref.id] <= counted, f"{name}, {told(death)}"


def test_no_child_outlives_a_killed_worker(deaths: list[dict[str, Any]]) -> None:
    children = {pid for death in deaths for pid in Stage(Path(death["folder"])).processes()}
    assert children
    assert [pid for pid in children if is_alive(pid)] == []


def test_every_await_of_fetch_run_settle_renew_and_stop_has_been_a_death(
    deaths: list[dict[str, Any]],
) -> None:
    died = {place for death in deaths if death["killed"] for place in death["point"][0]}
    survived = {place for death in deaths if not death["killed"] for place in death["point"][0]}
    print(f"{sum(death['killed'] for death in deaths)} deaths at {len(died)} awaits:")
    print(*sorted(died), sep="\n")
    assert set(awaits()) - died == set(), f"never met: {sorted(survived - died)}"


def awaits() -> Iterator[str]:
    """Every await of the modules that fetch, run, settle, renew and stop."""
    for module in MODULES:
        spec = find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        for node in ast.walk(ast.parse(Path(spec.origin).read_bytes())):
            if isinstance(node, ast.Await):
                yield f"{module}:{node.lineno}:{node.col_offset}"
