"""The suite in somebody else's project: no settings, parallel, warnings as errors, reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import asynctasq

pytestmark = [pytest.mark.once, pytest.mark.timeout(200)]

PROJECT = """
import pytest
from asynctasq.memory import MemoryDriver
from asynctasq.testing import DriverSuite


class TestTheirs(DriverSuite):
    driver_class = MemoryDriver
    lease = 0.2

    @pytest.fixture
    def new_driver(self):
        return lambda context: MemoryDriver(None, context)
"""
STRICT = ("-W", "error", "-o", "asyncio_default_fixture_loop_scope=function")
"""Without the option pytest-asyncio itself warns, before any test is seen."""
SOURCE = str(Path(asynctasq.__file__).parent.parent)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_theirs.py").write_text(PROJECT)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        env={**os.environ, "PYTHONPATH": SOURCE},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize("parallel", [(), ("-n", "2")], ids=["one", "xdist"])
def test_it_runs_and_reports(tmp_path: Path, parallel: tuple[str, ...]) -> None:
    report = tmp_path / "report.json"
    plugin = ("-p", "asynctasq.testing.report", "--driver-report", str(report))
    ran = run(tmp_path, *STRICT, *plugin, *parallel, "-k", "enqueue or settle or comes")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "skip" not in ran.stdout
    (driver,) = json.loads(report.read_text())["drivers"]
    assert (driver["name"], driver["suite"]) == ("memory", "test_theirs.TestTheirs")
    assert driver["groups"]["Settle"]["passed"] > 0
    assert driver["groups"]["Settle"]["failed"] == []
    not_run = driver["groups"]["Restarts"]["not_run"]
    assert not_run["test_what_ended_stays_ended"] == "needs restart_backend"
    assert driver["groups"]["Stats"]["not_run"]["test_what_is_not_due_has_no_age"] == "not selected"


@pytest.mark.parametrize("missing", ["hypothesis", "pytest", "pytest_asyncio"])
def test_without_its_extra_it_says_what_to_install(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import asynctasq.testing"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ran.returncode == 1
    assert f"needs {missing}" in ran.stderr
    assert 'pip install "asynctasq-core[testing]"' in ran.stderr
