"""The README of this package, and somebody who follows it on a broker of their own."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import rooms, tour, workspace
from tools.backends import Room
from tools.backends.recipes import RECIPES, find

from .servers.own import HOST

PAGE = (workspace.ROOT / "packages/asynctasq-rabbitmq/README.md").read_text(encoding="utf-8")
PLACE = "localhost:5672"
"""Where the page has its broker."""
TOUR, RIGHTS, LOOK = (rooms.read(PAGE, room) for room in ("tour", "rights", "look"))


@dataclass(frozen=True)
class Reader:
    """Somebody at a terminal, in a folder with all files of the page."""

    room: Room
    folder: Path

    def walk(self, steps: Sequence[tour.Step]) -> list[str]:
        """What each command shows, in one shell."""
        ours = str(Path(sys.executable).parent)
        path = os.pathsep.join([str(self.folder / "bin"), ours, os.environ["PATH"]])
        commands = [step.command for step in steps]
        return tour.walk(commands, self.folder, {"PATH": path, "HOME": str(self.folder)})


def reader(room: Room, folder: Path) -> Reader:
    """One, to whose broker `rabbitmqctl` leads by itself."""
    for name, text in tour.files(TOUR).items():
        there = text.replace(PLACE, f"{HOST}:{room.port}")
        (folder / name).write_text(there, encoding="utf-8")
    _write_control(folder / "bin", room)
    return Reader(room, folder)


def _write_control(folder: Path, room: Room) -> None:
    folder.mkdir()
    program = find("rabbitmqctl", RECIPES["rabbitmq"].places) or "rabbitmqctl"
    there = {"HOME": str(room.data), **RECIPES["rabbitmq"].environment(room.data, room.port)}
    words = [f"{name}={shlex.quote(value)}" for name, value in there.items()]
    script = f'#!/bin/sh\nexport {" ".join(words)}\nexec {program} "$@"\n'
    (folder / "rabbitmqctl").write_text(script, encoding="utf-8")
    (folder / "rabbitmqctl").chmod(0o755)
