"""A small repository in good shape, for tests to spoil."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PYPROJECT = """
[project]
name = "{name}"
version = "0.1.0"
description = "One of the sample's packages"
readme = "README.md"
requires-python = ">=3.11"
license = "MIT"
license-files = ["LICENSE"]
classifiers = ["Programming Language :: Python :: 3.11", "Programming Language :: Python :: 3.12"]
dependencies = {dependencies}

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["{wheel}"]

[tool.asynctasq]
{settings}
"""


@dataclass(frozen=True)
class Repository:
    """A git repository with the layout of this one."""

    root: Path

    def write(self, name: str, text: str = "") -> Path:
        """Write a file, with the folders above it."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def git(self, *words: str) -> None:
        """Run git, as somebody."""
        somebody = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        subprocess.run(["git", *somebody, *words], cwd=self.root, check=True, capture_output=True)

    def add(
        self, name: str, room: str, *, dependencies: tuple[str, ...] = (), settings: str = ""
    ) -> Path:
        """Add a package that imports as `room`; returns the folder of its code."""
        folder = f"packages/{name}"
        wheel = "src/" + room.partition(".")[0]
        text = PYPROJECT.format(
            name=name, dependencies=list(dependencies), wheel=wheel, settings=settings
        )
        self.write(f"{folder}/pyproject.toml", text)
        for page in ("README.md", "CHANGELOG.md", "LICENSE"):
            self.write(f"{folder}/{page}", f"{page} of {name}\n")
        self.write(f"{folder}/tests/test_it.py")
        code = self.write(f"{folder}/src/{room.replace('.', '/')}/__init__.py").parent
        self.write(f"{folder}/src/{room.replace('.', '/')}/py.typed")
        return code


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A core, and a driver beside it."""
    made = Repository(tmp_path / "repository")
    made.write("pyproject.toml", '[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    for name in ("noxfile.py", "README.md", "tools/a.py", "tests-integration/a.py"):
        made.write(name)
    made.write(".gitignore", "uv.lock\n")
    made.add("asynctasq-core", "asynctasq")
    made.add(
        "asynctasq-red",
        "asynctasq_drivers.red",
        dependencies=("asynctasq-core>=0.1,<0.2", "reddis>=1"),
        settings='server = "red"\nclient = ["reddis"]',
    )
    made.git("init", "-q")
    made.git("add", "-A")
    made.git("commit", "-q", "-m", "Begin")
    return made
