"""The command line as a whole: help, version, how it fails and what it imports."""

from __future__ import annotations

import re

import pytest

FAILING = """
import sys, types, click, asynctasq.cli._main as cli
from asynctasq import errors
from asynctasq.cli._command import Command

@click.command(cls=Command)
def command():
    password = "tiger"
    raise {error}

module = types.ModuleType("asynctasq.cli.failing")
module.command = command
sys.modules[module.__name__] = module
cli._COMMANDS["failing"] = "Fails."
sys.argv = ["asynctasq", *{words}]
cli.main()
"""


def failing(site, error: str, *words: str):
    """Run a command that fails with this error."""
    code = FAILING.replace("{error}", error).replace("{words}", repr(words or ("failing",)))
    return site.run("-c", code)


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)])
def test_help_lists_every_command_with_what_it_does(site, arguments) -> None:
    ran = site.run("-m", "asynctasq", *arguments)
    assert ran.returncode == 0
    assert "Usage: asynctasq [OPTIONS] COMMAND [ARGS]..." in ran.stdout
    assert re.findall(r"^  (\w+) +[A-Z].*\.$", ran.stdout.partition("Commands:")[2], re.M) == [
        *("worker", "queues", "tasks", "purge", "events", "config", "drivers", "migrate")
    ]
    assert ran.stderr == ""


def test_no_command_is_answered_with_help(site) -> None:
    ran = site.run("-m", "asynctasq")
    assert "Usage: asynctasq" in ran.stdout + ran.stderr


def test_the_version_is_that_of_the_installed_core(site) -> None:
    site.install("asynctasq-core", version="7.8.9")
    assert site.run("-m", "asynctasq", "--version").stdout == "asynctasq-core 7.8.9\n"


def test_a_source_tree_says_that_it_is_one(site) -> None:
    ran = site.run("-m", "asynctasq", "--version")
    assert (ran.returncode, ran.stdout) == (0, "asynctasq-core, run from a source tree\n")


@pytest.mark.parametrize("arguments", [("nonsense",), ("drivers", "--nonsense")])
def test_wrong_usage_is_told_on_stderr_with_exit_code_2(site, arguments) -> None:
    ran = site.run("-m", "asynctasq", *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "nonsense" in ran.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("errors.DriverUnavailable('no\\n\\x1b[31mserver')", 1),
        ("errors.ConfigError('no\\n\\x1b[31mserver')", 2),
        ("errors.DriverNotInstalled('no\\n\\x1b[31mserver')", 2),
    ],
)
def test_an_error_of_ours_is_one_plain_line_on_stderr_and_an_exit_code(site, error, code) -> None:
    ran = failing(site, error)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr == "asynctasq: no \\x1b[31mserver\n"


def test_an_error_that_nobody_expected_is_one_line_that_says_where_it_comes_from(site) -> None:
    ran = failing(site, "RuntimeError('a bug')")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "asynctasq: RuntimeError: a bug (<string>, line 9, in command); "
        "--debug shows the traceback\n"
    )


@pytest.mark.parametrize("words", [("--debug", "failing"), ("failing", "--debug")])
def test_debug_shows_the_traceback_in_front_without_local_variables(site, words) -> None:
    ran = failing(site, "RuntimeError('a\\x1b[31m bug')", *words)
    first, *_, error, last = ran.stderr.splitlines()
    assert first == "Traceback (most recent call last):"
    assert error == "RuntimeError: a\\x1b[31m bug"
    assert last.startswith("asynctasq: RuntimeError: a\\x1b[31m bug (<string>, line 9")
    assert "click" not in ran.stderr
    assert "tiger" not in ran.stderr


def test_wrong_usage_is_one_line_that_says_where_help_is(site) -> None:
    ran = site.run("-m", "asynctasq", "queues", "--jsn")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert re.fullmatch(r"asynctasq: No such option.*--jsn.*--help tells more\)\n", ran.stderr)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("worke",), "no command 'worke'; did you mean 'worker'?"),
        (("tasks", "lst"), "no command 'lst'; did you mean 'list'?"),
        (("xyz",), "no command 'xyz' ("),
    ],
)
def test_a_command_that_is_not_there_is_answered_with_the_nearest(site, words, said) -> None:
    ran = site.run("-m", "asynctasq", *words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"asynctasq: {said}")


