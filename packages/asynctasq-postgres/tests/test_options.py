"""Every option by `init()`, by the environment and by its flag; what does not fit is refused."""

from __future__ import annotations

from typing import Any

import pytest

import asynctasq
from asynctasq.config import Config
from asynctasq.driver import Secret
from asynctasq.errors import ConfigError
from asynctasq_drivers.postgres import PostgresOptions
from tools.driver_tests import options as shared

unconfigured = shared.unconfigured


class TestOptions(shared.OptionsSuite):
    struct = PostgresOptions
    driver = "postgres"
    every = {
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
    shown = {"postgres_dsn": "postgresql://***@db/app"}
    clients = frozenset({"asyncpg", "psycopg", "sqlalchemy"})


def options() -> PostgresOptions:
    """What the driver would be given."""
    found = Config.get().driver_options("postgres")
    assert isinstance(found, PostgresOptions)
    return found


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
