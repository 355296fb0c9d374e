"""The ``sqlite`` driver: the whole contract in one file, with no server.

Read `_driver.py` first: one method for each verb. Each hands work to a thread (`_engine.py`) that
owns the connection (`_session.py`); the work itself is SQL, in `sql/`.
"""

from __future__ import annotations

from asynctasq_drivers.sqlite._driver import SqliteDriver as SqliteDriver
from asynctasq_drivers.sqlite._options import SqliteOptions as SqliteOptions