def test_help_imports_no_command_no_driver_and_no_rich(site) -> None:
    site.driver("fast")
    code = (
        "import sys; from asynctasq.cli._main import group\n"
        "group(['--help'], standalone_mode=False)\n"
        "print([m for m in sys.modules if m in ('rich', 'acme_fast', 'asynctasq.worker')"
        " or m.startswith('asynctasq.cli.') and '._' not in m])"
    )
    assert site.run("-c", code).stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["worker", "queues", "tasks", "purge", "config", "migrate"])
def test_help_of_a_command_imports_no_driver(site, command) -> None:
    site.driver("fast", options="class Options(Struct):\n    fast_url: str = 'x'\n")
    words = ["tasks", "list"] if command == "tasks" else [command]
    code = (
        "import sys; from asynctasq.cli._main import group\n"
        f"group({[*words, '--help']}, standalone_mode=False)\n"
        "print([m for m in ('rich', 'acme_fast') if m in sys.modules])"
    )
    shown = site.run("-c", code).stdout
    assert "--fast-url" in shown
    assert shown.splitlines()[-1] == "[]"


def test_rich_is_not_imported_where_there_is_no_terminal(site) -> None:
    code = (
        "import sys; from asynctasq.cli._main import group\n"
        "group(['drivers'], standalone_mode=False); print('rich' in sys.modules)"
    )
    assert site.run("-c", code).stdout.splitlines()[-1] == "False"


def test_importing_the_library_imports_neither_click_nor_rich(site) -> None:
    code = "import sys, asynctasq; print(sorted({'click', 'rich', 'dotenv'} & set(sys.modules)))"
    assert site.run("-c", code).stdout == "[]\n"


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)],
)
def test_help_is_coloured_on_a_terminal_that_wants_it(site, variables, coloured) -> None:
    code = (
        "import pty, sys\nsys.exit(pty.spawn([sys.executable, '-S', '-m', 'asynctasq', '--help']))"
    )
    ran = site.run("-c", code, **{"TERM": "xterm", **variables})
    assert ran.returncode == 0
    assert ("\x1b[" in ran.stdout) == coloured


CIRCLE = """
def circle():
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    return first
"""


def test_debug_ends_where_what_led_to_what_is_a_circle(site) -> None:
    code = FAILING.replace("{error}", "circle()").replace("{words}", "('--debug', 'failing')")
    ran = site.run("-c", CIRCLE + code)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("asynctasq: ValueError: first")


ODD = """
import asyncio
class Unshowable(Exception):
    def __str__(self):
        raise ValueError
def noted():
    error = ValueError("the text")
    error.add_note("look here")
    return error
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("noted()", "asynctasq: ValueError: the text (<string>"),
        ("Unshowable()", "asynctasq: Unshowable: (showing this error raised another) (<string>"),
        ("KeyError()", "asynctasq: KeyError (<string>"),
        ("asyncio.CancelledError()", "asynctasq: asyncio.exceptions.CancelledError (<string>"),
    ],
)
def test_any_error_is_told_by_its_type_and_text(site, error, said) -> None:
    code = FAILING.replace("{error}", error).replace("{words}", "('failing',)")
    ran = site.run("-c", ODD + code)
    assert ran.returncode == 1
    assert ran.stderr.startswith(said)
    assert ran.stderr.count("\n") == 1


SHARED = """
import msgspec
from asynctasq.memory import MemoryDriver

class AcmeDriver(MemoryDriver):
    name = "acme"
    capabilities = msgspec.structs.replace(MemoryDriver.capabilities, process_local=False)
"""
"""A driver that commands may look at; each finds it empty."""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("drivers", 0),
        ("config", 0),
        ("queues --driver acme", 0),
        ("purge q --driver acme", 2),
        ("config --events-redis-url -", 2),
        ("events", 2),
        ("--help", 0),
    ],
)
def test_closed_streams_change_no_exit_code(site, closed, words, code) -> None:
    site.driver("acme", source=SHARED)
    shell = f'"$0" -S -W error -m asynctasq {words} {closed}'
    command = f"import os, sys; os.execvp('bash', ['bash', '-c', {shell!r}, sys.executable])"
    ran = site.run("-c", command)
    assert ran.returncode == code, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "NoneType" not in ran.stderr
