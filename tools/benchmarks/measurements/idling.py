"""What a worker costs that has nothing to do: the command that users run, seen from outside."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from tools.benchmarks import usage
from tools.benchmarks.children import Broken, ask, environment
from tools.benchmarks.measurements.measurement import (
    Measurement,
    Sample,
    Samples,
    Spec,
    not_applicable,
)
from tools.benchmarks.orders import Count, Counted
from tools.benchmarks.sizes import Sizes
from tools.benchmarks.subjects import Place, Subject

_BEFORE = 1000
"""Tasks that it has run before, so that all is loaded that it ever loads."""
_WORKER = (sys.executable, "-m", "asynctasq", "worker", "--app", "tools.benchmarks.tasks")
_ENDS_WITHIN = 20.0


def _idle(subject: Subject, sizes: Sizes) -> Samples:
    with subject.place() as place:
        client = _client_rss(subject, place)
        if not subject.is_local:
            place.fill(_BEFORE)
        with _process((*_WORKER, "--queues", place.queue), place, "worker_online") as worker:
            time.sleep(sizes.settle)
            start, cpu = time.monotonic(), usage.cpu(worker.pid)
            commands = _commands(subject, place, sizes.idle)
            spent = time.monotonic() - start
            share = (usage.cpu(worker.pid) - cpu) / spent * 100
            rss = usage.rss(worker.pid) / 1e6
    ran = "no task" if subject.is_local else f"{_BEFORE:,} tasks"
    return {
        "idle-cpu": Sample(share, note=f"in {spent:.1f} s"),
        "idle-commands": commands,
        "rss": Sample(rss, client, f"of `asynctasq worker`, which has run {ran}"),
    }


def _commands(subject: Subject, place: Place, seconds: float) -> Sample:
    """Takes that long in any case."""
    if subject.file is None or not hasattr(subject.floor, "commands"):
        time.sleep(seconds)
        return not_applicable("no floor file tells how its commands are counted")
    order = Count(file=str(subject.file), seconds=seconds)
    counted = ask(order, place.options, place.folder, Counted)
    return Sample(counted.count / counted.seconds)


def _client_rss(subject: Subject, place: Place) -> float | None:
    """Of a process that has only imported what its client library needs, in MB."""
    if not subject.client:
        return None
    code = f"import {', '.join(subject.client)}, sys; sys.stderr.write('imported\\n'); input()"
    with _process((sys.executable, "-c", code), place, "imported") as process:
        return usage.rss(process.pid) / 1e6


@contextmanager
def _process(words: Sequence[str], place: Place, ready: str) -> Generator[subprocess.Popen[bytes]]:
    """A program that has said on standard error that it is ready. Raises `Broken`."""
    with subprocess.Popen(
        words,
        cwd=place.folder,
        env=environment(place.options),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        killer = threading.Timer(_ENDS_WITHIN, process.kill)
        killer.start()
        assert process.stderr is not None
        try:
            line = b""
            for line in process.stderr:
                if ready.encode() in line:
                    break
            else:
                raise Broken(f"{words[2]} ended: {line.decode(errors='replace').strip()}")
            killer.cancel()
            yield process
        finally:
            killer.cancel()
            process.terminate()
            try:
                process.communicate(timeout=_ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()


_ROWS = (
    Spec("idle-cpu", "CPU of an idle worker", "%"),
    Spec("idle-commands", "backend commands of an idle worker", "1/s"),
    Spec("rss", "memory of an idle worker (RSS)", "MB", "client library alone"),
)
MEASUREMENTS = (Measurement("idle", _ROWS, _idle),)
