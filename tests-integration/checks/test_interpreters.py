"""Pythons are found, never downloaded, and only those that work: `tools/interpreters.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import interpreters, workspace
from tools.interpreters import Interpreter

from .conftest import Repository

THIS = f"{sys.version_info[0]}.{sys.version_info[1]}"


def _program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)
    return file


def test_promised_are_those_that_classifiers_name(repository: Repository) -> None:
    assert interpreters.promised(workspace.find(repository.root)) == ["3.11", "3.12"]


def test_a_python_that_works_is_found_by_what_it_says_of_itself(tmp_path: Path) -> None:
    alias = _program(tmp_path, "python3", f'exec {sys.executable} "$@"')
    assert [found.name for found in interpreters.find([THIS], [alias])] == [THIS]


def test_the_first_that_works_is_taken(tmp_path: Path) -> None:
    broken = _program(tmp_path, f"python{THIS}", "exit 127")
    other = Path(sys.executable)
    (found,) = interpreters.find([THIS], [broken, other, other])
    assert found.path.samefile(sys._base_executable)


@pytest.mark.parametrize(
    "answer",
    [
        '["3.11", "pypy", "final", false, "/x"]',
        '["3.11", "cpython", "candidate", false, "/x"]',
        '["3.11", "cpython", "final", true, "/x"]',
        '["3.10", "cpython", "final", false, "/x"]',
    ],
    ids=["PyPy", "a release candidate", "without the GIL", "too old"],
)
def test_what_is_not_promised_is_not_taken(tmp_path: Path, answer: str) -> None:
    assert interpreters.find(["3.11"], [_program(tmp_path, "python3", f"echo '{answer}'")]) == []


def test_programs_with_other_names_are_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    names = ("python3-config", "python3.11-config", "python3.9", "pythonw")
    files = [_program(tmp_path, name, f"touch {ran}") for name in names]
    assert interpreters.find(["3.11"], files) == []
    assert not ran.exists()


def test_they_come_oldest_first(tmp_path: Path) -> None:
    answers = {
        name: f'["{name}", "cpython", "final", false, "/{name}"]' for name in ("3.13", "3.9")
    }
    files = [_program(tmp_path / n, "python3", f"echo '{a}'") for n, a in answers.items()]
    expected = [Interpreter("3.9", Path("/3.9")), Interpreter("3.13", Path("/3.13"))]
    assert interpreters.find(["3.13", "3.9"], files) == expected


def test_this_one_is_found_where_nothing_is_told() -> None:
    assert THIS in {found.name for found in interpreters.find([THIS])}
