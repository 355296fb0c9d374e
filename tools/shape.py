"""The shape of the repository: what may stand where, and how packages may name each other."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from packaging.utils import canonicalize_name

from tools.workspace import NAMESPACE, ROOT, Package, find

TOP = {"packages", "tools", "tests-integration", "pyproject.toml", "noxfile.py", "README.md"}
IN_EACH_PACKAGE = ("README.md", "CHANGELOG.md", "LICENSE", "src", "tests")
LONGEST = 299
REEXPORTING = ("asynctasq/core/", "asynctasq/tasks/infrastructure")
"""Paths that older documentation names; what they give stands elsewhere."""


def problems(root: Path = ROOT) -> list[str]:
    """Everything that is out of shape; nothing: []."""
    packages = find(root)
    return [
        *_top(root),
        *_tracked_locks(root),
        *_packages(root, packages),
        *_exact_pins(packages),
        *_long_files(root, packages),
        *_reexports(root, packages),
    ]


def _files(root: Path, *options: str) -> list[str]:
    # A checkout may belong to another user than the one who checks it, as in a container.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", *options]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return [name for name in answer.stdout.split("\0") if name and (root / name).exists()]


def _top(root: Path) -> Iterator[str]:
    files = _files(root, "--cached", "--others", "--exclude-standard")
    names = {name.partition("/")[0] for name in files}
    seen = {name for name in names if not name.startswith(".")}
    for name in sorted(seen - TOP):
        yield f"{name}: the root holds {', '.join(sorted(TOP))} and dotfiles, nothing else"
    for name in sorted(TOP - seen):
        yield f"{name}: missing at the root"
    if "project" in tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")):
        yield "pyproject.toml: the root is no project and has no [project] table"


def _tracked_locks(root: Path) -> Iterator[str]:
    for name in _files(root, "--", "uv.lock", "**/uv.lock"):
        yield f"{name} is tracked: it records where a machine fetched from; git rm --cached it"


def _packages(root: Path, packages: list[Package]) -> Iterator[str]:
    for package in packages:
        where = package.folder.relative_to(root)
        for name in IN_EACH_PACKAGE:
            if not (package.folder / name).exists():
                yield f"{where}/{name}: missing"
        if (package.src / NAMESPACE / "__init__.py").exists():
            yield f"{where}/src/{NAMESPACE}/__init__.py would shut out every other driver"
        if package.folder.name != package.name:
            yield f"{where}: expected the folder to be named {package.name}"


def _exact_pins(packages: list[Package]) -> Iterator[str]:
    ours = {canonicalize_name(package.name) for package in packages}
    for package in packages:
        for requirement in chain(package.dependencies, *package.extras.values()):
            exact = any(s.operator in {"==", "==="} for s in requirement.specifier)
            if exact and canonicalize_name(requirement.name) in ours:
                yield f"{package.name}: {requirement}: expected a range such as >=0.1,<0.2"


def _long_files(root: Path, packages: list[Package]) -> Iterator[str]:
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    allowed = settings.get("tool", {}).get("asynctasq", {}).get("long-files", {})
    long = {}
    for package in packages:
        for file in package.src.rglob("*.py"):
            lines = file.read_text(encoding="utf-8").count("\n")
            if lines > LONGEST:
                long[str(file.relative_to(root))] = lines
    for name in sorted(long.keys() - allowed.keys()):
        yield f"{name}: {long[name]} lines, expected at most {LONGEST}: one room, or two?"
    for name in sorted(allowed.keys() - long.keys()):
        yield f"{name}: not long any more: take it off [tool.asynctasq.long-files]"


def _reexports(root: Path, packages: list[Package]) -> Iterator[str]:
    for package in packages:
        for file in sorted(package.src.rglob("*.py")):
            if str(file.relative_to(package.src)).startswith(REEXPORTING):
                for node in _more_than_imports(file):
                    yield f"{file.relative_to(root)}:{node.lineno}: only re-exports belong here"


def _more_than_imports(file: Path) -> Iterator[ast.stmt]:
    for index, node in enumerate(ast.parse(file.read_bytes()).body):
        is_docstring = index == 0 and isinstance(node, ast.Expr)
        is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        if not (is_docstring or is_all or isinstance(node, ast.Import | ast.ImportFrom)):
            yield node


def main(root: Path = ROOT) -> None:
    """Exit with the problems, or as if nothing had been."""
    sys.exit("\n".join(problems(root)) or None)


if __name__ == "__main__":
    main()
