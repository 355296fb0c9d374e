"""The Pythons of this machine that a package promises to run on, found and never downloaded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.workspace import Package

_CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")
_FILE_NAME = re.compile(r"python(3(\.\d+)?)?(\.exe)?")
_PROBE = """
import json, ssl, sqlite3, sys, sysconfig
print(json.dumps([
    "%d.%d" % sys.version_info[:2], sys.implementation.name, sys.version_info.releaselevel,
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")), sys._base_executable,
]))
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython that works."""

    name: str
    """Its minor version, as in `3.11`."""
    path: Path


def promised(packages: Iterable[Package]) -> list[str]:
    """The minor versions that the packages' classifiers name, oldest first."""
    texts = [text for package in packages for text in package.project.get("classifiers", [])]
    names = {match[1] for text in texts if (match := _CLASSIFIER.fullmatch(text))}
    return sorted(names, key=_minor)


def find(names: list[str], candidates: Iterable[Path] | None = None) -> list[Interpreter]:
    """Those of `names` that this machine has, oldest first. The first that works is taken."""
    missing = set(names)
    found: list[Interpreter] = []
    for path in _candidates() if candidates is None else candidates:
        interpreter = _probe(path) if _could_be(path, missing) else None
        if interpreter and interpreter.name in missing:
            missing.remove(interpreter.name)
            found.append(interpreter)
        if not missing:
            break
    return sorted(found, key=lambda interpreter: _minor(interpreter.name))


def _minor(name: str) -> int:
    return int(name.partition(".")[2])


def _could_be(path: Path, names: set[str]) -> bool:
    """Whether the file's name leaves it open that this is one of them."""
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        return False
    return match[2] is None or match[1] in names


def _candidates() -> Iterator[Path]:
    """This one, those on the path, those of pyenv, and those that uv knows."""
    yield Path(sys.executable)
    for folder in os.get_exec_path():
        yield from sorted(Path(folder).glob("python3*"))
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    yield from sorted(pyenv.glob("versions/*/bin/python3.*"), reverse=True)
    yield from _known_to_uv()


def _known_to_uv() -> Iterator[Path]:
    command = [sys.executable, "-m", "uv", "python", "list", "--no-python-downloads"]
    answer = subprocess.run(
        [*command, "--output-format", "json"], capture_output=True, text=True, check=False
    )
    entries: list[dict[str, str | None]] = json.loads(answer.stdout or "[]")
    yield from (Path(path) for entry in entries if (path := entry["path"]))


def _probe(path: Path) -> Interpreter | None:
    """The interpreter, or None: broken, not CPython, not final, or built without the GIL."""
    try:
        answer = subprocess.run(
            [path, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    name, implementation, level, free_threaded, base = json.loads(answer.stdout)
    if implementation != "cpython" or level != "final" or free_threaded:
        return None
    return Interpreter(name, Path(base))
