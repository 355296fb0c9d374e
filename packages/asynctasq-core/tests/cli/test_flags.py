"""Each option of the configuration is a flag of the commands that work on a backend."""

from __future__ import annotations

import pytest

APP = """
import asynctasq
from asynctasq.config import Config

asynctasq.init({"driver": "memory", "stop_grace": 5})

@asynctasq.task
async def nothing() -> None: ...

config = Config.get()
print(config.default_queue, config.stop_grace, config.store_results, flush=True)
raise SystemExit(f"asked: {config.default_max_attempts}")
"""


@pytest.fixture
def shown(site, clean):
    """What the app of a worker finds configured, with these flags."""

    def run(*flags: str) -> tuple[str, str]:
        (clean / "shop.py").write_text(APP, encoding="utf-8")
        ran = site.run("-m", "asynctasq", "worker", "--app", "shop", *flags)
        return ran.stdout.strip(), ran.stderr

    return run


def test_an_option_given_as_a_flag_wins_over_init(shown) -> None:
    stdout, stderr = shown(
        "--default-queue", "mail", "--stop-grace=9", "--store-results", "no", "--driver", "memory"
    )
    assert stdout == "mail 9.0 False", stderr


def test_what_is_not_given_stays_as_it_is(shown) -> None:
    stdout, _ = shown()
    assert stdout == "default 5.0 True"


def test_a_value_that_does_not_fit_is_an_error_that_names_the_flag(shown) -> None:
    stdout, stderr = shown("--stop-grace", "soon")
    assert stdout == ""
    assert "'soon'" in stderr
    assert "--stop-grace" in stderr


def test_a_secret_on_the_command_line_is_warned_of_and_not_repeated(shown) -> None:
    _, stderr = shown("--events-redis-url", "redis://:tiger@localhost")
    assert "ASYNCTASQ_EVENTS_REDIS_URL" in stderr
    assert "tiger" not in stderr


def test_help_tells_the_commands_own_flags_first_and_options_of_installed_drivers(site) -> None:
    site.driver("tiny", options="class Options(Struct, frozen=True):\n    tiny_depth: int = 3\n")
    ran = site.run("-m", "asynctasq", "worker", "--help")
    own, _, configured = ran.stdout.partition("Configuration:")
    assert "--app" in own
    assert "--help" in own
    assert "--tiny-depth INT" in configured
    assert "--default-queue" in configured


def test_a_driver_without_a_schema_has_nothing_to_migrate(site) -> None:
    ran = site.run("-m", "asynctasq", "migrate", "--driver", "memory")
    assert (ran.returncode, ran.stdout) == (0, "the memory driver has no schema: nothing to do\n")


def test_arguments_are_not_listed_as_flags(site) -> None:
    ran = site.run("-m", "asynctasq", "queues", "--help")
    assert "[QUEUE]..." not in ran.stdout.partition("Options:")[2]


def test_options_of_each_driver_have_a_section_of_their_own(site) -> None:
    site.driver("tiny", options="class Options(Struct, frozen=True):\n    tiny_depth: int = 3\n")
    ran = site.run("-m", "asynctasq", "config", "--help")
    assert "--tiny-depth" in ran.stdout.partition("Configuration of tiny:")[2]


SECRETS = """
import asynctasq
from asynctasq.config import Config
from asynctasq.driver import Secret

@asynctasq.task
async def nothing() -> None: ...

print(Config.get().events_redis_url.reveal(), Config.get().tiny_key.reveal(), flush=True)
raise SystemExit(0)
"""


def test_secrets_are_read_from_standard_input_in_the_order_of_their_flags(site, clean) -> None:
    site.driver("tiny", options="class Options(Struct):\n    tiny_key: Secret | None = None\n")
    (clean / "shop.py").write_text(SECRETS, encoding="utf-8")
    words = ("worker", "--app", "shop", "--tiny-key", "-", "--events-redis-url", "-")
    ran = site.run("-m", "asynctasq", *words, input="redis://:tiger@h\nlion\n")
    assert ran.stdout == "redis://:tiger@h lion\n", ran.stderr
    assert "tiger" not in ran.stderr
    assert "process list" not in ran.stderr


def test_a_secret_that_does_not_come_is_an_error(site) -> None:
    ran = site.run("-m", "asynctasq", "config", "--events-redis-url", "-", input="")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--events-redis-url -: expected its value as a line on standard input" in ran.stderr


def test_help_of_other_commands_lists_the_driver_and_its_options_and_takes_all(site) -> None:
    site.driver("tiny", options="class Options(Struct, frozen=True):\n    tiny_depth: int = 3\n")
    shown = site.run("-m", "asynctasq", "config", "--help").stdout
    assert "--driver" in shown
    assert "--tiny-depth" in shown
    assert "--stop-grace" not in shown
    assert "asynctasq worker --help" in shown
    ran = site.run("-m", "asynctasq", "config", "stop_grace", "--stop-grace", "9")
    assert ran.stdout.split()[3:5] == ["stop_grace", "9.0"]
