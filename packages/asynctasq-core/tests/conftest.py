"""What tests of several rooms share: a clean surrounding, a backend, distributions to be found."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from uuid import uuid4

# The first three before a test narrows the import path: core imports them only when needed.
import click
import dotenv  # noqa: F401
import pytest
import pytest_asyncio
import rich.table  # noqa: F401
from hypothesis import HealthCheck, settings

import asynctasq
import asynctasq.config._state as state
from asynctasq import plugins
from asynctasq.driver import Context, StoredTask, TaskState
from asynctasq.memory import MemoryDriver
from asynctasq.tasks import TASKS

# A machine that pauses makes no example wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

_STATES: tuple[TaskState, ...] = ("scheduled", "pending", "running", "completed", "dead")


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory, no option in the environment, nothing configured yet."""
    for name in tuple(os.environ):
        if name.startswith(("ASYNCTASQ_", "ASYNC_TASK_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(state, "_state", state._State())
    return folder


@pytest.fixture
def queue() -> str:
    """A queue that nobody else uses: all memory drivers share one store."""
    return f"queue-{uuid4().hex}"


@pytest.fixture
def own_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No task of another test runs in child processes: any worker would start some for it."""
    names = [name for name in TASKS.names() if not TASKS.get(name).in_process]
    monkeypatch.setattr(TASKS, "_definitions", {name: TASKS.get(name) for name in names})


@pytest_asyncio.fixture
async def memory(clean: Path, own_tasks: None) -> AsyncIterator[MemoryDriver]:
    """The memory backend, configured; a driver to look into it."""
    asynctasq.init({"driver": "memory"})
    driver = MemoryDriver(None, Context())
    await driver.open()
    yield driver
    await driver.close()
    await asynctasq.close()


@pytest.fixture
def stored(memory: MemoryDriver, queue: str) -> Callable[[], Awaitable[list[StoredTask]]]:
    """Everything that the backend holds on `queue`."""

    async def look() -> list[StoredTask]:
        pages = [await memory.list(state, queue, 10_000) for state in _STATES]
        return [task for page in pages for task in page.tasks]

    return look


DRIVER = """
from asynctasq.memory import MemoryDriver

class AcmeDriver(MemoryDriver):
    name = "acme"
"""

QUEUE_ONLY = """
from asynctasq.memory import MemoryDriver

class AcmeDriver:
    name = "queue-only"
    api = MemoryDriver.api
    capabilities = MemoryDriver.capabilities

    def __init__(self, options, context):
        pass

    open = close = enqueue = dequeue = settle = extend = stats = purge = MemoryDriver.open
"""

OPTIONS = """
from typing import Annotated, Literal
from msgspec import Meta, Struct
from asynctasq.driver import Secret
"""


class Site:
    """A folder on the import path, with distributions in it as an installer leaves them."""

    QUEUE_ONLY = QUEUE_ONLY
    """Source of a driver that implements no optional protocol."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self,
        name: str,
        *,
        version: str = "1.0",
        points: Mapping[str, Mapping[str, str]] | str | None = None,
        modules: Mapping[str, str] | None = None,
    ) -> None:
        """Put a distribution here: `points` by group and name, `modules` by name."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (info / "METADATA").write_text(text, encoding="utf-8")
        (info / "entry_points.txt").write_text(_written(points or {}), encoding="utf-8")
        for module, source in (modules or {}).items():
            (self.folder / f"{module}.py").write_text(dedent(source), encoding="utf-8")
        plugins.refresh()

    def driver(self, name: str, *, source: str = "", options: str = "") -> None:
        """Install distribution ``acme-<name>`` with a driver, and options where they are given."""
        points = {plugins.DRIVERS: {name: f"acme_{name}:AcmeDriver"}}
        modules = {f"acme_{name}": source or DRIVER}
        if options:
            points[plugins.OPTIONS] = {name: f"acme_{name}_options:Options"}
            modules[f"acme_{name}_options"] = OPTIONS + dedent(options)
        self.install(f"acme-{name}", points=points, modules=modules)

    def run(
        self, *arguments: str, input: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Python where only this folder has distributions; `variables` are its environment."""
        path = [str(self.folder), str(_without_metadata(self.folder.parent / "imports"))]
        return subprocess.run(
            [sys.executable, "-S", "-W", "error", *arguments],
            env={"PYTHONPATH": os.pathsep.join(path), "PATH": os.environ["PATH"], **variables},
            input=input,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )


@pytest.fixture
def site(clean: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """An import path on which nothing is installed but what the test installs."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    sys.path[:] = [path for path in sys.path if not any(Path(path).glob("*.dist-info"))]
    before = set(sys.modules)
    plugins.refresh()
    yield Site(folder)
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    monkeypatch.undo()
    plugins.refresh()


def _written(points: Mapping[str, Mapping[str, str]] | str) -> str:
    if isinstance(points, str):
        return points
    lines: list[str] = []
    for group, named in points.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in named.items())]
    return "\n".join(lines)


def _without_metadata(folder: Path) -> Path:
    """Where an interpreter can import core and what it needs from, but finds nothing installed."""
    if folder.exists():
        return folder
    folder.mkdir()
    for path in (
        *Path(click.__file__).parent.parent.iterdir(),
        Path(plugins.__file__).parent.parent,
    ):
        if path.suffix != ".dist-info" and not (folder / path.name).exists():
            (folder / path.name).symlink_to(path)
    return folder
