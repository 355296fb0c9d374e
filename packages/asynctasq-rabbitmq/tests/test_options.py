"""Every option by `init()`, by the environment and by its flag; what does not fit is refused."""

from __future__ import annotations

import pytest

import asynctasq
from asynctasq.config import Config
from asynctasq.driver import Secret
from asynctasq.errors import ConfigError
from asynctasq_drivers.rabbitmq import RabbitmqOptions
from tools.driver_tests import options as shared

unconfigured = shared.unconfigured


class TestOptions(shared.OptionsSuite):
    struct = RabbitmqOptions
    driver = "rabbitmq"
    every = {
        "rabbitmq_url": ("amqp://app:tiger@mq/app", Secret("amqp://app:tiger@mq/app")),
        "rabbitmq_exchange_name": ("shop.jobs", "shop.jobs"),
        "rabbitmq_prefetch_count": ("4", 4),
        "rabbitmq_management_url": (
            "http://app:tiger@mq:15672",
            Secret("http://app:tiger@mq:15672"),
        ),
    }
    shown = {
        "rabbitmq_url": "amqp://***@mq/app",
        "rabbitmq_management_url": "http://***@mq:15672",
    }
    clients = frozenset({"aiormq", "aio_pika", "pamqp", "yarl"})


def options() -> RabbitmqOptions:
    """What the driver would be given."""
    found = Config.get().driver_options("rabbitmq")
    assert isinstance(found, RabbitmqOptions)
    return found


def test_defaults_are_those_of_the_documentation() -> None:
    assert options() == RabbitmqOptions(
        rabbitmq_url=Secret("amqp://guest:guest@localhost:5672/"),
        rabbitmq_exchange_name="asynctasq",
        rabbitmq_prefetch_count=1,
        rabbitmq_management_url=None,
    )


@pytest.mark.parametrize(
    "name", ["", "amq.jobs", "a b", "a/b", "a*", "x\n", "x\0", "Größe", "x" * 65], ids=ascii
)
def test_what_can_be_no_name_everywhere_is_refused(name: str) -> None:
    told = r"^option 'rabbitmq_exchange_name': found .* from init\(\); expected"
    with pytest.raises(ConfigError, match=told):
        asynctasq.init({"rabbitmq_exchange_name": name})


@pytest.mark.parametrize("name", ["a", "shop.jobs", "amqp", "shop:jobs_1-b", "x" * 64])
def test_a_plain_name_is_one_of_an_exchange(name: str) -> None:
    asynctasq.init({"rabbitmq_exchange_name": name})
    assert options().rabbitmq_exchange_name == name


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rabbitmq_url", 5672, "text"),
        ("rabbitmq_url", None, "text"),
        ("rabbitmq_prefetch_count", 0, "a whole number, at least 1, at most 1000"),
        ("rabbitmq_prefetch_count", 1001, "a whole number, at least 1, at most 1000"),
        ("rabbitmq_prefetch_count", "many", "a whole number, at least 1, at most 1000"),
        ("rabbitmq_management_url", 15672, "text or None"),
    ],
)
def test_what_does_not_fit_is_refused_and_what_would_fit_is_told(
    name: str, value: object, expected: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^option '{name}': found .*; expected {expected}$"):
        asynctasq.init({name: value})


def test_no_password_of_several_urls_is_shown() -> None:
    asynctasq.init({"rabbitmq_url": "amqp://app:tiger@a/,amqps://app:lion@b,c/?name=wolf"})
    for secret in ("tiger", "lion", "wolf", "app"):
        assert secret not in f"{Config.get()!r} {options()!r}"
