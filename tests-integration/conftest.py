"""Built wheels and environments of their own, for tests of what users will install."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools import constraints, workspace
from tools.backends import listing
from tools.backends.recipes import RECIPES
from tools.uv import UV


def build(folder: Path, into: Path) -> Path:
    """Build the wheel of a project; returns it."""
    into.mkdir(parents=True, exist_ok=True)
    before = set(into.glob("*.whl"))
    pinned = ("--build-constraints", str(constraints.FILE), "--python", sys.executable)
    subprocess.run([UV, "build", "--quiet", "--wheel", *pinned, "-o", into, folder], check=True)
    (wheel,) = set(into.glob("*.whl")) - before
    return wheel


@dataclass(frozen=True)
class Environment:
    """A virtual environment, as a user has one."""

    folder: Path

    @classmethod
    def with_(cls, folder: Path, *wanted: str | Path) -> Environment:
        """A new one in which these are installed, with what they need."""
        python = folder / "bin" / "python"
        pinned = ("--no-sources", "--constraints", str(constraints.FILE))
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        install = [UV, "pip", "install", "--quiet", "--python", python, *pinned, *wanted]
        subprocess.run(install, check=True)
        return cls(folder)

    def run(
        self, program: str, *words: str, cwd: Path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, with nothing of ours in its surrounding."""
        return subprocess.run(
            [self.folder / "bin" / program, *words],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], **variables},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheels of all our packages: those that are tested, else fresh ones."""
    if given := os.environ.get("ASYNCTASQ_TEST_WHEELS"):
        return Path(given)
    folder = tmp_path_factory.mktemp("wheels")
    for package in workspace.find():
        build(package.folder, folder)
    return folder


@pytest.fixture(scope="session")
def startable() -> None:
    """Every server that a package needs can be started here; a test that starts all is skipped
    where one is not installed."""
    for name in listing.wanted(workspace.ROOT):
        if missing := RECIPES[name].missing():
            pytest.skip(f"not installed: {', '.join(missing)}")
