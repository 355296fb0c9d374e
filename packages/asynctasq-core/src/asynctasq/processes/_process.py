"""One child process and the private line to it.

Own, on `subprocess`: of the standard pools, one breaks as a whole when a child dies, and
`multiprocessing` would import the program's ``__main__`` again in each child.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

from asynctasq.processes._died import ChildDied

_START = """
import pickle, sys
from multiprocessing.connection import Connection
line = Connection(int(sys.argv[1]))
try:
    sys.path[:], *rest = pickle.loads(line.recv_bytes())
except (EOFError, OSError):  # the parent has ended meanwhile
    sys.exit(1)
from asynctasq.processes._child import main
main(line, *rest)
"""
_FLAGS = {
    "optimize": "O",
    "bytes_warning": "b",
    "dont_write_bytecode": "B",
    "ignore_environment": "E",
    "no_user_site": "s",
    "no_site": "S",
}
_LOOK = 1.0
"""Seconds between looks at the child, where a process of its own holds the line open."""


class NotHandedOver(Exception):
    """The child was gone before it had the whole message: nothing of it has run."""


class Child:
    """A process that was started, is waited for, and runs one message at a time.

    It has this one's working directory, environment, ``sys.path``, and flags of the interpreter.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            # In a session of its own: Ctrl-C in a terminal reaches the parent alone.
            self._process = subprocess.Popen(
                # -P: nothing in the working directory stands in for a standard module.
                [sys.executable, *_flags(), "-P", "-c", _START, str(number)],
                pass_fds=(number,),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._line: Connection[Any, Any] = Connection(ours.detach())
        # The path travels on the line: process lists stay readable.
        self._hello = pickle.dumps((list(map(str, sys.path)), os.getpid(), tuple(modules)))
        self.runs = 0
        self.is_spent = False
        """It said that something of a run goes on in it, so that it should run nothing else."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Raise ImportError with the child's words, or `ChildDied`."""
        try:
            self._line.send_bytes(self._hello)
        except OSError:
            raise self._died() from None
        failed = pickle.loads(self._receive(None))
        if failed is not None:
            raise ImportError(failed)

    def run(self, message: bytes, timeout: float | None) -> bytes:
        """Hand a message over and return the answer; kills the child that is late.

        Raises `NotHandedOver`, `ChildDied` and TimeoutError.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            self._line.send_bytes(message)
        except OSError:
            raise NotHandedOver from None
        self.runs += 1
        if (answer := self._receive(deadline)) == b"":
            self.is_spent = True
            answer = self._receive(deadline)
        return answer

    def _receive(self, deadline: float | None) -> bytes:
        try:
            while not self._line.poll(_rest(deadline)):
                if deadline is not None and time.monotonic() >= deadline:
                    self.end()
                    raise TimeoutError("a run in a child process took too long: it was killed")
                if not self.is_alive and not self._line.poll(0):
                    raise EOFError
            return self._line.recv_bytes()
        except (EOFError, ConnectionError):
            raise self._died() from None

    def _died(self) -> ChildDied:
        self.kill()
        code = self._process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return ChildDied(f"child process {self.pid} ended before it answered: {how}")

    def kill(self) -> None:
        """End it at once, from any thread."""
        self._process.kill()

    def end(self) -> None:
        """End it at once and wait for that: a dying child would still accept a message."""
        self.kill()
        self._process.wait()

    def close(self, grace: float) -> None:
        """End it: gently for so many seconds, then at once."""
        try:
            self._line.send_bytes(b"")
            self._process.wait(grace)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()
        self._process.wait()
        self._line.close()


def _flags() -> Iterator[str]:
    """The command line's; those of the environment are inherited with it."""
    for name, letter in _FLAGS.items():
        if count := getattr(sys.flags, name):
            yield f"-{letter * count}"
    yield from (f"-W{option}" for option in sys.warnoptions)
    for name, value in sys._xoptions.items():  # pyright: ignore[reportPrivateUsage]
        yield f"-X{name}" if value is True else f"-X{name}={value}"


def _rest(deadline: float | None) -> float:
    return _LOOK if deadline is None else max(0.0, min(_LOOK, deadline - time.monotonic()))
