"""What the tests of tasks share: a backend to dispatch to, drivers made for one test, programs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

import asynctasq
from asynctasq import plugins
from asynctasq.memory import MemoryDriver


@pytest.fixture
def use(memory: MemoryDriver, use_unclosed: Callable[..., None]) -> Callable[..., None]:
    """Install a driver class as a distribution would, and configure it."""
    return use_unclosed


@pytest.fixture
def use_unclosed(site: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`use`, for programs that close what they open."""

    def install(driver: type, *, name: str = "probe", options: type | None = None) -> None:
        module: Any = ModuleType(f"asynctasq_test_{name.replace('-', '_')}")
        module.Driver, module.Options = driver, options
        monkeypatch.setitem(sys.modules, module.__name__, module)
        points = {plugins.DRIVERS: {name: f"{module.__name__}:Driver"}}
        if options is not None:
            points[plugins.OPTIONS] = {name: f"{module.__name__}:Options"}
        site.install(name, points=points)
        asynctasq.init({"driver": name})

    return install


class Scripted(MemoryDriver):
    """Answers `enqueue` as a test says: each entry of `script` is called once, with the messages.

    It may raise, before (nothing is stored) or after it has called ``store``.
    """

    name = "probe"
    calls: list[int]
    """How many messages each call had."""
    script: list[Callable[..., Awaitable[Any]]]

    async def enqueue(self, messages: Any) -> Any:
        self.calls.append(len(messages))
        store = super().enqueue
        if not self.script:
            return await store(messages)
        return await self.script.pop(0)(messages, store)


@pytest.fixture
def scripted(use: Callable[..., None]) -> type[Scripted]:
    """The configured driver: one whose answers this test writes."""
    driver = type("OfThisTest", (Scripted,), {"calls": [], "script": []})
    use(driver)
    return driver


Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Run a program in a folder of its own, with warnings as errors."""

    def run(source: str, *arguments: str, file: str = "program.py") -> Any:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source), encoding="utf-8")
        core = str(Path(asynctasq.__file__).parent.parent)
        return subprocess.run(
            [sys.executable, "-W", "error", *(arguments or (str(path),))],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": core, "ASYNCTASQ_DRIVER": "memory"},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    return run
