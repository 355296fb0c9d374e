"""The ``asynctasq`` command. Each command is a file of its name here, imported when it is run.

Reading goes `_main`, `_command`, `_flags`, `_errors`, `_output`, then the commands; `screen/` and
`supervisor/` belong to ``worker``.
"""

from __future__ import annotations

from asynctasq.cli._main import main as main
