"""Makes `tools/constraints.txt`: every version that the checks run with, for every Python."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

from tools.workspace import ROOT, Package, find, from_elsewhere

FILE = ROOT / "tools" / "constraints.txt"
HEADER = """\
# Every version that the checks of this repository run with, on Python 3.11 to 3.14.
# Written by `nox -s pins`, which takes the newest that the package index has now.
"""


def requirements(root: Path, packages: list[Package]) -> list[str]:
    """What packages, their groups and the groups of the root ask for, but for our own packages."""
    found = set(from_elsewhere(packages))
    for folder in (root, *(package.folder for package in packages)):
        content = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        groups = content.get("dependency-groups", {}).values()
        found.update(entry for group in groups for entry in group if isinstance(entry, str))
        found.update(content.get("build-system", {}).get("requires", []))
    return sorted(found)


def compiled(uv: str, wanted: Iterable[str]) -> str:
    """One version for each name, with all that the wanted ones need, for every Python."""
    options = ["--universal", "--python-version", "3.11", "--fork-strategy", "fewest"]
    plain = ["--no-header", "--no-annotate", "--quiet"]
    answer = subprocess.run(
        [uv, "pip", "compile", *options, *plain, "-"],
        input="\n".join(wanted),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    # A pin without its marker holds wherever the package is wanted at all.
    return "".join(line.partition(";")[0].strip() + "\n" for line in answer.stdout.splitlines())


def problems(text: str) -> list[str]:
    """Lines that are not `name==version`, and names that stand twice."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    names = [line.partition("==")[0] for line in lines]
    return [
        *(f"{line}: expected name==version" for line in lines if not _is_pin(line)),
        *(f"{name}: two versions" for name in sorted({n for n in names if names.count(n) > 1})),
    ]


def _is_pin(line: str) -> bool:
    name, separator, version = line.partition("==")
    return bool(name and separator and version) and not set(line) & set(" /@;")


def write(uv: str) -> list[str]:
    """Write the file, unless something is wrong with it; returns what."""
    text = compiled(uv, requirements(ROOT, find()))
    found = problems(text)
    if not found:
        FILE.write_text(HEADER + text, encoding="utf-8")
    return found
