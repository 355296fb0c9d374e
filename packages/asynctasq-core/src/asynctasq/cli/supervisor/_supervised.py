"""A worker's process that has a supervisor: obeys it, reports to it, and outlives it."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from contextlib import suppress
from typing import Final

from asynctasq.cli.screen._terminal import SHOW_CURSOR
from asynctasq.cli.supervisor._reports import Outbox
from asynctasq.worker import Worker

_EVERY: Final = 0.5
_CHUNK: Final = 1 << 16


def end_of(supervisor_fd: int) -> socket.socket:
    """Our end of the socket pair."""
    end = socket.socket(fileno=supervisor_fd)
    end.set_inheritable(False)  # of processes that tasks start it is no business
    return end


def obey(supervisor: socket.socket, worker: Worker) -> None:
    """Tell the supervisor that all is well so far, and stop when it says so or is gone."""
    outbox = Outbox(supervisor)
    try:
        outbox.configured()
    except OSError:
        return worker.stop()  # it is gone by now
    threading.Thread(
        target=_listen, args=(supervisor, outbox, worker), name="asynctasq-supervisor", daemon=True
    ).start()


def _listen(supervisor: socket.socket, outbox: Outbox, worker: Worker) -> None:
    asked, descriptors = b"", list[int]()
    with suppress(OSError):  # it was killed before it had read what we sent
        asked, descriptors, _, _ = socket.recv_fds(supervisor, 1, 2)
    if not asked:
        return worker.stop()
    for each in descriptors:
        os.set_inheritable(each, False)
    with suppress(OSError):
        _report(supervisor, outbox, worker)
    worker.stop()
    _take_back(*descriptors)


def _report(supervisor: socket.socket, outbox: Outbox, worker: Worker) -> None:
    """Send snapshots, also while it stops. Raises OSError once the supervisor is gone."""
    while not select.select((supervisor,), (), (), _EVERY)[0] or supervisor.recv(1):
        outbox.put(worker.snapshot())
    worker.stop()
    while True:
        outbox.put(worker.snapshot())
        time.sleep(_EVERY)


def _take_back(pipe: int, terminal: int) -> None:
    """Nobody reads the pipe any more that our output goes to: write to the terminal itself.

    We hold a reading end ourselves, so nobody who writes has failed so far; child processes still
    write there, so it is read to its end.
    """
    try:
        os.write(terminal, SHOW_CURSOR + b"\n")
    except OSError:
        terminal = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        if os.path.sameopenfile(number, pipe):
            os.dup2(terminal, number)
    os.set_blocking(pipe, True)
    while data := os.read(pipe, _CHUNK):
        with suppress(OSError):
            os.write(terminal, data)
