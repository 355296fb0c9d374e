"""The ``asynctasq`` command. Each command is a file of its name here, imported when it is run.

Reading goes `_main`, `_output`, then the commands.
"""

from __future__ import annotations

from asynctasq.cli._main import main as main
