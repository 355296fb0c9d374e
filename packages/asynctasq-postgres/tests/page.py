"""The README of this package, and somebody who follows it on a server of their own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools import rooms, tour, workspace
from tools.backends import Room

from .servers.own import HOST, program, server

PAGE = (workspace.ROOT / "packages/asynctasq-postgres/README.md").read_text(encoding="utf-8")
PLACE = "localhost:5432"
"""Where the page has its server."""
DSN = f"postgresql://app:secret@{PLACE}/shop"
TOUR, RIGHTS, LOOK, QUERIES = (
    rooms.read(PAGE, room) for room in ("tour", "rights", "look", "queries")
)


@dataclass(frozen=True)
class Reader:
    """Somebody at a terminal, in a folder with all files of the page."""

    room: Room
    folder: Path

    def there(self, text: str) -> str:
        """The same, with the server that there is."""
        return text.replace(PLACE, f"{HOST}:{self.room.port}")

    def walk(self, steps: Sequence[tour.Step]) -> list[str]:
        """What each command shows, in one shell, where `$shop` is the DSN of the page."""
        ours = str(Path(sys.executable).parent)
        path = os.pathsep.join([str(self.folder / "bin"), ours, os.environ["PATH"]])
        commands = [self.there(step.command) for step in steps]
        environment = {"PATH": path, "HOME": str(self.folder), "shop": self.there(DSN)}
        return tour.walk(commands, self.folder, environment)


@contextmanager
def reader(folder: Path) -> Generator[Reader]:
    """One, with a new server, to which `psql` leads by itself."""
    with server() as room:
        found = Reader(room, folder)
        for name, text in tour.files(TOUR).items():
            (folder / name).write_text(found.there(text), encoding="utf-8")
        _write_psql(folder / "bin", room)
        yield found


def _write_psql(folder: Path, room: Room) -> None:
    folder.mkdir()
    cli = shutil.which("psql") or program("psql")
    where = f"PGHOST={HOST} PGPORT={room.port} PGUSER=postgres PGDATABASE=postgres"
    # `--no-psqlrc`, and no pager: what it shows is that of nobody's taste.
    script = f'#!/bin/sh\n{where} PAGER= exec {cli} --no-psqlrc "$@"\n'
    (folder / "psql").write_text(script, encoding="utf-8")
    (folder / "psql").chmod(0o755)
