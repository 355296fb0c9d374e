"""What another process uses: CPU and memory, from `/proc` or else from `ps`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_IS_LINUX = sys.platform == "linux"


def cpu(pid: int) -> float:
    """Seconds that it has computed so far, all of its threads together; to 10 ms."""
    if _IS_LINUX:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    minutes, _, seconds = _ps(pid, "time").rpartition(":")
    hours, _, minutes = minutes.rpartition(":")
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def rss(pid: int) -> int:
    """Bytes of memory that it has now: its largest would count what its parent had, too."""
    if _IS_LINUX:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return int(_ps(pid, "rss")) * 1024


def _ps(pid: int, column: str) -> str:
    asked = ["ps", "-o", f"{column}=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
