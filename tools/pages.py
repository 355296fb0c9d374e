"""Writes the README files' tables of options anew, from what is installed: `nox -s pages`."""

from __future__ import annotations

from asynctasq.config import CoreOptions, options_of
from asynctasq.plugins import options_structs
from tools import options_table, workspace


def main() -> None:
    """Write the table of every package that declares options."""
    for package in workspace.find():
        name = package.import_name.rpartition(".")[2]
        struct = options_structs()[name] if package.is_driver else CoreOptions
        readme = package.folder / "README.md"
        page = readme.read_text(encoding="utf-8")
        readme.write_text(options_table.filled(page, options_of(struct)), encoding="utf-8")


if __name__ == "__main__":
    main()
