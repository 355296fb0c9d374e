"""Whether a built wheel fills its own room only, and says what an index wants to know."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

from tools.workspace import NAMESPACE, Package


def problems(wheel: Path, package: Package) -> list[str]:
    """What is wrong with the wheel of that package; nothing: []."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        info = f"{package.name.replace('-', '_')}-{package.version}.dist-info/"
        metadata = archive.read(f"{info}METADATA").decode() if f"{info}METADATA" in names else ""
    found = [*_rooms(names, package, info), *_metadata(metadata, package)]
    if not any(name.startswith(f"{info}licenses/LICENSE") for name in names):
        found.append("no LICENSE in it")
    return [f"{wheel.name}: {problem}" for problem in found]


def _rooms(names: list[str], package: Package, info: str) -> Iterator[str]:
    room = package.import_name.replace(".", "/") + "/"
    for name in names:
        if name == f"{NAMESPACE}/__init__.py":
            yield f"{name} would shut out every other driver: delete it"
        elif not name.startswith((room, info)):
            yield f"{name} is outside {room}"
    for needed in ("__init__.py", "py.typed"):
        if room + needed not in names:
            yield f"{room}{needed} is missing"


def _metadata(text: str, package: Package) -> Iterator[str]:
    metadata = Parser().parsestr(text)
    expected = {
        "Name": package.name,
        "Version": package.version,
        "License-Expression": "MIT",
        "Requires-Python": ">=3.11",
    }
    for field, value in expected.items():
        if metadata[field] != value:
            yield f"metadata say {field}: {metadata[field]}, expected {value}"
    if not metadata["Summary"] or not _described(metadata):
        yield "metadata lack the summary or the README"


def _described(metadata: Message) -> bool:
    return bool(str(metadata.get_payload()).strip())
