"""The packages of this repository, as their own folders tell them: nothing lists them."""

from __future__ import annotations

import tomllib
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = "asynctasq_drivers"


@dataclass(frozen=True)
class Package:
    """One folder of `packages/`: what its `pyproject.toml` and its `src` say."""

    folder: Path
    project: dict[str, Any] = field(repr=False, compare=False)
    groups: dict[str, Any] = field(repr=False, compare=False)
    """`[dependency-groups]`: `test` is what its tests need beside the root's."""
    settings: dict[str, Any] = field(repr=False, compare=False)
    """`[tool.asynctasq]`: `server` and `beside`, which its tests need: a server, and packages of
    ours; and `client`, which it may import."""

    @property
    def name(self) -> str:
        """The distribution's name."""
        return str(self.project["name"])

    @property
    def version(self) -> str:
        """The version that is in its `pyproject.toml`."""
        return str(self.project["version"])

    @property
    def src(self) -> Path:
        """The folder that goes on the import path."""
        return self.folder / "src"

    @property
    def import_name(self) -> str:
        """`asynctasq`, or `asynctasq_drivers.<name>`."""
        shared = self.src / NAMESPACE
        within, prefix = (shared, f"{NAMESPACE}.") if shared.is_dir() else (self.src, "")
        names = sorted(p.name for p in within.iterdir() if p.is_dir() and p.name.isidentifier())
        names = [name for name in names if not name.startswith("__")]
        if len(names) != 1:
            raise ValueError(f"{within}: expected one folder to import, found {names or 'none'}")
        return prefix + names[0]

    @property
    def is_driver(self) -> bool:
        """Whether it is a portion of the shared namespace."""
        return (self.src / NAMESPACE).is_dir()

    @property
    def server(self) -> str | None:
        """The server without which its tests cannot run."""
        return self.settings.get("server")

    @property
    def client(self) -> list[str]:
        """Import names of the client libraries that it wraps."""
        return list(self.settings.get("client", []))

    @property
    def extras(self) -> dict[str, list[Requirement]]:
        """Its optional dependencies."""
        optional = self.project.get("optional-dependencies", {})
        return {extra: [*map(Requirement, texts)] for extra, texts in optional.items()}

    @property
    def dependencies(self) -> list[Requirement]:
        """What it needs in any case."""
        return [*map(Requirement, self.project.get("dependencies", []))]

    @property
    def drivers(self) -> list[str]:
        """Names of the drivers that it provides."""
        return sorted(self.project.get("entry-points", {}).get("asynctasq.drivers", {}))

    @property
    def suites(self) -> list[Path]:
        """The tests that run the conformance suite on these."""
        return [self.folder / "tests" / "conformance" / f"test_{n}.py" for n in self.drivers]


def find(root: Path = ROOT) -> list[Package]:
    """Every package, by name. Raises `ValueError` where there is none."""
    files = sorted(root.glob("packages/*/pyproject.toml"))
    if not files:
        raise ValueError(f"no packages/*/pyproject.toml in {root}")
    return [read(file.parent) for file in files]


def read(folder: Path) -> Package:
    """The package in that folder."""
    content = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    settings = content.get("tool", {}).get("asynctasq", {})
    return Package(folder, content["project"], content.get("dependency-groups", {}), settings)


def needed_by(package: Package, packages: list[Package]) -> list[Package]:
    """The package itself and those of ours that it needs, directly or not."""
    by_name = {canonicalize_name(other.name): other for other in packages}
    found = {canonicalize_name(package.name): package}
    queue = [package]
    while queue:
        for requirement in queue.pop().dependencies:
            name = canonicalize_name(requirement.name)
            if name in by_name and name not in found:
                found[name] = by_name[name]
                queue.append(by_name[name])
    return list(found.values())


def tested_with(package: Package, packages: list[Package]) -> list[Package]:
    """What `needed_by` names, and those that only its tests have beside it."""
    beside = set(package.settings.get("beside", []))
    more = [other for other in packages if other.name in beside]
    return list(dict.fromkeys([*needed_by(package, packages), *more]))


def usable_extras(packages: list[Package]) -> list[str]:
    """Names of those extras that need nothing of ours but what is here."""
    ours = {canonicalize_name(package.name) for package in packages}
    return sorted(
        name
        for package in packages
        for name, requirements in package.extras.items()
        if all(canonicalize_name(r.name) in ours or not _is_ours(r, ours) for r in requirements)
    )


def from_elsewhere(packages: list[Package]) -> list[str]:
    """What all of them need, extras included, beside each other: for the type checkers."""
    ours = {canonicalize_name(package.name) for package in packages}
    wanted = [
        requirement
        for package in packages
        for group in (package.dependencies, *package.extras.values())
        for requirement in group
    ]
    # The drivers of extras may not be published yet; their distributions are named after the core.
    return sorted({str(r) for r in wanted if not _is_ours(r, ours)})


def _is_ours(requirement: Requirement, ours: Container[str]) -> bool:
    name = canonicalize_name(requirement.name)
    return name in ours or name.startswith("asynctasq-")
