"""Real runs of `tools/bench.py`, as small as they can be, and drivers that nobody here ships."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tools import workspace
from tools.benchmarks.results import DriverReport, Report, Row

BENCH = workspace.ROOT / "tools" / "bench.py"
TINY = ("--quick", "--scale", "0.02", "--repeat", "1")


def bench(*words: str, path: Sequence[Path] = ()) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with these folders on the import path."""
    return subprocess.run(
        [sys.executable, str(BENCH), *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@dataclass(frozen=True)
class Ran:
    """A run, and what it has left behind."""

    process: subprocess.CompletedProcess[str]
    text: str
    report: Report
    chart: str

    def driver(self, name: str) -> DriverReport:
        """What it found out about one."""
        (found,) = (each for each in self.report.drivers if each.driver == name)
        return found

    def rows(self, name: str) -> dict[str, Row]:
        """The same, by the name of the row."""
        return {row.name: row for row in self.driver(name).rows}


def run(folder: Path, *words: str, path: Sequence[Path] = ()) -> Ran:
    """Run it, with files in that folder."""
    figures, chart = folder / "figures.json", folder / "chart.svg"
    files = ("--json", str(figures), "--chart", str(chart))
    process = bench(*TINY, *words, *files, path=path)
    assert figures.exists(), process.stderr
    text = figures.read_text(encoding="utf-8")
    report = msgspec.json.decode(text, type=Report)
    return Ran(process, text, report, chart.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Everything, of the two drivers that need no server."""
    words = ("--driver", "memory", "--driver", "sqlite", "--option", "sqlite_synchronous=normal")
    return run(tmp_path_factory.mktemp("bench"), *words)


def installed(folder: Path, driver: str, module: str, options: str) -> Path:
    """Make the modules in that folder a distribution that provides a driver; the folder."""
    info = folder / f"{driver}_driver-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {driver}-driver\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(
        f"[asynctasq.drivers]\n{driver} = {module}\n\n[asynctasq.options]\n{driver} = {options}\n",
        encoding="utf-8",
    )
    return folder
