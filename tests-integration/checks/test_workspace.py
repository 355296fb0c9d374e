"""Packages are found in their folders, and so is what they need: `tools/workspace.py`."""

from __future__ import annotations

import pytest

from tools import workspace

from .conftest import Repository


def test_packages_are_found_with_all_that_their_folders_say(repository: Repository) -> None:
    core, red = workspace.find(repository.root)
    assert (core.name, core.import_name, core.is_driver, core.server) == (
        "asynctasq-core",
        "asynctasq",
        False,
        None,
    )
    assert (red.name, red.import_name, red.is_driver, red.server, red.client) == (
        "asynctasq-red",
        "asynctasq_drivers.red",
        True,
        "red",
        ["reddis"],
    )


def test_a_new_package_is_found_without_being_listed(repository: Repository) -> None:
    repository.add("asynctasq-blue", "asynctasq_drivers.blue")
    assert "asynctasq-blue" in {package.name for package in workspace.find(repository.root)}


def test_a_package_that_imports_as_two_names_is_refused(repository: Repository) -> None:
    repository.write("packages/asynctasq-red/src/asynctasq_drivers/blue/__init__.py")
    (red,) = (p for p in workspace.find(repository.root) if p.is_driver)
    with pytest.raises(ValueError, match="expected one folder to import"):
        _ = red.import_name


def test_what_a_package_needs_of_ours_comes_with_it(repository: Repository) -> None:
    needs = ("asynctasq-red>=0.1",)
    repository.add("asynctasq-blue", "asynctasq_drivers.blue", dependencies=needs)
    packages = workspace.find(repository.root)
    (blue,) = (package for package in packages if package.name == "asynctasq-blue")
    names = {package.name for package in workspace.needed_by(blue, packages)}
    assert names == {"asynctasq-blue", "asynctasq-red", "asynctasq-core"}


def test_what_comes_from_elsewhere_is_without_our_own(repository: Repository) -> None:
    assert workspace.from_elsewhere(workspace.find(repository.root)) == ["reddis>=1"]


def test_extras_whose_driver_is_not_here_are_left_out(repository: Repository) -> None:
    text = (
        "[project.optional-dependencies]\n"
        'red = ["asynctasq-red>=0.1"]\nblue = ["asynctasq-blue>=0.1"]\ntesting = ["pytest"]\n'
    )
    file = repository.root / "packages/asynctasq-core/pyproject.toml"
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
    assert workspace.usable_extras(workspace.find(repository.root)) == ["red", "testing"]
