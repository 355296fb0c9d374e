"""``asynctasq config``: what is in force, who set it, and no password."""

from __future__ import annotations

from .conftest import Shop


def test_each_option_has_its_value_and_its_origin(shop: Shop) -> None:
    (shop.folder / ".env").write_text("ASYNCTASQ_STOP_GRACE=7\n")
    rows = {row["option"]: row for row in shop.json("config", "--max-losses", "5")}
    assert rows["driver"] == {
        "option": "driver",
        "value": "sqlite",
        "origin": "ASYNCTASQ_DRIVER",
    }
    assert rows["stop_grace"]["value"] == 7.0
    assert rows["stop_grace"]["origin"] == "ASYNCTASQ_STOP_GRACE in .env"
    assert (rows["max_losses"]["value"], rows["max_losses"]["origin"]) == (5, "flag --max-losses")
    assert rows["dead_ttl"]["value"] is None
    assert rows["sqlite_busy_timeout"]["origin"] == "default"


def test_some_options_are_shown_in_columns(shop: Shop) -> None:
    lines = [line.split() for line in shop.shown("config", "driver", "dead_ttl").splitlines()]
    assert lines == [
        ["OPTION", "VALUE", "FROM"],
        ["driver", "sqlite", "ASYNCTASQ_DRIVER"],
        ["dead_ttl", "None", "default"],
    ]


def test_passwords_are_hidden(shop: Shop) -> None:
    shop.environment["ASYNCTASQ_EVENTS_REDIS_URL"] = "redis://user:tiger@host:1/0"
    assert shop.json("config", "events_redis_url")[0]["value"] == "redis://***@host:1/0"
    assert "tiger" not in shop.shown("config")


def test_an_unknown_option_is_named_with_the_nearest(shop: Shop) -> None:
    ran = shop.run("config", "drivr")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "asynctasq: no option 'drivr': did you mean 'driver'?\n"


def test_a_variable_that_no_option_reads_is_one_line(shop: Shop) -> None:
    shop.environment["ASYNCTASQ_DRIVR"] = "x"
    ran = shop.run("config", "driver", warnings="default")
    assert (ran.returncode, ran.stdout.split()[3:5]) == (0, ["driver", "sqlite"])
    assert ran.stderr == (
        "asynctasq: warning: no option reads these variables: "
        "ASYNCTASQ_DRIVR (did you mean 'driver'?)\n"
    )


def test_a_value_that_is_no_text_is_shown_all_the_same(shop: Shop) -> None:
    shop.environment["ASYNCTASQ_SQLITE_PATH"] = "a\udcff.db"
    assert shop.json("config", "sqlite_path")[0]["value"] == r"a\udcff.db"
    assert r"a\udcff.db" in shop.shown("config", "sqlite_path")
