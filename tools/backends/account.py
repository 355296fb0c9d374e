"""As whom a server runs: most refuse to run as root, and all should."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Account(NamedTuple):
    """None: as we do."""

    user: int | None = None
    group: int | None = None
    others: list[int] | None = None

    def own(self, paths: Iterable[Path]) -> None:
        """Give it these files and folders."""
        if self.user is not None and self.group is not None:
            for path in paths:
                os.chown(path, self.user, self.group)


def account() -> Account:
    """Ours, unless that is root."""
    if os.getuid():
        return Account()
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid, [])
