"""The command line as a whole: help, version, how it fails and what it imports."""

from __future__ import annotations

import pytest

FAILING = """
import sys, types, click, asynctasq.cli._main as cli
from asynctasq import errors

@click.command
def command():
    raise {error}

module = types.ModuleType("asynctasq.cli.failing")
module.command = command
sys.modules[module.__name__] = module
cli._COMMANDS = ("failing",)
sys.argv = ["asynctasq", "failing"]
cli.main()
"""


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)])
def test_help_lists_every_command_with_what_it_does(site, arguments) -> None:
    ran = site.run("-m", "asynctasq", *arguments)
    assert ran.returncode == 0
    assert "Usage: asynctasq [OPTIONS] COMMAND [ARGS]..." in ran.stdout
    assert "drivers  List the installed drivers" in ran.stdout
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
    ran = site.run("-c", FAILING.replace("{error}", error))
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr == "asynctasq: no \\x1b[31mserver\n"


def test_an_error_that_is_not_ours_is_not_hidden(site) -> None:
    ran = site.run("-c", FAILING.replace("{error}", "RuntimeError('a bug')"))
    assert ran.returncode == 1
    assert "Traceback" in ran.stderr
    assert "RuntimeError: a bug" in ran.stderr


def test_rich_is_not_imported_where_there_is_no_terminal(site) -> None:
    code = (
        "import sys; from asynctasq.cli._main import group\n"
        "group(['drivers'], standalone_mode=False); print('rich' in sys.modules)"
    )
    assert site.run("-c", code).stdout.splitlines()[-1] == "False"


def test_importing_the_library_imports_neither_click_nor_rich(site) -> None:
    code = "import sys, asynctasq; print(sorted({'click', 'rich', 'dotenv'} & set(sys.modules)))"
    assert site.run("-c", code).stdout == "[]\n"
