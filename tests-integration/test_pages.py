"""What the README files tell is true: commands and code run, tables are current."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from asynctasq.config import CoreOptions, options_of
from asynctasq.driver import Driver
from asynctasq.plugins import driver_class, options_structs
from asynctasq.testing.report import capabilities, protocols
from asynctasq.testing.table import table
from tools import options_table, readme, rooms, workspace
from tools.constraints import FILE as CONSTRAINTS
from tools.uv import UV

from .conftest import Environment

PAGES = [workspace.ROOT / "README.md", *(p.folder / "README.md" for p in workspace.find())]
BLOCK = re.compile(
    r"(?P<clone><!-- clone -->\s*)?```(?P<language>bash|python)\n(?P<text>.*?)```", re.DOTALL
)
TOUR = re.compile(r"<!-- tour -->.*<!-- /tour -->", re.DOTALL)
"""Walked by a test of its own."""
SHOP = """
import asynctasq

@asynctasq.task
async def hello() -> None: ...
"""
SUITE = """
import pytest
from asynctasq.memory import MemoryDriver
from asynctasq.testing import DriverSuite

class TestMine(DriverSuite):
    lease = 0.2

    @pytest.fixture
    def new_driver(self):
        return lambda context: MemoryDriver(None, context)
"""


def blocks(language: str, *, clone: bool = False) -> list[ParameterSet]:
    """The blocks of all pages, but for commands and tour; those to be run in a clone, or others."""
    return list(_blocks(language, clone))


def _blocks(language: str, clone: bool) -> Iterator[ParameterSet]:
    for page in PAGES:
        text = TOUR.sub("", page.read_text(encoding="utf-8"))
        marked = readme.commands(text).values()
        for number, found in enumerate(BLOCK.finditer(text)):
            wanted = found["language"] == language and bool(found["clone"]) is clone
            if wanted and found["text"].strip() not in marked:
                yield pytest.param(found["text"], id=f"{page.parent.name}-{number}")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What somebody has who has cloned this repository as it stands."""
    folder = tmp_path / "clone"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=workspace.ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        if (workspace.ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((workspace.ROOT / name).read_bytes())
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return folder


def in_clone(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run it as somebody would who has nothing but the clone."""
    ours = ("ASYNCTASQ_", "NOX", "UV", "VIRTUAL_ENV", "PYTEST_")
    environment = {name: v for name, v in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)
def test_the_readmes_first_command_counts_every_file_of_a_python_once(clone: Path) -> None:
    command = readme.commands((clone / "README.md").read_text(encoding="utf-8"))["example"]
    ran = in_clone(clone, command)
    assert ran.returncode == 0, ran.stderr
    counted = re.search(r"files, each counted once\D+([\d,]+)", ran.stdout)
    assert counted, ran.stdout
    assert int(counted[1].replace(",", "")) == _source_files(clone / ".venv" / "bin" / "python")


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("startable")
def test_the_commands_for_who_works_on_it_run_one_after_the_other(clone: Path) -> None:
    found = [str(block.values[0]) for block in blocks("bash", clone=True)]
    assert len(found) == 4
    ran = in_clone(clone, "".join(found))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.findall(r"^\d+ passed", ran.stdout, re.MULTILINE), ran.stdout


def _source_files(python: Path) -> int:
    asked = "import sysconfig; print(sysconfig.get_path('stdlib'))"
    folder = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
    added = {"site-packages", "dist-packages"}
    found = Path(folder.stdout.strip()).rglob("*.py")
    return sum(1 for path in found if not added & set(path.parts))


@pytest.mark.parametrize("code", blocks("python"))
def test_a_block_of_python_runs_as_it_stands(code: str, tmp_path: Path) -> None:
    (tmp_path / "block.py").write_text(code, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "block.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("text", blocks("bash"))
def test_a_block_of_commands_runs_as_it_stands(text: str, wheels: Path, tmp_path: Path) -> None:
    environment = Environment.with_(tmp_path / "venv", *_wheels_with_testing(wheels))
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "tasks.py").write_text(SHOP, encoding="utf-8")
    (tmp_path / "test_mine.py").write_text(SUITE, encoding="utf-8")
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:2] == ["pip", "install"]:
            _install(environment, wheels, words[2:])
        elif words[:2] == ["asynctasq", "worker"]:
            _run_worker(environment, words, tmp_path)
        elif words[0] == "pytest":
            ran = environment.run("python", "-m", *words, "-k", "enqueue", cwd=tmp_path)
            assert ran.returncode == 0, ran.stdout
            assert (tmp_path / "report.json").exists()
        else:
            ran = environment.run(words[0], *words[1:], cwd=tmp_path)
            assert ran.returncode == 0, ran.stderr


def _wheels_with_testing(wheels: Path) -> list[str]:
    core = next(wheels.glob("asynctasq_core-*.whl"))
    return [f"asynctasq-core[testing] @ {core.as_uri()}"]


def _install(environment: Environment, wheels: Path, wanted: list[str]) -> None:
    python = environment.folder / "bin" / "python"
    options = ("--reinstall-package", "asynctasq-core", "--find-links", wheels, "-c", CONSTRAINTS)
    subprocess.run([UV, "pip", "install", "-q", "--python", python, *options, *wanted], check=True)


def _run_worker(environment: Environment, words: list[str], folder: Path) -> None:
    """Until it says that it is online; then it is told to stop, and ends well."""
    with subprocess.Popen(
        [environment.folder / "bin" / words[0], *words[1:]],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "ASYNCTASQ_DRIVER": "memory"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert "worker_online" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize("package", workspace.find(), ids=lambda package: package.name)
def test_the_table_of_options_is_what_the_code_declares(package: workspace.Package) -> None:
    page = (package.folder / "README.md").read_text(encoding="utf-8")
    name = package.import_name.rpartition(".")[2]
    struct = options_structs()[name] if package.is_driver else CoreOptions
    expected = options_table.table(options_of(struct))
    assert rooms.read(page, "options") == expected, "nox -s pages writes it anew"


def test_the_table_of_drivers_says_what_they_declare() -> None:
    names = sorted(name for package in workspace.find() for name in package.drivers)
    facts = [_declared(driver_class(name)) for name in names]
    expected = [line for line in table([{"drivers": facts}]).splitlines() if "`" in line]
    page = rooms.read((workspace.ROOT / "README.md").read_text(encoding="utf-8"), "drivers")
    rows = [line.split("|") for line in page.splitlines() if "`" in line]
    found = ["|".join(row[at] for at in _one_of_each(rows[0])) for row in rows]
    assert found == expected, "nox -s pages writes it anew"


def _one_of_each(names: list[str]) -> list[int]:
    """Where each stands first: a driver has a column for every backend that it was tested on.

    The last stands behind the table, and is empty as the first is.
    """
    last = len(names) - 1
    return [at for at, name in enumerate(names) if names.index(name) == at or at == last]


def _declared(driver: type[Driver]) -> dict[str, Any]:
    return {
        "name": driver.name,
        "suite": "",
        "distribution": None,
        "backend": None,
        "capabilities": capabilities(driver),
        "protocols": protocols(driver),
        "groups": {},
    }
