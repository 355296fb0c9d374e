"""How an error ends a command: one clear line and an exit code; its traceback with ``--debug``.

Exit codes: 1, what was asked for failed; 2, it was asked for wrongly: arguments, options of the
configuration, a driver that is not there; 130, ended by Ctrl-C, where that is not how it ends well.
"""

from __future__ import annotations

import importlib
import os
import traceback
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Final, TextIO

import click

from asynctasq._text import plain
from asynctasq.cli._output import lines
from asynctasq.errors import AsyncTasQError, ConfigError, PluginError

_FAILED: Final = 1
_USAGE: Final = 2
_INTERRUPTED: Final = 130
_OURS: Final = os.path.dirname(os.path.dirname(__file__)) + os.sep
_STDLIB: Final = os.path.dirname(os.__file__) + os.sep
_MACHINERY: Final = (
    os.path.dirname(__file__) + os.sep,
    os.path.dirname(click.__file__) + os.sep,
    os.path.dirname(importlib.__file__) + os.sep,
    "<frozen ",
)
_UNNAMED: Final = ("builtins", "__main__")
_PACKAGES: Final = ("site-packages", "dist-packages")


class _Debug:
    on: bool = False


def switch_on_debug(_ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Show tracebacks from now on."""
    _Debug.on = _Debug.on or wanted


def guarded(work: Callable[[], int | None]) -> int:
    """Run the work of a command; its exit code, or that of the error that was told."""
    warnings.showwarning = _warn
    try:
        return work() or 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return _USAGE
    except click.ClickException as error:
        return _tell(error, f"{error.format_message()}{_where_help_is(error)}", error.exit_code)
    except click.Abort as error:
        interrupted = isinstance(error.__cause__ or error.__context__, KeyboardInterrupt)
        return _tell(error, "stopped", _INTERRUPTED if interrupted else _FAILED)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        return told(error)


def told(error: BaseException) -> int:
    """Tell an error in one line on stderr; the exit code that it stands for."""
    if isinstance(error, AsyncTasQError):
        code = _USAGE if isinstance(error, (ConfigError, PluginError)) else _FAILED
        return _tell(error, str(error), code)
    return _tell(error, f"{described(error)}{hint()}", _FAILED)


def described(error: BaseException) -> str:
    """An error that nobody expected: what it is, and the line of code that it comes from."""
    what = _what(error)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{what} ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not _is_of_others(frame.filename)]
    if not (near := theirs or frames):
        return what
    return f"{what} ({near[-1].filename}, line {near[-1].lineno}, in {near[-1].name})"


def _what(error: BaseException) -> str:
    """Type and text, as at the end of a traceback, whatever its ``__str__`` does."""
    kind = type(error)
    module = "" if kind.__module__ in _UNNAMED else f"{kind.__module__}."
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:
        text = "(showing this error raised another)"
    return f"{module}{kind.__qualname__}: {text}".removesuffix(": ")


def _is_of_others(file: str) -> bool:
    """Whether a line there is no news to somebody who asks what their own code did."""
    installed = any(f"{os.sep}{folder}{os.sep}" in file for folder in _PACKAGES)
    return installed or file.startswith(("<frozen ", _STDLIB, _OURS))


def _tell(error: BaseException, text: str, code: int) -> int:
    if _Debug.on:
        _show_traceback(error)
    click.echo(f"asynctasq: {plain(text)}", err=True)
    return code


def _show_traceback(error: BaseException) -> None:
    """Without local variables, which hold passwords; and with nothing a terminal acts on."""
    link: BaseException | None = error
    seen: set[BaseException] = set()
    while link is not None and link not in seen:  # what led to what may be a circle
        seen.add(link)
        theirs = _without_machinery(link.__traceback__)
        link.__traceback__ = theirs if theirs or link.__cause__ else link.__traceback__
        link = link.__cause__ or link.__context__
    for line in lines("".join(traceback.format_exception(error))):
        click.echo(line, err=True)


def _without_machinery(frames: TracebackType | None) -> TracebackType | None:
    """From the first line on that is neither of the command line nor of the import system."""
    first = frames
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_MACHINERY):
        first = first.tb_next
    return first


def hint() -> str:
    """How to see more, where that is not shown already."""
    return "" if _Debug.on else "; --debug shows the traceback"


def _where_help_is(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f" ({context.command_path} --help tells more)" if context else ""


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning in one line too; where it comes from is told of those that are not ours."""
    ours = category.__module__.startswith("asynctasq.")
    where = "" if ours else f" ({filename}, line {lineno})"
    click.echo(plain(f"asynctasq: warning: {message}{where}"), err=True)
