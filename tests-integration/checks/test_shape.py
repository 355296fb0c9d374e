"""The repository keeps its shape, and the check of it sees each way to lose it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools import shape

from .conftest import Repository

CORE = "packages/asynctasq-core"
RED = "packages/asynctasq-red"


def test_a_repository_in_shape_has_no_problems(repository: Repository) -> None:
    assert shape.problems(repository.root) == []


def _another_entry(repository: Repository) -> None:
    repository.write("docs/index.md")


def _an_entry_less(repository: Repository) -> None:
    (repository.root / "noxfile.py").unlink()


def _a_project_at_the_root(repository: Repository) -> None:
    repository.write("pyproject.toml", '[project]\nname = "everything"\n')


def _a_tracked_lock(repository: Repository) -> None:
    repository.write(f"{CORE}/uv.lock")
    repository.git("add", "--force", f"{CORE}/uv.lock")


def _a_package_without_a_changelog(repository: Repository) -> None:
    (repository.root / CORE / "CHANGELOG.md").unlink()


def _a_closed_namespace(repository: Repository) -> None:
    repository.write(f"{RED}/src/asynctasq_drivers/__init__.py")


def _a_folder_with_another_name(repository: Repository) -> None:
    (repository.root / RED).rename(repository.root / "packages" / "red")


def _an_exact_pin(repository: Repository) -> None:
    needs = ("asynctasq-core==0.1.0",)
    repository.add("asynctasq-blue", "asynctasq_drivers.blue", dependencies=needs)


def _a_long_file(repository: Repository) -> None:
    repository.write(f"{CORE}/src/asynctasq/long.py", "x = 1\n" * 300)


def _an_excuse_for_a_file_that_is_short(repository: Repository) -> None:
    text = f'[tool.asynctasq.long-files]\n"{CORE}/src/asynctasq/__init__.py" = "why"\n'
    repository.write("pyproject.toml", text)


def _an_older_path_that_defines_something(repository: Repository) -> None:
    repository.write(f"{CORE}/src/asynctasq/core/events.py", "class Event: ...\n")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_another_entry, "docs: the root holds"),
        (_an_entry_less, "noxfile.py: missing"),
        (_a_project_at_the_root, "no [project] table"),
        (_a_tracked_lock, "uv.lock is tracked"),
        (_a_package_without_a_changelog, f"{CORE}/CHANGELOG.md: missing"),
        (_a_closed_namespace, "would shut out every other driver"),
        (_a_folder_with_another_name, "expected the folder to be named asynctasq-red"),
        (_an_exact_pin, "asynctasq-blue: asynctasq-core==0.1.0: expected a range"),
        (_a_long_file, "asynctasq/long.py: 300 lines"),
        (_an_excuse_for_a_file_that_is_short, "not long any more"),
        (_an_older_path_that_defines_something, "core/events.py:1: only re-exports"),
    ],
)
def test_each_way_to_lose_it_is_named(
    repository: Repository, spoil: Callable[[Repository], None], said: str
) -> None:
    spoil(repository)
    (problem,) = shape.problems(repository.root)
    assert said in problem


def test_what_git_ignores_may_stand_anywhere(repository: Repository) -> None:
    repository.write("uv.lock")
    repository.write(f"{CORE}/uv.lock")
    assert shape.problems(repository.root) == []


def test_a_long_file_may_be_excused_with_a_reason(repository: Repository) -> None:
    _a_long_file(repository)
    excuse = f'[tool.asynctasq.long-files]\n"{CORE}/src/asynctasq/long.py" = "why"\n'
    repository.write("pyproject.toml", excuse)
    assert shape.problems(repository.root) == []


def test_older_paths_may_pass_on(repository: Repository) -> None:
    text = '"""Older path."""\n\nfrom asynctasq import x as x\n\n__all__ = ["x"]\n'
    repository.write(f"{CORE}/src/asynctasq/tasks/infrastructure.py", text)
    assert shape.problems(repository.root) == []


def test_a_folder_without_packages_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no packages/"):
        shape.problems(tmp_path)


def test_the_program_ends_well_only_where_nothing_is_wrong(repository: Repository) -> None:
    with pytest.raises(SystemExit) as ended:
        shape.main(repository.root)
    assert ended.value.code is None
    _an_entry_less(repository)
    with pytest.raises(SystemExit, match=r"noxfile\.py: missing"):
        shape.main(repository.root)
