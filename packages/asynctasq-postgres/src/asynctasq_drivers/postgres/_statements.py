"""The SQL of each verb, by the name of its file, for the tables of one installation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from asynctasq.driver import Migration
from asynctasq_drivers.postgres._names import Names

_FOLDER: Final = files("asynctasq_drivers.postgres") / "sql"
_PLACE: Final = re.compile(r"\{(\w+)\}")


class Statements:
    """Every statement, once the names of the tables are known."""

    def __init__(self, names: Names) -> None:
        places = names.places()
        self.enqueue: Final = _sql("enqueue", places)
        # Which transaction it is, tells when it is committed.
        self.enqueue_in: Final = (
            f"WITH stored AS (\n{self.enqueue})\nSELECT pg_current_xact_id()::text"
        )
        self.undo_enqueue: Final = _sql("undo_enqueue", places)
        self.dequeue: Final = _sql("dequeue", places)
        self.next_due: Final = _sql("next_due", places)
        self.ack: Final = _sql("ack", places)
        self.settle: Final = _sql("settle", places)
        self.extend: Final = _sql("extend", places)
        self.stats: Final = _sql("stats", places)
        self.queues: Final = _sql("queues", places)
        self.purge: Final = _sql("purge", places)
        self.get: Final = _sql("get", places)
        tables = {kind: places[kind] for kind in ("queue", "dead", "completed")}
        self.scan: Final = {t: _sql("scan", {"table": name}) for t, name in tables.items()}
        self.list: Final = {t: _sql(f"list_{t}", places) for t in tables}
        self.retry_dead: Final = _sql("retry_dead", places)
        self.delete: Final = _sql("delete", places)
        self.result: Final = _sql("result", places)
        self.store: Final = _sql("store", places)
        self.sweep: Final = _sql("sweep", places)
        self.notify: Final = _sql("notify", places)
        self.awaited: Final = _sql("awaited", places)
        self.committed: Final = _sql("committed", places)


def migrations(names: Names) -> tuple[Migration, ...]:
    """The numbered steps of the schema, in their order."""
    found = sorted((_FOLDER / "migrations").iterdir(), key=lambda file: file.name)
    places = names.places()
    return tuple(
        Migration(int(f.name[:4]), f.name[5:-4], _filled(f.read_text(encoding="utf-8"), places))
        for f in found
    )


def _sql(name: str, places: Mapping[str, str]) -> str:
    return _filled(_text(name), places)


@cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def _filled(text: str, places: Mapping[str, str]) -> str:
    """In one go: a name that has braces in it is no place."""
    return _PLACE.sub(lambda match: places[match[1]], text)
