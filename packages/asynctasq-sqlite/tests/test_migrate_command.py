"""``asynctasq migrate`` on an SQLite file: shown, checked, applied, and then up to date."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def migrate(folder: Path, *flags: str) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "asynctasq", "migrate", "--driver", "sqlite", *flags],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


@pytest.mark.parametrize("flag", ["--check", "--sql"])
def test_looking_changes_nothing(tmp_path: Path, flag: str) -> None:
    code, shown = migrate(tmp_path, flag)
    assert code == (flag == "--check")
    assert ("CREATE TABLE asynctasq_task" in shown) == (flag == "--sql")
    assert "tasks_and_records" in shown
    assert list(tmp_path.iterdir()) == []


def test_what_was_applied_is_pending_no_more(tmp_path: Path) -> None:
    applied = migrate(tmp_path, "--sqlite-path", "shop.db")
    assert applied == (0, "   1  tasks_and_records\n1 step(s) applied\n")
    assert (tmp_path / "shop.db").exists()
    for again in ((), ("--check",)):
        told = migrate(tmp_path, "--sqlite-path", "shop.db", *again)
        assert told == (0, "the schema is up to date\n")


def test_steps_are_told_in_json(tmp_path: Path) -> None:
    code, shown = migrate(tmp_path, "--check", "--json")
    (step,) = json.loads(shown)
    assert (code, step["version"], step["name"]) == (1, 1, "tasks_and_records")
    assert "CREATE TABLE asynctasq_task" in step["sql"]
    assert list(tmp_path.iterdir()) == []
    assert migrate(tmp_path, "--json") == (0, shown)
    assert migrate(tmp_path, "--json") == (0, "[]\n")
