"""The ``sqlite`` driver: the whole contract in one file, with no server.

Read `_driver.py` first: one method for each verb. Each hands a job (`_lifecycle.py`) to a thread
(`_engine.py`) that carries it out with others (`_desk.py`) on its connection (`_session.py`).
The work itself is SQL, in `sql/`, called by `_queue.py`, `_outcomes.py` and `_tasks.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asynctasq_drivers.sqlite._options import SqliteOptions as SqliteOptions

if TYPE_CHECKING:
    from asynctasq_drivers.sqlite._driver import SqliteDriver as SqliteDriver


def __getattr__(name: str) -> Any:
    """The driver, once it is asked for: who only wants its options needs no SQLite."""
    if name == "SqliteDriver":
        from asynctasq_drivers.sqlite._driver import SqliteDriver

        return SqliteDriver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
