"""Every broken driver is caught, by the tests that are about its fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from .broken import (
    counting,
    doubling,
    fencing,
    losing,
    mangling,
    naming,
    opening,
    ordering,
    recording,
    schemas,
    waiting,
)
from .broken.suites import drivers_in

MODULES = [
    losing,
    mangling,
    naming,
    fencing,
    doubling,
    counting,
    ordering,
    waiting,
    recording,
    opening,
    schemas,
]
pytestmark = [pytest.mark.once, pytest.mark.timeout(200)]
FILE = Path(__file__).with_name("broken") / "suites.py"


def short_name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


@pytest.mark.parametrize("module", MODULES, ids=short_name)
def test_every_broken_driver_is_caught(module: ModuleType, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FILE)]
    command += ["-p", "asynctasq.testing.report", "--driver-report", str(report)]
    ran = subprocess.run(
        command,
        env={**os.environ, "BROKEN_DRIVERS": module.__name__},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout + ran.stderr
    failed = {
        told["class"].rpartition(".")[2]: sorted(
            name for name, group in told["groups"].items() if group["failed"]
        )
        for told in json.loads(report.read_text())["drivers"]
    }
    expected = {driver.__name__: [driver.caught_by] for driver in drivers_in(module)}
    assert failed == expected, ran.stdout
