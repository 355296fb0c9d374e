"""The terminal of a command: what there is to know of it where nothing is shown on it.

Here and not beside the screen, so that a worker without one imports nothing of it.
"""

from __future__ import annotations

import os
from typing import Final

from asynctasq.errors import ConfigError

ERRORS: Final = 2
SHOW_CURSOR: Final = b"\x1b[?25h"
"""What a screen has to undo, or somebody else for it."""
_STANDARD: Final = 2
_NO_SCREEN_ON: Final = ("", "dumb", "unknown")


def shows_screen(asked: bool | None) -> bool:
    """Whether a screen is shown: as asked, else if standard error is a terminal that can.

    Raises ConfigError where it was asked for and there is none.
    """
    if asked is False:
        return False
    can = os.isatty(ERRORS) and os.environ.get("TERM", "") not in _NO_SCREEN_ON
    if asked and not can:
        raise ConfigError("--screen: standard error is no terminal that can show one")
    return can


def fill_standard() -> None:
    """Open nothing where standard input, output or errors are closed.

    Else a pipe or a connection got that number, and what is printed went into it.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD:
        os.set_inheritable(number, True)
    os.close(number)
