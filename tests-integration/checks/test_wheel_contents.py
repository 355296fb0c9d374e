"""A wheel fills its own room only: `tools/wheel_contents.py` looks into it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tools import wheel_contents, workspace

from .conftest import Repository

ROOM = "asynctasq_drivers/red/"
INFO = "asynctasq_red-0.1.0.dist-info/"
METADATA = """\
Metadata-Version: 2.4
Name: asynctasq-red
Version: 0.1.0
Summary: One of the sample's packages
License-Expression: MIT
Requires-Python: >=3.11

What the README says.
"""
GOOD = {
    f"{ROOM}__init__.py": "",
    f"{ROOM}py.typed": "",
    f"{ROOM}lua/take.lua": "",
    f"{INFO}METADATA": METADATA,
    f"{INFO}licenses/LICENSE": "MIT",
    f"{INFO}RECORD": "",
}


def _problems(repository: Repository, files: dict[str, str]) -> list[str]:
    wheel: Path = repository.root / "asynctasq_red-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    package = workspace.read(repository.root / "packages" / "asynctasq-red")
    return wheel_contents.problems(wheel, package)


def test_a_wheel_that_fills_its_own_room_has_no_problems(repository: Repository) -> None:
    assert _problems(repository, GOOD) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("redis/__init__.py", "redis/__init__.py is outside asynctasq_drivers/red/"),
        ("asynctasq/red.py", "asynctasq/red.py is outside"),
        ("asynctasq_drivers/blue/x.py", "asynctasq_drivers/blue/x.py is outside"),
        ("asynctasq_drivers/__init__.py", "would shut out every other driver"),
        ("tests/test_it.py", "tests/test_it.py is outside"),
    ],
)
def test_a_file_in_another_room_is_named(repository: Repository, name: str, said: str) -> None:
    (problem,) = _problems(repository, {**GOOD, name: ""})
    assert said in problem


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"{ROOM}__init__.py", "asynctasq_drivers/red/__init__.py is missing"),
        (f"{ROOM}py.typed", "asynctasq_drivers/red/py.typed is missing"),
        (f"{INFO}licenses/LICENSE", "no LICENSE"),
    ],
)
def test_a_missing_file_is_named(repository: Repository, name: str, said: str) -> None:
    (problem,) = _problems(repository, {n: text for n, text in GOOD.items() if n != name})
    assert said in problem


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ("Name: asynctasq-red", "Name: red", "Name: red, expected asynctasq-red"),
        ("Version: 0.1.0", "Version: 0.2.0", "Version: 0.2.0, expected 0.1.0"),
        ("Expression: MIT", "Expression: ISC", "License-Expression: ISC, expected MIT"),
        ("Python: >=3.11", "Python: >=3.9", "Requires-Python: >=3.9, expected >=3.11"),
        ("What the README says.", "", "lack the summary or the README"),
    ],
)
def test_wrong_metadata_are_named(
    repository: Repository, line: str, instead: str, said: str
) -> None:
    metadata = METADATA.replace(line, instead)
    assert metadata != METADATA
    (problem,) = _problems(repository, {**GOOD, f"{INFO}METADATA": metadata})
    assert said in problem


def test_a_wheel_without_metadata_is_no_surprise(repository: Repository) -> None:
    files = {name: text for name, text in GOOD.items() if name != f"{INFO}METADATA"}
    assert any("metadata say Name: None" in problem for problem in _problems(repository, files))
