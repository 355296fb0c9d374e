"""Who may import whom is kept by import-linter, for every driver that is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import import_contracts, workspace
from tools.workspace import ROOT

from .conftest import Repository

MODULES = {
    "__init__": "from asynctasq.tasks import task",
    "tasks/__init__": "from asynctasq import events",
    "events": "import msgspec\nfrom asynctasq import driver",
    "driver": "from asynctasq import _ids, _secret, errors",
    "errors": "",
    "_ids": "import os",
    "_loop": "",
    "_secret": "",
    "_text": "",
    "cli/__init__": "",
    "cli/_exits": "",
    "cli/_terminal": "",
    "cli/screen/__init__": "",
    "cli/supervisor/__init__": "",
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
DRIVER = "packages/asynctasq-red/src/asynctasq_drivers/red"
WRONG = [
    (f"{CORE}/events.py", "import asynctasq.tasks", "asynctasq.events -> asynctasq.tasks"),
    (f"{CORE}/driver.py", "import asynctasq", "asynctasq.driver -> asynctasq"),
    (f"{CORE}/novelty.py", "", "not listed as layers: - asynctasq.novelty"),
    (f"{CORE}/tasks/a.py", "import redis.asyncio", "asynctasq.tasks.a may not import redis"),
    (f"{CORE}/tasks/b.py", "import asynctasq_drivers.red", "tasks.b may not import asynctasq_dr"),
    (f"{CORE}/tasks/c.py", "import asynctasq.testing", "tasks.c may not import asynctasq.testing"),
    (f"{CORE}/tasks/d.py", "import asynctasq.core.events", "tasks.d may not import asynctasq.core"),
    (f"{CORE}/core/a.py", "import msgspec", "asynctasq.core.a may not import msgspec"),
    (f"{CORE}/testing/a.py", "import redis", "asynctasq.testing.a may not import redis"),
    (f"{DRIVER}/a.py", "import asyncpg", "asynctasq_drivers.red.a may not import asyncpg"),
    (f"{DRIVER}/b.py", "import asynctasq.tasks", "red.b may not import asynctasq.tasks"),
    (f"{DRIVER}/c.py", "import asynctasq.testing", "red.c may not import asynctasq.testing"),
    (f"{DRIVER}/d.py", "from asynctasq import init", "red.d may not import asynctasq"),
    (f"{DRIVER}/e.py", "import asynctasq_drivers.blue", "red.e may not import asynctasq_drivers"),
    (f"{DRIVER}/f.py", "def f():\n    import asyncpg", "red.f may not import asyncpg"),
]
"""A file, what is added to it, and how the import in it is named."""


def test_every_import_that_points_elsewhere_is_named(sample: Repository) -> None:
    for name, text, _ in WRONG:
        with (sample.root / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")
    code, output = _lint(sample)
    assert code == 1
    said = " ".join(output.split())
    assert [named for _, _, named in WRONG if named not in said] == []
