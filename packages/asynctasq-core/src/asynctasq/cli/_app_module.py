"""Importing the module that ``--app`` names, and saying well why that does not work."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType

import click

from asynctasq.errors import ConfigError, PluginError
from asynctasq.tasks import TASKS
from asynctasq.worker import ExitCode

logger = logging.getLogger("asynctasq.worker")
_MACHINERY = {each.__code__.co_filename for each in (import_module, find_spec)} | {__file__}


def import_app(name: str) -> None:
    """Import the module that the working directory, or the environment, has under that name.

    Raises ConfigError where there is none. Where it raises, its traceback is shown, from its own
    first line on, and SystemExit raised.
    """
    _check_name(name)
    sys.path.insert(0, os.getcwd())
    try:
        found = _is_there(name)
        if found:
            import_module(name)
    except (ConfigError, PluginError):
        raise  # it is configured wrongly, which one line says
    except (Exception, SystemExit) as error:
        _show(error)
        click.echo(f"asynctasq: --app {name}: importing it failed, as shown above", err=True)
        raise SystemExit(ExitCode.FAILED) from None
    if not found:
        raise ConfigError(f"--app {name}: no module of that name here or in the environment")
    if not TASKS.names():
        logger.warning("--app %s: it defines no task, so this worker can run none", name)


def _check_name(name: str) -> None:
    is_file = name.endswith(".py") and os.path.isfile(name)
    if not is_file and all(part.isidentifier() for part in name.split(".")):
        return
    meant = ".".join(part for part in name.removesuffix(".py").split("/") if part.isidentifier())
    raise ConfigError(
        f"--app {name}: expected a module name such as {meant or 'shop.tasks'}, "
        "as in an import statement"
    )


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # a package above it imports what is not there
        return False


def _show(error: BaseException) -> None:
    """Print its traceback without the frames that led to the application."""
    frames = error.__traceback__
    while frames is not None and _is_machinery(frames):
        frames = frames.tb_next
    traceback.print_exception(error.with_traceback(frames))


def _is_machinery(frame: TracebackType) -> bool:
    file = frame.tb_frame.f_code.co_filename
    return file in _MACHINERY or file.startswith("<frozen importlib")
