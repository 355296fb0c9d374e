"""``asynctasq tasks``: what is listed is true, what is changed is what was meant."""

from __future__ import annotations

import json
import re

import pytest

from .conftest import Shop

UNKNOWN = "01a21a29-822d-7f99-b679-bcd2bfba6967"


@pytest.fixture
def filled(shop: Shop) -> Shop:
    """One task of each state that is easily had: two dead, one pending, one scheduled."""
    shop.dispatch("shop.welcome(3)", "shop.welcome(6)")
    shop.work("mail", 4)
    shop.dispatch("shop.welcome(1)", "shop.report('friday').delay(500).correlation_id('c-1')")
    return shop


def ids(shop: Shop, status: str) -> list[str]:
    return [task["id"] for task in shop.json("tasks", "list", "--status", status)]


def test_tasks_are_listed_state_by_state(filled: Shop) -> None:
    heads, *rows = (line.split() for line in filled.shown("tasks", "list").splitlines())
    assert heads == ["ID", "STATE", "ATTEMPT", "WHEN", "QUEUE", "TASK", "ERROR"]
    assert [[*row[1:3], *row[6:8]] for row in rows] == [
        ["pending", "1/2", "mail", "shop.welcome"],
        ["scheduled", "1/3", "reports", "shop.report"],
        ["dead", "2/2", "mail", "shop.welcome"],
        ["dead", "2/2", "mail", "shop.welcome"],
    ]
    assert rows[1][3:6] == ["in", "8", "min"]


def test_text_of_tasks_is_text_and_stays_on_its_line(filled: Shop) -> None:
    lines = filled.shown("tasks", "list", "--status", "dead").splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.isprintable()
    assert r"ValueError: [red]no user[/red] 3 :boom: \x1b]0;title\x07 forged line" in lines[1]


def test_only_some_are_listed_where_that_is_asked_for(filled: Shop) -> None:
    both = filled.json("tasks", "list", "--status", "dead", "--status", "pending")
    assert [task["state"] for task in both] == ["dead", "dead", "pending"]
    assert [t["queue"] for t in filled.json("tasks", "list", "--queue", "reports")] == ["reports"]


def test_a_limit_is_kept_and_told(filled: Shop) -> None:
    ran = filled.run("tasks", "list", "--limit", "3")
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) == 4
    assert ran.stderr == "there are more than these 3: see --limit\n"
    assert filled.run("tasks", "list", "--limit", "4").stderr == ""
    assert len(filled.json("tasks", "list", "--limit", "3")) == 3


def test_no_tasks_are_told_as_none(shop: Shop) -> None:
    ran = shop.run("tasks", "list")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "no such tasks\n")
    assert shop.json("tasks", "list") == []


def test_all_that_is_known_of_a_task_is_shown(filled: Shop) -> None:
    (dead, _) = ids(filled, "dead")
    shown = filled.shown("tasks", "show", dead)
    facts = dict(line.split("  ", 1) for line in shown.split("\n\n")[0].splitlines())
    facts = {name.strip(): text.strip() for name, text in facts.items()}
    assert facts["task"] == "shop.welcome"
    assert facts["id"] == dead
    assert facts["state"].startswith("dead, ")
    assert facts["arguments"] == '{"user_id":3,"name":"x"}'
    assert "Traceback (most recent call last):" in shown
    assert 'shop.py", line 8, in welcome' in shown
    assert "\x1b" not in shown
    again = filled.shown("tasks", "show", f"mail/{dead}")
    assert re.sub(r"\d+ s ago", "", again) == re.sub(r"\d+ s ago", "", shown)


def test_a_task_is_shown_in_json(filled: Shop) -> None:
    (scheduled,) = ids(filled, "scheduled")
    shown = filled.json("tasks", "show", scheduled)
    assert 400 < shown.pop("due_at") - shown.pop("enqueued_at") < 600
    assert shown == {
        "id": scheduled,
        "queue": "reports",
        "state": "scheduled",
        "task": "shop.report",
        "attempt": 1,
        "max_attempts": 3,
        "losses": 0,
        "correlation_id": "c-1",
        "finished_at": None,
        "failure": None,
        "visibility_timeout": 300.0,
        "timeout": None,
        "args": {"day": "friday"},
    }


def test_looking_imports_nothing_that_a_message_names(filled: Shop) -> None:
    (filled.folder / "shop.py").write_text("raise SystemExit('imported')\n")
    (dead, _) = ids(filled, "dead")
    assert filled.json("tasks", "show", dead)["task"] == "shop.welcome"


def test_dead_tasks_are_retried_with_all_their_attempts(filled: Shop) -> None:
    first, second = ids(filled, "dead")
    assert filled.json("tasks", "retry", first) == {
        "retried": [{"queue": "mail", "id": first}],
        "not_retried": [],
    }
    assert ids(filled, "dead") == [second]
    task = filled.json("tasks", "show", first)
    assert (task["state"], task["attempt"], task["failure"]) == ("pending", 1, None)


def test_all_dead_tasks_of_a_queue_are_retried(filled: Shop) -> None:
    assert filled.shown("tasks", "retry", "--all", "--queue", "reports") == "0 task(s) retried\n"
    assert filled.shown("tasks", "retry", "--all", "--queue", "mail") == "2 task(s) retried\n"
    assert ids(filled, "dead") == []


def test_what_is_not_dead_is_not_retried_and_told(filled: Shop) -> None:
    (pending,) = ids(filled, "pending")
    ran = filled.run("tasks", "retry", pending)
    assert (ran.returncode, ran.stdout) == (1, "0 task(s) retried\n")
    assert ran.stderr.startswith(f"asynctasq: task mail/{pending} is not dead")


