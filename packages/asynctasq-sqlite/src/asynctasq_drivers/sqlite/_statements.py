"""The SQL of each verb, by the name of its file."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from asynctasq.driver import Migration

_FOLDER: Final = files("asynctasq_drivers.sqlite") / "sql"


def sql(name: str) -> str:
    """The statement in ``sql/<name>.sql``."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def migrations() -> tuple[Migration, ...]:
    """The numbered steps of the schema, in their order."""
    found = sorted((_FOLDER / "migrations").iterdir(), key=lambda file: file.name)
    return tuple(
        Migration(int(file.name[:4]), file.name[5:-4], file.read_text(encoding="utf-8"))
        for file in found
    )
