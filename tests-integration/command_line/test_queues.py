"""``asynctasq queues`` and ``purge``: true counts, and nothing dropped without a yes."""

from __future__ import annotations

import pytest

from .conftest import Shop


@pytest.fixture
def filled(shop: Shop) -> Shop:
    shop.dispatch(
        *["shop.welcome(1)"] * 2,
        "shop.welcome(3)",
        "shop.report('monday')",
        "shop.report('friday').delay(500)",
    )
    return shop


def test_queues_are_counted_in_columns(filled: Shop) -> None:
    filled.work("mail", 4)
    heads, mail, reports = (line.split() for line in filled.shown("queues").splitlines())
    assert heads == ["QUEUE", "PENDING", "SCHEDULED", "RUNNING", "DEAD", "OLDEST"]
    assert mail == ["mail", "0", "0", "0", "1"]
    assert reports[:5] == ["reports", "1", "1", "0", "0"]
    assert reports[6] == "s"


def test_queues_are_counted_in_json(filled: Shop) -> None:
    (mail, other) = filled.json("queues", "mail", "nobody-uses-it")
    oldest = mail.pop("oldest_pending")
    assert mail == {"queue": "mail", "pending": 3, "scheduled": 0, "running": 0, "dead": 0}
    assert 0 <= oldest < 50
    assert other == {
        **dict.fromkeys(("pending", "scheduled", "running", "dead"), 0),
        "queue": "nobody-uses-it",
        "oldest_pending": None,
    }


def test_a_backend_without_queues_says_so(shop: Shop) -> None:
    ran = shop.run("queues")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "no queues on sqlite\n")
    assert shop.json("queues") == []


@pytest.mark.parametrize("words", [("queues", "b!d"), ("purge", "b!d"), ("tasks", "list")])
def test_a_name_that_no_queue_can_have_is_refused(shop: Shop, words: tuple[str, ...]) -> None:
    ran = shop.run(*words, *(["--queue", "b!d"] if words[0] == "tasks" else []))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "queue 'b!d': expected" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (shop.folder / "shop.db").exists()


def test_purging_asks_and_where_nobody_can_answer_does_nothing(filled: Shop) -> None:
    ran = filled.run("purge", "mail", input="y\n")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "use --yes" in ran.stderr
    assert filled.json("queues", "mail")[0]["pending"] == 3


def test_purging_drops_what_waits_and_says_how_many(filled: Shop) -> None:
    assert filled.shown("purge", "mail", "--yes") == "3 task(s) dropped\n"
    assert filled.json("purge", "reports", "-y") == {"queue": "reports", "count": 2}
    counts = [(queue["pending"], queue["scheduled"]) for queue in filled.json("queues")]
    assert set(counts) <= {(0, 0)}


def test_dead_tasks_survive_a_purge(filled: Shop) -> None:
    filled.work("mail", 4)
    filled.shown("purge", "mail", "--yes")
    assert filled.json("queues", "mail")[0]["dead"] == 1


@pytest.mark.parametrize("words", [("queues",), ("tasks", "list"), ("purge", "mail", "-y")])
def test_messages_of_another_process_cannot_be_looked_at(
    shop: Shop, words: tuple[str, ...]
) -> None:
    ran = shop.run(*words, "--driver", "memory")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("asynctasq: the memory driver keeps its messages in the process")


def test_a_backend_configured_in_code_is_found_by_app(filled: Shop) -> None:
    path = filled.environment.pop("ASYNCTASQ_SQLITE_PATH")
    (filled.folder / "configured.py").write_text(
        f"import asynctasq\nprint('imported')\n"
        f"asynctasq.init({{'driver': 'sqlite', 'sqlite_path': {path!r}}})\n"
    )
    ran = filled.run("queues", "--app", "configured", "--json")
    assert ran.stderr == "imported\n"
    assert '"reports"' in ran.stdout
    other = filled.run("queues", "--app", "configured", "--sqlite-path", "other.db")
    assert other.stderr == "imported\nno queues on sqlite\n"