def test_nothing_is_changed_where_one_of_the_tasks_is_not_there(filled: Shop) -> None:
    dead = ids(filled, "dead")
    for words in (("retry",), ("delete",)):
        ran = filled.run("tasks", *words, *dead, UNKNOWN)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr == (f"asynctasq: no task {UNKNOWN} in the 2 queue(s) of this backend\n")
    assert ids(filled, "dead") == dead


def test_named_tasks_are_deleted(filled: Shop) -> None:
    (pending,), (scheduled,) = ids(filled, "pending"), ids(filled, "scheduled")
    deleted = filled.shown("tasks", "delete", pending, f"reports/{scheduled}")
    assert deleted == "2 task(s) deleted\n"
    assert [task["state"] for task in filled.json("tasks", "list")] == ["dead", "dead"]


def test_deleting_all_asks_and_needs_a_state(filled: Shop) -> None:
    ran = filled.run("tasks", "delete", "--all", "--status", "dead", input="y\n")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "use --yes" in ran.stderr
    assert "say with --status" in filled.run("tasks", "delete", "--all", "--yes").stderr
    assert len(ids(filled, "dead")) == 2
    done = filled.shown("tasks", "delete", "--all", "--status", "dead", "--yes")
    assert done == "2 task(s) deleted\n"
    assert ids(filled, "dead") == []


def test_many_are_changed_in_several_batches(shop: Shop) -> None:
    shop.dispatch("*(shop.welcome(3).max_attempts(1) for _ in range(1100))")
    shop.work("mail", 1100)
    assert shop.shown("tasks", "retry", "--all") == "1,100 task(s) retried\n"
    assert shop.json("queues", "mail")[0]["pending"] == 1100


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "abc"), "'abc': expected the id of a task, or QUEUE/ID"),
        (("show", f"b!d/{UNKNOWN}"), "queue 'b!d': expected"),
        (("retry",), "name tasks, or give --all: one of both"),
        (("retry", UNKNOWN, "--all"), "name tasks, or give --all: one of both"),
        (("list", "--status", "gone"), "'gone' is not one of"),
        (("delete", "--all", "--status", "running", "--yes"), "'running' is not one of"),
        (("delete", UNKNOWN, "--status", "dead"), "--status goes with --all"),
        (("retry", f"mail/{UNKNOWN}", "--queue", "vip"), "a task of queue 'mail' is named"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_code_2(
    shop: Shop, words: tuple[str, ...], said: str
) -> None:
    ran = shop.run("tasks", *words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1


ODD_YEAR = (
    b"\x9a\x01\xa1x\x81\xa1x\xc7\x0c\xff\x3b\x9a\xc9\xff\x00\x00\x00\x3a\xff\xf4\x41\x7f"
    b"\x03\xa5fixed\x00\x00\xc0\xc0\xc2"
)
"""An envelope with an argument of the year 10,000, which Python's calendar has not."""


@pytest.mark.parametrize("body", [b"\xc1junk", ODD_YEAR, b""])
def test_a_task_that_no_version_here_can_read_is_listed_shown_and_deleted(
    shop: Shop, body: bytes
) -> None:
    code = (
        "import asyncio\nfrom asynctasq.config import Config, make_driver\n"
        "from asynctasq.driver import Message\n"
        "async def main():\n"
        "    driver = make_driver('sqlite', Config.get())\n    await driver.open()\n"
        f"    message = Message(queue='q', body={body!r}, visibility_timeout=5)\n"
        "    await driver.enqueue([message])\n    print(message.id)\n    await driver.close()\n"
        "asyncio.run(main())"
    )
    (shop.folder / "enqueue.py").write_text(code)
    shop.run("queues", "--app", "enqueue")
    (task,) = shop.json("tasks", "list")
    assert (task["queue"], task["task"], task["args"]) == ("q", None, None)
    assert "(unreadable)" in shop.shown("tasks", "list")
    assert "cannot be read by this version" in shop.shown("tasks", "show", task["id"])
    assert shop.shown("tasks", "delete", task["id"]) == "1 task(s) deleted\n"


def test_arguments_that_json_cannot_hold_are_shown_as_python_writes_them(shop: Shop) -> None:
    (id,) = shop.dispatch("shop.place({(1, 2): 'tree'})")
    assert shop.json("tasks", "show", id)["args"] == "{'things': {(1, 2): 'tree'}}"
    assert "(1, 2): 'tree'" in shop.shown("tasks", "show", id)


def test_json_holds_nothing_that_a_terminal_acts_on_and_all_of_the_text(shop: Shop) -> None:
    name = "\x9b2J\x7f\u202eüñ日本\U000e0041"
    shop.dispatch(f"shop.welcome(3, name={name!r})")
    shop.work("mail", 2)
    (id,) = ids(shop, "dead")
    for words in (("tasks", "list"), ("tasks", "show", id)):
        shown = shop.shown(*words, "--json")
        assert all(character.isprintable() or character == "\n" for character in shown)
        assert "üñ日本" in shown
        seen = json.loads(shown)
        assert (seen[0] if words[1] == "list" else seen)["args"]["name"] == name


def test_a_task_that_is_named_twice_is_changed_and_counted_once(filled: Shop) -> None:
    first, _ = ids(filled, "dead")
    assert filled.shown("tasks", "retry", first, f"mail/{first}", first) == "1 task(s) retried\n"
