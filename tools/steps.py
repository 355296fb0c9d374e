"""What sessions have in common: wheels, an environment for each run, and pytest in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import nox
from nox.command import CommandFailed

from tools import constraints
from tools.uv import UV
from tools.workspace import ROOT, Package

PINNED = ("--constraints", str(constraints.FILE))
_CORES = os.cpu_count() or 1
PARALLEL = ("-n", str(_CORES + (_CORES + 1) // 2), "--dist", "loadgroup")
"""Three for two cores: they wait for servers as long as they compute."""


def empty_room(session: nox.Session) -> Path:
    """The session's own folder, without what its last run left there."""
    # Not `session.create_tmp()`: that moves TMPDIR as well, and sockets in it need short paths.
    room = ROOT / ".nox" / f"{session.name}-room"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    return room


@contextmanager
def all_of(session: nox.Session, path: str) -> Generator[Callable[..., None]]:
    """Run commands with that import path, to the last one: one that fails hides no other."""
    failed: list[str] = []

    def run(*command: str) -> None:
        try:
            session.run(*command, env={"PYTHONPATH": path, "MYPYPATH": path})
        except CommandFailed:
            failed.append(" ".join(command[:3]))

    yield run
    if failed:
        session.error(f"failed: {', '.join(failed)}")


def build(session: nox.Session, package: Package, into: Path, *formats: str) -> Path:
    """Build a package; returns the wheel. With `--sdist` too, the wheel is made from that."""
    pinned = ("--build-constraints", constraints.FILE)
    _uv(session, "build", *formats, *pinned, "--out-dir", into, package.folder)
    (wheel,) = into.glob(f"{package.name.replace('-', '_')}-*.whl")
    return wheel


def as_requirements(wheels: Mapping[Package, Path], extras: Iterable[str]) -> list[str]:
    """Each wheel, with those of the extras that its package has, as pip spells it."""
    requirements: list[str] = []
    for package, wheel in wheels.items():
        mine = ",".join(sorted(package.extras.keys() & set(extras)))
        requirements.append(f"{package.name}{f'[{mine}]' if mine else ''} @ {wheel.as_uri()}")
    return requirements


def groups(packages: Iterable[Package], *names: str) -> list[str]:
    """Options to install these groups of the root, and the `test` group of each package."""
    files = [f"{ROOT / 'pyproject.toml'}:{name}" for name in names]
    files += [f"{p.folder / 'pyproject.toml'}:test" for p in packages if "test" in p.groups]
    return [word for file in files for word in ("--group", file)]


def environment(session: nox.Session, into: Path, python: Path, *wanted: str) -> Path:
    """A new virtual environment with what is wanted, as an index would give it; its Python."""
    _uv(session, "venv", "--python", python, into)
    own = into / "bin" / "python"
    _uv(session, "pip", "install", "--no-sources", "--python", own, *wanted)
    _uv(session, "pip", "check", "--python", own)
    return own


def pytest(
    session: nox.Session,
    python: Path,
    *words: str | Path,
    env: Mapping[str, str],
    accept: Sequence[int] = (0,),
) -> None:
    """Run pytest on what is installed beside that Python; raises `CommandFailed`."""
    command = ("-m", "pytest", "-p", "tools.installed_only", *map(str, words))
    session.run(str(python), *command, env=env, success_codes=accept, external=True)


def _uv(session: nox.Session, *words: str | Path) -> None:
    session.run(UV, *map(str, words), "--quiet", external=True, log=False)
