"""The folder in which the rooms of this checkout and this user are."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def place() -> Path:
    """Where it is, or would be. The name is short: paths of sockets may have 107 bytes."""
    checkout = hashlib.sha256(str(_ROOT).encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"asynctasq-{os.getuid()}-{checkout}"


def home() -> Path:
    """The folder, made if needed. Raises `PermissionError` where it is somebody else's."""
    folder = place()
    with suppress(FileExistsError):
        folder.mkdir()
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} is not yours: remove it, or set TMPDIR")
    folder.chmod(0o711)  # servers run as another user than root
    return folder


def new_folder(name: str) -> Path:
    """An empty one for a room. Raises `PermissionError` as `home` does."""
    while True:
        with suppress(FileNotFoundError):  # somebody tidied up in between
            folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=home()))
            folder.chmod(0o711)
            return folder


@contextmanager
def alone() -> Generator[None]:
    """One at a time: another `up` or `down` waits."""
    folder = os.open(home(), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
        tidy()


def tidy() -> None:
    """Remove it once it is empty, unless somebody is `alone` in it."""
    with suppress(OSError):
        folder = os.open(place(), os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            place().rmdir()
        finally:
            os.close(folder)
