"""A queue in an SQLite file, tasks in it, and the commands as an operator runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHOP = r"""
import asynctasq
from asynctasq import task

@task(queue="mail", max_attempts=2, retry_delay=0)
async def welcome(user_id: int, name: str = "x") -> str:
    if user_id % 3 == 0:
        raise ValueError(f"[red]no user[/red] {user_id} :boom: \x1b]0;title\x07\nforged line")
    return f"welcome, {user_id}"

@task(queue="reports")
def report(day: str) -> None: ...

@task(queue="odd")
def place(things: dict[tuple[int, int], str]) -> None: ...
"""


class Shop:
    """A folder with an application and its queue."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "ASYNCTASQ_DRIVER": "sqlite",
            "ASYNCTASQ_SQLITE_PATH": str(folder / "shop.db"),
        }
        (folder / "shop.py").write_text(SHOP, encoding="utf-8")

    def run(
        self, *words: str, input: str = "", warnings: str = "error"
    ) -> subprocess.CompletedProcess[str]:
        """Run `asynctasq` with these words."""
        return subprocess.run(
            [sys.executable, "-W", warnings, "-m", "asynctasq", *words],
            cwd=self.folder,
            env=self.environment,
            input=input,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    def shown(self, *words: str) -> str:
        """What a command prints that does what it was asked for, and has nothing to complain of."""
        ran = self.run(*words)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        return ran.stdout

    def json(self, *words: str) -> Any:
        """The same, read from JSON."""
        return json.loads(self.shown(*words, "--json"))

    def dispatch(self, *calls: str) -> list[str]:
        """Dispatch calls of tasks of the application; their ids."""
        code = f"import asynctasq, shop\nfor call in ({', '.join(calls)},):\n" + (
            "    print(call.dispatch_sync())\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
        return ran.stdout.split()

    def work(self, queue: str, tasks: int) -> str:
        """Let a worker run so many tasks; its log."""
        ran = self.run("worker", "--app", "shop", "--queues", queue, "--max-tasks", str(tasks))
        assert ran.returncode == 0, ran.stderr
        return ran.stderr


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """An empty queue."""
    return Shop(tmp_path)
