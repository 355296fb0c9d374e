"""Who may import whom is kept by import-linter, for every driver that is found."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools import import_contracts, workspace
from tools.workspace import ROOT

from .conftest import Repository

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODULES = {
    "__init__": "from asynctasq.tasks import task",
    "tasks/__init__": "from asynctasq import events",
    "events": "import msgspec\nfrom asynctasq import driver",
    "driver": "from asynctasq import _ids, _secret, errors",
    "errors": "",
    "_ids": "import os",
    "_secret": "",
    "core/__init__": "",
    "core/events": "from asynctasq.events import Event",
    "testing/__init__": "import pytest\nfrom asynctasq import driver",
    "__main__": "from asynctasq import tasks",
    "tasks/infrastructure": "",
}
RED = """
import json
from reddis import Client
from asynctasq.driver import Driver
from asynctasq.errors import DriverError
from asynctasq.events import Event
"""


@pytest.fixture
def sample(repository: Repository) -> Repository:
    """The sample repository, with the core's layers in it and this repository's contracts."""
    for name, text in MODULES.items():
        repository.write(f"packages/asynctasq-core/src/asynctasq/{name}.py", text)
    repository.write("packages/asynctasq-red/src/asynctasq_drivers/red/_driver.py", RED)
    repository.add("asynctasq-blue", "asynctasq_drivers.blue")
    return repository


def _lint(sample: Repository) -> tuple[int, str]:
    packages = workspace.find(sample.root)
    target = sample.root / "contracts.ini"
    import_contracts.write(target, packages, ROOT)
    path = os.pathsep.join([*(str(package.src) for package in packages), str(ROOT)])
    answer = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", target],
        env={"PYTHONPATH": path, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.returncode, answer.stdout + answer.stderr


def test_what_the_design_allows_is_kept(sample: Repository) -> None:
    code, said = _lint(sample)
    assert code == 0, said
    assert "asynctasq-red stands on the driver contract alone KEPT" in said
    assert "asynctasq-blue stands on the driver contract alone KEPT" in said


CORE = "packages/asynctasq-core/src/asynctasq"
DRIVER = "packages/asynctasq-red/src/asynctasq_drivers/red/_driver.py"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (f"{CORE}/events.py", "import asynctasq.tasks", "asynctasq.events -> asynctasq.tasks"),
        (f"{CORE}/driver.py", "import asynctasq", "asynctasq.driver -> asynctasq"),
        (f"{CORE}/novelty.py", "", "asynctasq.novelty"),
        (f"{CORE}/tasks/x.py", "import redis.asyncio", "asynctasq.tasks.x may not import redis"),
        (f"{CORE}/tasks/x.py", "import asynctasq_drivers.red", "may not import asynctasq_drivers"),
        (f"{CORE}/tasks/x.py", "import asynctasq.testing", "may not import asynctasq.testing"),
        (f"{CORE}/tasks/x.py", "import asynctasq.core.events", "may not import asynctasq.core"),
        (
            f"{CORE}/core/events.py",
            "import msgspec",
            "asynctasq.core.events may not import msgspec",
        ),
        (f"{CORE}/testing/x.py", "import redis", "asynctasq.testing.x may not import redis"),
        (DRIVER, "import asyncpg", "asynctasq_drivers.red._driver may not import asyncpg"),
        (DRIVER, "import asynctasq.tasks", "may not import asynctasq.tasks"),
        (DRIVER, "import asynctasq.testing", "may not import asynctasq.testing"),
        (DRIVER, "from asynctasq import init", "may not import asynctasq"),
        (DRIVER, "import asynctasq_drivers.blue", "may not import asynctasq_drivers.blue"),
        (DRIVER, "def f():\n    import asyncpg", "may not import asyncpg"),
    ],
)
def test_an_import_that_points_elsewhere_is_named(
    sample: Repository, file: str, text: str, said: str
) -> None:
    sample.write(file, text)
    code, output = _lint(sample)
    assert code == 1
    assert said in " ".join(output.split())
