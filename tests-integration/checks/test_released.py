"""The oldest release that a range promises is what is tested against: `tools/released.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools import released, workspace
from tools.workspace import Package

from .conftest import Repository

TAGS = ["asynctasq-core-v0.1.0", "asynctasq-core-v0.1.10", "asynctasq-core-v0.1.2"]


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        ("asynctasq-core>=0.1,<0.2", "asynctasq-core-v0.1.0"),
        ("asynctasq-core>=0.1.1,<0.2", "asynctasq-core-v0.1.2"),
        ("asynctasq-core>=0.1.3,<0.2", "asynctasq-core-v0.1.10"),
        ("asynctasq-core>=0.2", None),
        ("asynctasq-red>=0.1", None),
    ],
)
def test_the_oldest_release_in_the_range_is_taken(wanted: str, tag: str | None) -> None:
    assert released.oldest_tag(Requirement(wanted), TAGS) == tag


def _oldest(repository: Repository, into: Path) -> dict[str, Package]:
    packages = workspace.find(repository.root)
    (red,) = (package for package in packages if package.is_driver)
    found = released.oldest(red, packages, into, repository.root)
    return {package.name: package for package in found}


def test_a_release_is_taken_from_its_tag(repository: Repository, tmp_path: Path) -> None:
    repository.git("tag", "asynctasq-core-v0.1.0")
    repository.write("packages/asynctasq-core/src/asynctasq/new.py")
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "Add something")
    core = _oldest(repository, tmp_path / "unpacked")["asynctasq-core"]
    assert (core.src / "asynctasq" / "__init__.py").exists()
    assert not (core.src / "asynctasq" / "new.py").exists()


def test_the_workspace_stands_for_it_while_nothing_is_released(
    repository: Repository, tmp_path: Path
) -> None:
    found = _oldest(repository, tmp_path / "unpacked")
    assert found["asynctasq-core"].folder == repository.root / "packages" / "asynctasq-core"
    assert found["asynctasq-red"].folder == repository.root / "packages" / "asynctasq-red"
