"""The oldest release of one of our packages that a range promises to work with."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.workspace import ROOT, Package, needed_by, read


def oldest_tag(requirement: Requirement, tags: Iterable[str]) -> str | None:
    """The tag of the oldest release that the requirement allows; None: none is released."""
    prefix = f"{requirement.name}-v"
    versions = [Version(tag.removeprefix(prefix)) for tag in tags if tag.startswith(prefix)]
    allowed = sorted(requirement.specifier.filter(versions))
    return f"{prefix}{allowed[0]}" if allowed else None


def oldest(
    package: Package, packages: list[Package], into: Path, root: Path = ROOT
) -> list[Package]:
    """The package itself, and of those of ours that it needs the oldest release it allows.

    A release is unpacked from its tag; while there is none, the workspace's own stands for it.
    """
    ranges = {canonicalize_name(r.name): r for r in package.dependencies}
    found = [package]
    for needed in needed_by(package, packages)[1:]:
        wanted = ranges.get(canonicalize_name(needed.name), Requirement(needed.name))
        tags = _git(root, "tag", "--list", f"{needed.name}-v*").decode().split()
        tag = oldest_tag(wanted, tags)
        found.append(_unpacked(tag, needed, into, root) if tag else needed)
    return found


def _unpacked(tag: str, package: Package, into: Path, root: Path) -> Package:
    folder = package.folder.relative_to(root)
    archive = _git(root, "archive", "--format=zip", tag, str(folder))
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        content.extractall(into)
    return read(into / folder)


def _git(root: Path, *words: str) -> bytes:
    command = ["git", "-c", "safe.directory=*", *words]
    return subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
