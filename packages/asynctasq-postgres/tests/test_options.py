"""Every option by `init()`, by the environment and by its flag; what does not fit is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import asynctasq
import asynctasq.config._state as state
from asynctasq.config import Config
from asynctasq.driver import Secret
from asynctasq.errors import ConfigError
from asynctasq_drivers.postgres import PostgresOptions

EVERY: dict[str, tuple[str, Any]] = {
    "postgres_dsn": ("postgresql://app:tiger@db/app", Secret("postgresql://app:tiger@db/app")),
    "postgres_queue_table": ("jobs.line", "jobs.line"),
    "postgres_dead_letter_table": ('the "dead"', 'the "dead"'),
    "postgres_max_attempts": ("5", 5),
    "postgres_retry_delay_seconds": ("0.5", 0.5),
    "postgres_visibility_timeout_seconds": ("20", 20.0),
    "postgres_min_pool_size": ("2", 2),
    "postgres_max_pool_size": ("30", 30),
    "postgres_auto_migrate": ("no", False),
    "postgres_pgbouncer": ("yes", True),
}
"""As text, and what becomes of it."""


@pytest.fixture(autouse=True)
def _unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [*os.environ]:
        if name.startswith(("ASYNCTASQ_", "ASYNC_TASK_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "_state", state._State())


def options() -> PostgresOptions:
    """What the driver would be given."""
    found = Config.get().driver_options("postgres")
    assert isinstance(found, PostgresOptions)
    return found


def shown(*words: str) -> dict[str, tuple[object, str]]:
    """By option, what `asynctasq config` says: its value, and who has set it."""
    command = [sys.executable, "-m", "asynctasq", "config", *words, *EVERY, "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    return {row["option"]: (row["value"], row["origin"]) for row in json.loads(ran.stdout)}


def test_none_is_forgotten_here() -> None:
    assert tuple(EVERY) == PostgresOptions.__struct_fields__


def test_defaults_are_those_of_the_documentation() -> None:
    assert options() == PostgresOptions(
        postgres_dsn=Secret("postgresql://test:test@localhost:5432/test_db"),
        postgres_queue_table="task_queue",
        postgres_dead_letter_table="dead_letter_queue",
        postgres_max_attempts=None,
        postgres_retry_delay_seconds=None,
        postgres_visibility_timeout_seconds=None,
        postgres_min_pool_size=10,
        postgres_max_pool_size=10,
        postgres_auto_migrate=True,
        postgres_pgbouncer=False,
    )


@pytest.mark.parametrize("name", EVERY)
def test_each_is_set_by_init(name: str) -> None:
    text, value = EVERY[name]
    asynctasq.init({name: text if isinstance(value, Secret) else value})
    assert getattr(options(), name) == getattr(Config.get(), name) == value
    assert Config.get().origin(name) == "init()"


@pytest.mark.parametrize("prefix", ["ASYNCTASQ_", "ASYNC_TASK_"])
@pytest.mark.parametrize("name", EVERY)
def test_each_is_set_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, prefix: str
) -> None:
    text, value = EVERY[name]
    monkeypatch.setenv(prefix + name.upper(), text)
    assert getattr(options(), name) == value
    assert type(getattr(options(), name)) is type(value)


def test_each_is_set_by_its_flag() -> None:
    words = [w for n in EVERY for w in (f"--{n.replace('_', '-')}", EVERY[n][0])]
    flags = {name: f"flag --{name.replace('_', '-')}" for name in EVERY}
    values = {name: value for name, (_, value) in EVERY.items()}
    values["postgres_dsn"] = "postgresql://***@db/app"
    assert shown(*words) == {name: (values[name], flags[name]) for name in EVERY}


@pytest.mark.parametrize("table", ["postgres_queue_table", "postgres_dead_letter_table"])
@pytest.mark.parametrize(
    "name", ["", "a.b.c", ".a", "a.", ".", "x\0y", "x\n", "x\ny", "x" * 101], ids=repr
)
def test_what_can_be_no_table_is_refused(table: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"option '{table}': found .* from init\(\); expected"):
        asynctasq.init({table: name})


@pytest.mark.parametrize(
    "name", ["line", "jobs.line", 'a "b"', "a; DROP TABLE b", "Größe", "a b.c"]
)
def test_whatever_can_be_quoted_is_a_table(name: str) -> None:
    asynctasq.init({"postgres_queue_table": name})
    assert options().postgres_queue_table == name


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("postgres_dsn", 5432, "text"),
        ("postgres_min_pool_size", 0, "a whole number, at least 1"),
        ("postgres_max_pool_size", 0, "a whole number, at least 1"),
        ("postgres_max_pool_size", "many", "a whole number, at least 1"),
        ("postgres_max_attempts", 0, "a whole number, at least 1 or None"),
        ("postgres_retry_delay_seconds", -1, "a number, at least 0 or None"),
        ("postgres_retry_delay_seconds", float("nan"), "a number, at least 0 or None"),
        ("postgres_visibility_timeout_seconds", 0.5, "a number, at least 1 or None"),
        ("postgres_auto_migrate", "maybe", "true or false"),
        ("postgres_pgbouncer", 2, "true or false"),
    ],
)
def test_what_does_not_fit_is_refused_and_what_would_fit_is_told(
    name: str, value: object, expected: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^option '{name}': found .*; expected {expected}$"):
        asynctasq.init({name: value})


def test_the_password_is_not_shown() -> None:
    asynctasq.init({"postgres_dsn": "postgresql://app:tiger@db/app"})
    config = Config.get()
    assert "tiger" not in f"{config!r} {config.rows()} {options()!r} {config.postgres_dsn}"


@pytest.mark.parametrize(
    ("option", "default", "own"),
    [
        ("max_attempts", "postgres_max_attempts", 7),
        ("retry_delay", "postgres_retry_delay_seconds", 0.0),
        ("visibility_timeout", "postgres_visibility_timeout_seconds", 20.0),
    ],
)
def test_its_own_default_for_tasks_comes_before_that_of_all_drivers(
    option: Any, default: str, own: float
) -> None:
    every = {f"default_{option}": 4}
    asynctasq.init(every)
    assert Config.get().task_default(option, "postgres") == 4
    asynctasq.init({**every, default: own})
    assert Config.get().task_default(option, "postgres") == own
    assert Config.get().task_default(option, "memory") == 4


def test_asking_for_options_imports_no_client_library() -> None:
    code = (
        "import asynctasq, sys; from asynctasq_drivers.postgres import PostgresOptions\n"
        "asynctasq.init({'postgres_max_pool_size': 3})\n"
        "sys.exit(', '.join({'asyncpg', 'psycopg', 'sqlalchemy'} & sys.modules.keys()) or None)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
