"""What runs for whom: private rooms first, then what listens where it is expected."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools import servers
from tools.backends import hello
from tools.backends.home import place
from tools.backends.recipes import RECIPES
from tools.backends.room import Room, load


@dataclass(frozen=True)
class Row:
    """One line of the status."""

    server: str
    origin: str
    """`private`: started by `up`; `test`: by a test that runs; `listening`: by somebody else."""
    url: str
    answers: bool
    pid: int | None = None
    folder: str | None = None

    def plain(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def rooms() -> list[Room]:
    """Every room of this checkout and user, by name."""
    found = (load(folder) for folder in sorted(place().glob("*-*")))
    return [room for room in found if room]


def room_of(name: str) -> Room | None:
    """The one that `up` made for that server."""
    return next((r for r in rooms() if r.name == name and r.owner is None), None)


def listening(name: str) -> str | None:
    """The URL of one that answers where its variable says, else on its standard port."""
    url = servers.server(name).url
    return url if url and hello.answers(name, url) else None


def status() -> Iterator[Row]:
    """All that is there, whether or not it answers."""
    for room in rooms():
        pid = room.process.pid if room.process and room.alive else None
        origin = "test" if room.owner else "private"
        yield Row(room.name, origin, room.url, room.answers(), pid, str(room.folder))
    known = {room.url for room in rooms()}
    for name in RECIPES:
        if (url := listening(name)) and url not in known:
            yield Row(name, "listening", url, True)


def usable() -> dict[str, str]:
    """The variables that tell tests of each server that answers."""
    found: dict[str, str] = {}
    for name in RECIPES:
        room = room_of(name)
        if url := room.url if room and room.answers() else listening(name):
            found[servers.server(name).variable] = url
    return found


def wanted(root: Path) -> list[str]:
    """The servers that packages name in `[tool.asynctasq]`, as far as they can be had here."""
    return sorted({said.get("server", "") for said in _settings(root)} & RECIPES.keys())


def started_by_tests(root: Path) -> list[str]:
    """Those of which packages' tests start some of their own."""
    return sorted({name for said in _settings(root) for name in said.get("private", ())})


def _settings(root: Path) -> Iterator[dict[str, Any]]:
    for file in root.glob("packages/*/pyproject.toml"):
        tools = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
        yield tools.get("asynctasq", {})
