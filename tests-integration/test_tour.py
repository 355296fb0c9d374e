"""The tour of the README, walked as it stands: every command shows what the page says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools import rooms, tour, workspace

from .conftest import Environment

TOUR = rooms.read((workspace.ROOT / "README.md").read_text(encoding="utf-8"), "tour")


@pytest.mark.concurrent
@pytest.mark.timeout(180)  # a dozen programs, on a machine that may be busy
def test_every_command_of_the_tour_shows_what_the_page_says(wheels: Path, tmp_path: Path) -> None:
    installed = [next(wheels.glob(f"asynctasq_{name}-*.whl")) for name in ("core", "sqlite")]
    environment = Environment.with_(tmp_path / "venv", *installed)
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, text in tour.files(TOUR).items():
        (folder / name).write_text(text, encoding="utf-8")
    steps = tour.steps(TOUR)
    path = os.pathsep.join([str(environment.folder / "bin"), os.environ["PATH"]])
    shown = tour.walk([step.command for step in steps], folder, {"PATH": path}, 150)
    for step, found in zip(steps, shown, strict=True):
        assert tour.likeness(found) == tour.likeness(step.shown), step.command


def test_what_is_another_each_time_does_not_count_and_all_else_does() -> None:
    line = "2026-01-02 03:04:05,678 9 INFO worker_online: me:9 on mail  2 s"
    like = "2027-11-12 13:14:15,999 77 INFO worker_online: you-2.x:8 on mail   14 s"
    assert tour.likeness(line) == tour.likeness(like)
    assert tour.likeness(line) != tour.likeness(line.replace("online", "offline"))


def test_files_and_commands_are_read_from_a_page() -> None:
    page = "<!-- file: a.py -->\n```python\nx = 1\n```\n\n```console\n$ one\nout\n$ two\n```\n"
    assert tour.files(page) == {"a.py": "x = 1\n"}
    assert tour.steps(page) == [tour.Step("one", "out"), tour.Step("two", "")]


def test_a_shell_that_ends_early_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended early"):
        tour.walk(["echo one", "exit 3", "echo two"], tmp_path, os.environ)
