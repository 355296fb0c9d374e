"""A worker's process that has a supervisor: obeys it, reports to it, and outlives it."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext, suppress
from typing import Final

from asynctasq.cli._exits import AT_THE_END
from asynctasq.cli.supervisor._output import Output
from asynctasq.cli.supervisor._reports import Outbox
from asynctasq.worker import Worker

_EVERY: Final = 0.5


def end_of(supervisor_fd: int) -> socket.socket:
    """Our end of the socket pair. On the main thread."""
    # A process group of its own is in the background of a terminal: after `stty tostop` writing
    # there would stop this process, without a word.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    end = socket.socket(fileno=supervisor_fd)
    end.set_inheritable(False)  # of processes that tasks start it is no business
    return end


@contextmanager
def obeying(supervisor: socket.socket, worker: Worker) -> Generator[None, None, None]:
    """Tell the supervisor that all is well so far, and stop when it says so or is gone.

    At the end of the block, also where that is by `end_at_once`, it is told what was done.
    """
    outbox = Outbox(supervisor)
    try:
        outbox.configured()
        output = _given(supervisor)
    except OSError:  # it is gone by now
        worker.stop()
        yield
        return
    _in_background(_listen, supervisor, outbox, worker, output)
    with _telling_last(outbox, worker, output) if output else nullcontext():
        yield


def _given(supervisor: socket.socket) -> Output | None:
    """The pipe and the terminal, sent before we were started: where a screen is shown."""
    if not select.select((supervisor,), (), (), 0)[0]:
        return None
    _, descriptors, _, _ = socket.recv_fds(supervisor, 1, 2)
    for each in descriptors:
        os.set_inheritable(each, False)
    return Output(*descriptors) if descriptors else None


@contextmanager
def _telling_last(outbox: Outbox, worker: Worker, output: Output) -> Generator[None, None, None]:
    def tell() -> None:
        try:
            outbox.put_last(worker.snapshot())
        except OSError:  # it is gone: nobody but us has what is still in the pipe
            output.take_back()

    AT_THE_END.append(tell)
    try:
        yield
    finally:
        tell()
        AT_THE_END.remove(tell)


def _listen(
    supervisor: socket.socket, outbox: Outbox, worker: Worker, output: Output | None
) -> None:
    gone = threading.Event()
    if output:
        _in_background(output.keep_flowing, gone)
    with suppress(OSError):  # it was killed before it had read what we sent
        _report(supervisor, outbox, worker) if output else supervisor.recv(1)
    worker.stop()
    gone.set()


def _report(supervisor: socket.socket, outbox: Outbox, worker: Worker) -> None:
    """Send snapshots, also while it stops. Raises OSError once the supervisor is gone."""
    while not select.select((supervisor,), (), (), _EVERY)[0] or supervisor.recv(1):
        outbox.put(worker.snapshot())
    worker.stop()
    while True:
        outbox.put(worker.snapshot())
        time.sleep(_EVERY)


def _in_background(target: Callable[..., None], *args: object) -> None:
    threading.Thread(target=target, args=args, name="asynctasq-supervisor", daemon=True).start()
