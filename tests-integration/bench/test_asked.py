"""What is asked for wrongly is refused in a line that says what would be right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import workspace
from tools.benchmarks.measurements import MEASUREMENTS

from .conftest import bench

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--driver", "memroy"], "did you mean 'memory'?"),
        (["--only", "latancy"], "no measurement 'latancy': did you mean 'latency'?"),
        (["--only", ","], "expected names of measurements"),
        (["--option", "sqlite_synchronus=full"], "did you mean 'sqlite_synchronous'?"),
        (["--option", "sqlite_synchronous=half"], "sqlite_synchronous"),
        (["--option", "store_results"], "expected name=value"),
        (["--option", "driver=memory"], "use --driver"),
        (["--option", "sqlite_path=/tmp/mine.db"], "has a fresh one of its own"),
    ],
)
def test_it_is_refused(words: list[str], told: str) -> None:
    ran = bench(*words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert told in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_a_floor_file_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "memory.py"
    file.write_text("CLIENT = ()", encoding="utf-8")
    ran = bench("--floor", str(file))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "floor file memory.py lacks FLOORS, options, wanted" in ran.stderr


def test_help_names_every_measurement_and_row_also_of_the_module() -> None:
    ran = bench("--help")
    assert ran.returncode == 0
    for each in MEASUREMENTS:
        assert f"{each.name} " in ran.stdout
        assert all(row.name in ran.stdout for row in each.rows)
    module = [sys.executable, "-m", "tools.bench", "--help"]
    again = subprocess.run(module, cwd=workspace.ROOT, capture_output=True, text=True, check=True)
    assert again.stdout == ran.stdout
