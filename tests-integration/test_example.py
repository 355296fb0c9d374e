"""The example does what it says: one worker is killed, and every file is counted once."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tools import workspace

EXAMPLE = workspace.ROOT / "packages/asynctasq-core/examples/measure_python.py"


def measured(folder: Path, kill_at: float) -> dict[str, str]:
    """What the example shows of a folder, line by line."""
    ran = subprocess.run(
        [sys.executable, EXAMPLE, folder, f"--kill-at={kill_at}"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return dict(re.findall(r"│ (\S.*?) +│ +(\S+) │", ran.stdout))


@pytest.mark.concurrent
def test_every_file_is_counted_once_whenever_a_worker_is_killed() -> None:
    kill_at = random.random()
    folder = Path(sysconfig.get_path("stdlib")) / "email"
    files = list(folder.rglob("*.py"))
    shown = measured(folder, kill_at)
    assert shown["files, each counted once"] == str(len(files)), f"--kill-at={kill_at}"
    assert shown["tasks"] == str(2 * len(files))
    lines = sum(len(file.read_bytes().splitlines()) for file in files)
    assert shown["lines"] == f"{lines:,}"
