"""Several worker processes, each replaced when it dies. Nothing of the application runs in here.

Each process is this command over again. It holds one end of a socket pair: it sends a byte once
it has read the configuration, and stops when it reads the end of the stream. So a stop is asked
for once, however many signals the process gets beside it; and it stops when this process is gone,
even if that was killed. Processes have a process group of their own: of a terminal's Ctrl-C they
hear through here.

The first process starts alone. If the configuration is wrong, it says so and all is over.

Where a screen is shown, standard error and output are a pipe that processes inherit, and whose
lines come out above the screen. A process is sent the reading end and the terminal: so its output
has somewhere to go, should this process be killed or suspended. That it is sent them asks it for
snapshots.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from asynctasq.cli._exits import described, for_shells
from asynctasq.cli.supervisor._board import Board
from asynctasq.cli.supervisor._reports import Inbox
from asynctasq.worker import ExitCode

logger = logging.getLogger("asynctasq.supervisor")

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_HEALTHY_AFTER: Final = 60.0
_AT_ONCE_WITHIN: Final = 5.0


def pause_after(ran_for: float, last_pause: float) -> float:
    """Seconds until a process that ran so long is replaced; `last_pause`: 0, or the one before.

    Doubles from 1 to 30, and begins anew when a process has run for a minute.
    """
    if ran_for >= _HEALTHY_AFTER:
        return _FIRST_PAUSE
    return min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * last_pause))


def supervise(
    command: Sequence[str],
    board: Board,
    secrets: str,
    *,
    until_done: bool,
    gives: Sequence[int] = (),
) -> int:
    """Run as many processes of the command as the board has rows, until told to stop; returns the
    exit code.

    ``secrets``: what each reads from its standard input. ``until_done``: one that ends with 0 has
    done its work, and is not replaced. ``gives``: where the board is shown on a screen, the reading
    end of the pipe that our output is, and the terminal. *After a crash*: the processes stop, as at
    a signal.
    """
    return asyncio.run(_Supervisor(command, board, secrets, until_done, gives).run())


class _Supervisor:
    def __init__(
        self,
        command: Sequence[str],
        board: Board,
        secrets: str,
        until_done: bool,
        gives: Sequence[int],
    ) -> None:
        self._command = command
        self._board = board
        self._secrets = secrets
        self._gives = gives
        """Descriptors for each process, where a screen is shown."""
        self._until_done = until_done
        self._configured = asyncio.Event()
        self._stopping = asyncio.Event()
        self._signals = 0
        self._at_once: asyncio.Future[None] | None = None
        self._running: set[Process] = set()
        self._ends: set[socket.socket] = set()
        self._codes: list[int] = []

    async def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled, number)
        await asyncio.gather(*(self._keep(number + 1) for number in range(self._board.count)))
        if self._at_once:
            self._at_once.cancel()
        return next(filter(None, self._codes), ExitCode.DONE)

    async def _keep(self, number: int) -> None:
        """Have a process run as this number, until it has to be no longer."""
        if number > 1:
            await self._configured.wait()
        pause = 0.0
        while not self._stopping.is_set():
            started = time.monotonic()
            pid, code = await self._run_one(number)
            over = self._is_over(code)
            pause = pause_after(time.monotonic() - started, pause)
            self._board.ended(number, pid, code, None if over else pause)
            logger.log(
                logging.INFO if over and not code else logging.WARNING,
                "worker %d (pid %s) %s%s",
                *(number, pid, described(code), "" if over else f": replaced in {pause} s"),
            )
            if over:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    def _is_over(self, code: int) -> bool:
        """Whether a process that ended so is not replaced."""
        if code == ExitCode.USAGE:  # the next one would end likewise
            self._stop()
        elif not self._stopping.is_set() and (code or not self._until_done):
            return False
        if code == -signal.SIGTERM:  # somebody stopped all of us, before it could listen
            code = ExitCode.DONE
        self._codes.append(for_shells(code))
        self._configured.set()
        return True

    async def _run_one(self, number: int) -> tuple[int | None, int]:
        """Run a process from its start to its end; its id and exit code."""
        ours, theirs = socket.socketpair()
        self._ends.add(ours)  # before it runs: a stop may come in between
        try:
            if self._gives:
                socket.send_fds(ours, [b"\n"], self._gives)
            process = await self._start(theirs)
            logger.info("worker %d (pid %d) started", number, process.pid)
            self._board.started(number, process.pid)
            return process.pid, await self._ended(number, process, ours)
        except OSError as error:  # no memory, no process ids, no files left
            logger.error("worker %d cannot be started: %s", number, error)
            return None, ExitCode.FAILED
        finally:
            self._ends.remove(ours)
            ours.close()

    async def _start(self, theirs: socket.socket) -> Process:
        with theirs:
            end = theirs.fileno()
            process = await asyncio.create_subprocess_exec(
                *(*self._command, "--supervisor-fd", str(end)),
                stdin=PIPE if self._secrets else DEVNULL,
                pass_fds=(end,),
                process_group=0,
            )
        if process.stdin:
            process.stdin.write(self._secrets.encode())  # goes on beside us: pipes are small
            process.stdin.close()
        return process

    async def _ended(self, number: int, process: Process, ours: socket.socket) -> int:
        loop, inbox = asyncio.get_running_loop(), Inbox(ours)
        loop.add_reader(ours, self._told, number, ours, inbox)
        self._running.add(process)
        try:
            return await process.wait()
        finally:
            self._running.remove(process)
            loop.remove_reader(ours)
            while self._heard(number, inbox):  # its last words may have come with its end
                pass

    def _told(self, number: int, ours: socket.socket, inbox: Inbox) -> None:
        """A process has something to say: that it is configured, what it does, that it ends."""
        self._heard(number, inbox)
        if not (self._gives and inbox.is_open):
            asyncio.get_running_loop().remove_reader(ours)

    def _heard(self, number: int, inbox: Inbox) -> bool:
        if not inbox.read():
            return False
        self._configured.set()
        self._board.told(number, inbox.latest)
        return True

    def _signalled(self, number: int) -> None:
        self._signals += 1
        if self._signals == 1:
            logger.info("%s: workers stop", signal.Signals(number).name)
            self._stop()
        elif self._at_once is None:
            logger.warning("%s again: workers end at once", signal.Signals(number).name)
            self._codes.insert(0, for_shells(-number))
            self._at_once = asyncio.ensure_future(self._end_at_once())

    def _stop(self) -> None:
        self._board.stopping = True
        self._stopping.set()
        self._configured.set()  # nobody is to wait for it any longer
        for ours in self._ends:
            with suppress(OSError):  # it has ended by itself
                ours.shutdown(socket.SHUT_WR)

    async def _end_at_once(self) -> None:
        """A worker ends at once on its second signal, and this one may be its first."""
        until = time.monotonic() + _AT_ONCE_WITHIN
        while time.monotonic() < until:
            self._send(signal.SIGTERM)
            await asyncio.sleep(0.1)
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                process.send_signal(number)
