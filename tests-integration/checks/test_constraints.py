"""Pins are `name==version`, one for each name and all of them: `tools/constraints.py`."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import constraints, workspace
from tools.workspace import ROOT

from .conftest import Repository


def _pinned() -> dict[str, str]:
    lines = constraints.FILE.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def test_the_pins_of_this_repository_are_well_formed() -> None:
    assert constraints.problems(constraints.FILE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("wanted", constraints.requirements(ROOT, workspace.find()))
def test_each_thing_that_is_asked_for_is_pinned_within_its_range(wanted: str) -> None:
    requirement = Requirement(wanted)
    assert requirement.specifier.contains(_pinned()[canonicalize_name(requirement.name)])


@pytest.mark.parametrize(
    "line",
    [
        "click>=8.1",
        "click==8.1 ; python_version < '3.12'",
        "click @ https://example.org/click.whl",
        "--index-url https://example.org/simple",
        "click",
    ],
)
def test_anything_but_name_and_version_is_refused(line: str) -> None:
    assert constraints.problems(f"# a comment\n{line}\nrich==13.0\n") == [
        f"{line}: expected name==version"
    ]


def test_two_versions_of_one_name_are_refused() -> None:
    assert constraints.problems("click==8.1\nclick==8.2\n") == ["click: two versions"]


def test_all_is_asked_for_but_our_own(repository: Repository) -> None:
    repository.write("pyproject.toml", '[dependency-groups]\nlint = ["ruff>=0.1"]\n')
    packages = workspace.find(repository.root)
    assert constraints.requirements(repository.root, packages) == [
        "hatchling",
        "reddis>=1",
        "ruff>=0.1",
    ]
