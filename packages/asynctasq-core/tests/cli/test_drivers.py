"""``asynctasq drivers``: true, readable by people and programs, and never stopped by a plugin."""

from __future__ import annotations

import json
import re

import pytest

from asynctasq.driver import API

HOSTILE = "raise RuntimeError('[red]mark-up[/red] \\x1b]0;title\\x07 \\u202e end')"


def rows(text: str) -> dict[str, str]:
    return {line.split()[0]: line for line in text.splitlines()}


def report(site) -> dict[str, list[dict[str, object]]]:
    ran = site.run("-m", "asynctasq", "drivers", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


def test_what_works_what_does_not_and_what_is_missing_are_listed(site) -> None:
    site.driver("fast")
    site.driver("broken", source="import no_such_client")
    ran = site.run("-m", "asynctasq", "drivers")
    assert (ran.returncode, ran.stderr) == (0, "")
    listed = rows(ran.stdout)
    api = f"{API[0]}.{API[1]}"
    assert listed["DRIVER"].split() == ["DRIVER", "PACKAGE", "VERSION", "API", "STATE", "NOTES"]
    assert listed["fast"].split()[:5] == ["fast", "acme-fast", "1.0", api, "ok"]
    assert "TaskStore" in listed["fast"]
    assert "No module named 'no_such_client'" in listed["broken"]
    assert "not installed  pip install asynctasq-redis" in listed["redis"]
    assert list(listed)[1:] == [
        "broken",
        "fast",
        "memory",
        "sqlite",
        "redis",
        "postgres",
        "mysql",
        "rabbitmq",
        "sqs",
    ]


def test_columns_are_aligned_where_there_is_no_terminal(site) -> None:
    ran = site.run("-m", "asynctasq", "drivers")
    starts = {line.find("pip install") for line in ran.stdout.splitlines() if "pip" in line}
    assert starts == {ran.stdout.splitlines()[0].find("NOTES")}


def test_json_holds_all_that_is_known(site) -> None:
    site.driver("fast", options="class Options(Struct):\n    fast_url: str = 'x'\n")
    told = report(site)
    assert [d for d in told["drivers"] if d["name"] == "fast"] == [
        {
            "name": "fast",
            "distribution": "acme-fast",
            "version": "1.0",
            "state": "ok",
            "problem": None,
            "api": list(API),
            "options": ["fast_url"],
            "protocols": ["TaskStore", "ResultStore", "JoinsTransaction", "SettlesInTransaction"],
        }
    ]
    assert told["not_installed"][1]["name"] == "redis"
    assert told["unreadable"] == []


@pytest.mark.parametrize(
    "source",
    [
        "raise SystemExit(0)",
        "raise RecursionError",
        "class AcmeDriver:\n    api = 'x'",
        "def AcmeDriver(): ...",
        HOSTILE,
        "\x00",
    ],
)
def test_no_driver_stops_the_list_whatever_it_does_when_imported(site, source) -> None:
    site.driver("bad", source=source)
    states = {driver["name"]: driver["state"] for driver in report(site)["drivers"]}
    assert states == {"bad": "problem", "memory": "ok"}


def test_damaged_metadata_is_told_and_stops_nothing(site) -> None:
    site.install("acme-damaged", points="[asynctasq.drivers]\nthis is no entry point\n")
    ran = site.run("-m", "asynctasq", "drivers")
    assert ran.returncode == 0
    assert "memory" in ran.stdout
    assert "acme_damaged-1.0.dist-info" in ran.stderr
    assert "acme_damaged" in report(site)["unreadable"][0]


def test_what_a_driver_prints_when_imported_is_not_in_the_output(site) -> None:
    site.driver("chatty", source="print('hello')\nfrom asynctasq.memory import *\n")
    ran = site.run("-m", "asynctasq", "drivers", "--json")
    json.loads(ran.stdout)
    assert ran.stderr == "hello\n"


def test_text_of_others_reaches_no_pipe_with_control_characters(site) -> None:
    site.driver("hostile", source=HOSTILE)
    ran = site.run("-m", "asynctasq", "drivers")
    line = rows(ran.stdout)["hostile"]
    assert r"[red]mark-up[/red] \x1b]0;title\x07 \u202e end" in line
    assert line.isprintable()


def test_text_of_others_is_text_on_a_terminal_too(site) -> None:
    site.driver("hostile", source=HOSTILE)
    code = (
        "import os, pty, sys\n"
        "os.environ.update(COLUMNS='400', TERM='xterm')\n"
        "sys.exit(pty.spawn([sys.executable, '-S', '-m', 'asynctasq', 'drivers']))"
    )
    ran = site.run("-c", code)
    assert ran.returncode == 0
    assert r"[red]mark-up[/red] \x1b]0;title\x07 \u202e end" in ran.stdout
    assert "\x1b]0;" not in ran.stdout
    assert re.search(r"\x1b\[1mdriver +package", ran.stdout)


def test_an_environment_that_is_wrong_does_not_stop_the_list(site) -> None:
    ran = site.run("-m", "asynctasq", "drivers", ASYNCTASQ_DRIVER="nowhere", ASYNCTASQ_X="y")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_reader_that_leaves_early_is_no_crash(site) -> None:
    code = (
        "import os, sys\n"
        "r, w = os.pipe(); os.close(r); os.dup2(w, 1)\n"
        "sys.argv = ['asynctasq', 'drivers']\n"
        "from asynctasq.cli import main; main()"
    )
    ran = site.run("-c", code)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
