"""``asynctasq worker``: import the application, and run its tasks until told to stop."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import click

from asynctasq.app import run
from asynctasq.cli._advice import advice
from asynctasq.cli._app_module import import_app
from asynctasq.cli._errors import described, told
from asynctasq.cli._exits import MEANING, end_at_once
from asynctasq.cli._flags import ConfiguredCommand, secrets_read
from asynctasq.cli._log import TOLD, set_up, written
from asynctasq.cli._terminal import fill_standard, shows_screen
from asynctasq.cli.supervisor import Board, end_of, obeying, supervise
from asynctasq.config import current
from asynctasq.errors import ConfigError
from asynctasq.plugins import driver_class
from asynctasq.worker import ExitCode, Worker

_logger = logging.getLogger("asynctasq.worker")

_EXIT_CODES = "\n".join(
    [
        "\b",
        "Exit codes:",
        *(f"  {int(code):3}  {meaning}" for code, meaning in MEANING.items()),
        "  128 + N  ended at once by a second signal, number N",
        "",
        "With --workers: 0 if every process ended with 0, else the first other code.",
    ]
)


@click.command(cls=ConfiguredCommand, epilog=_EXIT_CODES)
@click.option(
    "--app",
    required=True,
    metavar="MODULE",
    help="The module that defines the tasks, such as shop.tasks; looked for in the working "
    "directory and in the environment.",
)
@click.option(
    "--queues",
    metavar="A,B",
    help="Queues to take tasks from; from a later one only while those before it are empty. "
    "[default: the option default_queue]",
)
@click.option(
    "--concurrency",
    default=10,
    show_default=True,
    type=click.IntRange(min=1, max=100_000),
    help="How many tasks run at a time, in each process.",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(min=1, max=1000),
    help="How many processes run. With more than one, a process that dies is replaced, after a "
    "pause that doubles from 1 to 30 seconds and begins anew when one has run for a minute. One "
    "that ends with exit code 2 ends all.",
)
@click.option("--fair", is_flag=True, help="Take from the queues in turn.")
@click.option(
    "--max-tasks",
    metavar="N",
    type=click.IntRange(min=1),
    help="End with 0 after N runs, each attempt being one; with --workers, each process after N "
    "of its own. Processes that have ended so are not replaced, and the command ends with the last "
    "of them.",
)
@click.option(
    "--stuck-after",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="End with 6 when tasks run, but for so long none has begun or ended. [default: never]",
)
@click.option(
    "--screen/--no-screen",
    default=None,
    help="Show live what the worker does, with its log above. [default: on a terminal]",
)
@click.option("--supervisor-fd", hidden=True, type=click.IntRange(min=0))
def command(
    app: str,
    queues: str | None,
    concurrency: int,
    workers: int,
    fair: bool,
    max_tasks: int | None,
    stuck_after: float | None,
    screen: bool | None,
    supervisor_fd: int | None,
) -> None:
    """Run tasks until told to stop.

    SIGTERM or SIGINT (Ctrl-C) stops: no more tasks are taken, those that run have the option
    shutdown_timeout to finish, and what has not is given back. A second one ends at once; what
    ran is run again when its lease ends. Log lines carry the id of their process.
    """
    fill_standard()
    if workers > 1 and supervisor_fd is None:
        set_up()
        board, shows = Board(workers), shows_screen(screen)
        sys.exit(_supervised(board, until_done=max_tasks is not None, shows=shows))
    supervisor = None if supervisor_fd is None else end_of(supervisor_fd)
    shows = supervisor is None and shows_screen(screen)
    names = _names(queues)
    _import(app, workers, names)
    worker = Worker(
        names,
        concurrency=concurrency,
        fair=fair,
        max_tasks=max_tasks,
        stuck_after=stuck_after,
        on_fatal=end_at_once,
    )
    with obeying(supervisor, worker) if supervisor else _shown(worker, shows):
        code = _ended(worker)
    if not written():
        end_at_once(code)  # leaving in the usual way would wait for whoever does not read the log
    sys.exit(code)


def _supervised(board: Board, *, until_done: bool, shows: bool) -> int:
    """Run workers as this process was started, options of the interpreter included, and nothing
    added to the process list: each reads the configuration itself."""
    again = (sys.executable, *sys.orig_argv[1:])
    secrets = secrets_read(click.get_current_context())
    if not shows:
        return supervise(again, board, secrets, until_done=until_done)
    from asynctasq.cli.screen._all import Picture
    from asynctasq.cli.screen._live import shown

    with shown(Picture(board)) as capture:
        gives = (capture.pipe, capture.terminal)
        return supervise(again, board, secrets, until_done=until_done, gives=gives)


def _import(app: str, workers: int, queues: Sequence[str]) -> None:
    """The application, then a log if it has set up none, and whether this can run its tasks."""
    import_app(app)
    set_up()
    if workers > 1:
        _check_driver(workers)
    for text in advice(app, queues):
        _logger.warning("%s", text)


def _names(queues: str | None) -> tuple[str, ...]:
    names = [name.strip() for name in (queues or "").split(",")]
    return tuple(name for name in names if name)


def _shown(worker: Worker, shows: bool) -> AbstractContextManager[object]:
    """A worker without a screen imports nothing for one."""
    if not shows:
        return nullcontext()
    from asynctasq.cli.screen._live import shown
    from asynctasq.cli.screen._one import WorkerPicture

    return shown(WorkerPicture(worker.snapshot))


def _ended(worker: Worker) -> int:
    """Run it; the exit code. What it died of is told, after all that it logged."""
    try:
        run(_work(worker))
    except Exception as error:
        written()
        told(error)
        # For logs of the application's own, which nobody reads on standard error.
        _logger.critical("%s", described(error), exc_info=error, extra=TOLD)
        return worker.exit_code or ExitCode.FAILED
    written()
    return worker.exit_code


async def _work(worker: Worker) -> None:
    worker.handle_signals()
    try:
        await worker.run()
    finally:
        _leave_within(current().config.stop_grace, worker.exit_code)


def _leave_within(seconds: float, code: int) -> None:
    """Python waits for every thread, and one that a task has left behind may go on for ever."""

    def leave() -> None:
        _logger.warning("threads that go on %s s after the end are left behind", seconds)
        end_at_once(code)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


def _check_driver(workers: int) -> None:
    name = current().config.driver
    if driver_class(name).capabilities.process_local:
        raise ConfigError(
            f"--workers {workers}: the {name} driver keeps its messages in one process, which no "
            "other can see; use --workers 1, or another driver"
        )
