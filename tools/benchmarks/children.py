"""Starting child processes, talking to them, and ending them: only these, and each within a time.

A child that says nothing for too long is killed, and what was measured has failed.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from tools.benchmarks.orders import Failed, Online, Order, Progress, Ready, Word, Worked
from tools.benchmarks.roles.options import as_variables
from tools.workspace import ROOT

A = TypeVar("A")
PATIENCE = 180.0
"""Seconds that anything may take."""
_ENDS_WITHIN = 10.0


class Broken(Exception):
    """A child could not do what it was asked for."""


def environment(options: Mapping[str, str]) -> dict[str, str]:
    """Ours, with those options and no others."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ASYNCTASQ_", "ASYNC_TASK_"))}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**kept, **as_variables(options), "PYTHONPATH": path}


class Silent(Broken):
    """It said nothing."""


class Child:
    """One process with one order."""

    def __init__(self, order: Order, options: Mapping[str, str], folder: Path, log: IO[bytes]):
        self._log = log
        self._heard: queue.SimpleQueue[Word | None] = queue.SimpleQueue()
        self.completed = 0
        # In the folder of its place: what stands in a `.env` elsewhere is not for it.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.benchmarks.child"],
            cwd=folder,
            env=environment(options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        self.say(msgspec.json.encode(order).decode())
        self._ear = threading.Thread(target=self._hear, daemon=True)
        self._ear.start()

    def say(self, word: str) -> None:
        """To one that has ended, this is no error: what it died of is told by `hear`."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(f"{word}\n".encode())
            self.process.stdin.flush()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._heard.put(msgspec.json.decode(line, type=Word))
        self._heard.put(None)

    def hear(self, seconds: float) -> Word:
        """What it says next. Raises `Broken` where it fails, ends or is silent."""
        try:
            word = self._heard.get(timeout=max(0.0, seconds))
        except queue.Empty:
            raise Silent("it did not end in time") from None
        if word is None:
            raise Broken(f"its process ended: {self._last_words()}")
        if isinstance(word, Failed):
            raise Broken(word.reason)
        return word

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self.process.wait()}"

    def answer(self, kind: type[A], seconds: float = PATIENCE) -> A:
        """The next word that is of that kind; progress on the way is noted."""
        limit = time.monotonic() + seconds
        while True:
            match self.hear(limit - time.monotonic()):
                case Progress(completed=completed):
                    self.completed = completed
                case word if isinstance(word, kind):
                    return word
                case word:
                    raise Broken(f"it said {word}")

    def progress(self, seconds: float) -> None:
        """Wait so long for news of what it has completed; none is none."""
        with suppress(Silent):
            match self.hear(seconds):
                case Progress(completed=completed):
                    self.completed = completed
                case word:
                    raise Broken(f"it said {word}")

    def end(self) -> None:
        """Whatever it does."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._ear.join()
        self.process.stdout.close()


@contextmanager
def child(order: Order, options: Mapping[str, str], folder: Path) -> Generator[Child]:
    """A process for that order; it has ended afterwards."""
    with tempfile.TemporaryFile() as log:
        started = Child(order, options, folder, log)
        try:
            yield started
        finally:
            started.end()


def ask(order: Order, options: Mapping[str, str], folder: Path, kind: type[A]) -> A:
    """Have it carried out; the answer. Raises `Broken`."""
    with child(order, options, folder) as process:
        return process.answer(kind)


def begin(workers: Sequence[Child]) -> None:
    """Let workers begin together; returns when all are online."""
    for worker in workers:
        worker.answer(Ready)
    for worker in workers:
        worker.say("go")
    for worker in workers:
        worker.answer(Online)


def finish(workers: Sequence[Child], total: int, seconds: float = PATIENCE) -> list[Worked]:
    """Stop them when they have done so many tasks together; what each did. Raises `Broken`."""
    limit = time.monotonic() + seconds
    while (done := sum(worker.completed for worker in workers)) < total:
        if time.monotonic() > limit:
            raise Broken(f"{done} of {total} tasks were done in {seconds:g} s")
        for worker in workers:
            worker.progress(0.02)
    for worker in workers:
        worker.say("stop")
    return [worker.answer(Worked) for worker in workers]
