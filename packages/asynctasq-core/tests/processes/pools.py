"""What the tests of the pool share: pools, programs that have one, and what to wait for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asynctasq.processes import ProcessPoolManager


def pool_of(size: int, test: Callable[[ProcessPoolManager], Any], **options: Any) -> Any:
    """Run a test with a pool of so many children."""

    async def main() -> Any:
        manager = ProcessPoolManager()
        try:
            await manager.initialize(size, **options)
            return await test(manager)
        finally:
            await manager.shutdown(1)

    return asyncio.run(asyncio.wait_for(main(), 30))


def gone(pid: int) -> bool:
    """Whether a process has ended with all its threads, and is at most to be waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return True
    state, threads = fields[0], int(fields[17])
    return state == "Z" and threads <= 1


def command_line(pid: int) -> str:
    """What process lists show of it."""
    return Path(f"/proc/{pid}/cmdline").read_text()


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something holds that no event tells."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def written(path: Path) -> int:
    """Wait for the process id that a run leaves in a file."""
    eventually(lambda: path.exists() and path.read_text() != "")
    return int(path.read_text())


SCRIPT = """
import asyncio, gc, os, signal, sys, threading
sys.path.insert(0, {jobs!r})
import jobs
from asynctasq.processes import ProcessPoolManager, get_default_manager
print("once")
manager = get_default_manager()
asyncio.run(manager.initialize(1))
print(*manager.get_stats()["pids"], flush=True)
{then}
"""


def script(tmp_path: Path, then: str, *flags: str) -> subprocess.Popen[str]:
    """A program of its own, at the head of a process group, with one warm child."""
    file = tmp_path / "program.py"
    file.write_text(SCRIPT.format(jobs=str(Path(__file__).parent), then=then))
    return subprocess.Popen(
        [sys.executable, *flags, str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(program: subprocess.Popen[str]) -> str:
    """What it printed; it must have ended well, with nothing to complain of."""
    try:
        output, errors = program.communicate(timeout=20)
    finally:
        program.kill()
    assert (errors, program.returncode) == ("", 0)
    return output
