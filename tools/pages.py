"""Writes the README files' tables anew, from what is installed and tested: `nox -s pages`.

Words: the reports of the conformance suite, for the table of drivers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from asynctasq.config import CoreOptions, options_of
from asynctasq.plugins import options_structs
from asynctasq.testing.table import table
from tools import options_table, rooms, workspace


def main(reports: Sequence[str]) -> None:
    """Write the options of every package, and the table of drivers."""
    for package in workspace.find():
        name = package.import_name.rpartition(".")[2]
        struct = options_structs()[name] if package.is_driver else CoreOptions
        _write(package.folder, "options", options_table.table(options_of(struct)))
    found = [json.loads(Path(report).read_text(encoding="utf-8")) for report in reports]
    _write(workspace.ROOT, "drivers", table(found))


def _write(folder: Path, room: str, text: str) -> None:
    page = folder / "README.md"
    page.write_text(rooms.filled(page.read_text(encoding="utf-8"), room, text), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
