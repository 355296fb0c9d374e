"""The driver is let in where, and as whom, its URL says."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from asynctasq.driver import Context, Secret
from asynctasq.errors import ConfigError
from asynctasq_drivers.rabbitmq import RabbitmqDriver, RabbitmqOptions
from tools.backends import Room

from .servers import own

pytestmark = pytest.mark.asyncio

USER, PASSWORD, VHOST = "ann@shop", "t/i:g#e?r%2F [+]é", "jobs/50% ü#1"


def driver_of(url: str) -> RabbitmqDriver:
    return RabbitmqDriver(RabbitmqOptions(rabbitmq_url=Secret(url)), Context())


async def is_let_in(room: Room, url: str, user: str, vhost: str) -> None:
    """As the broker sees it, once it has forgotten those that have left."""

    def alone() -> bool:
        return {(row["user"], row["vhost"]) for row in own.connections(room)} == {(user, vhost)}

    driver = driver_of(url)
    await driver.open()
    try:
        await asyncio.to_thread(own.wait_for, alone, f"{user} alone is in {vhost}")
    finally:
        await driver.close()


@pytest.fixture(scope="module")
def shop(rabbitmq_server: Room) -> str:
    """User, password, host, port and virtual host, as a URL has them."""
    own.control(rabbitmq_server, "add_user", USER, PASSWORD)
    own.control(rabbitmq_server, "add_vhost", VHOST)
    own.control(rabbitmq_server, "set_permissions", "--vhost", VHOST, USER, ".*", ".*", ".*")
    login = ":".join(quote(word, safe="") for word in (USER, PASSWORD))
    return f"{login}@{own.HOST}:{rabbitmq_server.port}/{quote(VHOST, safe='')}"


async def test_user_password_and_vhost_may_have_any_letters(
    rabbitmq_server: Room, shop: str
) -> None:
    await is_let_in(rabbitmq_server, f"amqp://{shop}", USER, VHOST)


@pytest.mark.parametrize("as_urls", [False, True], ids=["hosts", "urls"])
async def test_hosts_that_are_not_there_are_passed_over(
    rabbitmq_server: Room, shop: str, as_urls: bool
) -> None:
    gone = f"{own.HOST}:1"
    url = f"amqp://{gone}/nowhere,amqp://{shop}" if as_urls else f"amqp://{shop}"
    url = url if as_urls else url.replace(own.HOST, f"{gone},{own.HOST}")
    await is_let_in(rabbitmq_server, url, USER, VHOST)


async def test_without_user_and_vhost_they_are_those_of_a_new_broker(rabbitmq_server: Room) -> None:
    url = f"amqp://{own.HOST}:{rabbitmq_server.port}"
    await is_let_in(rabbitmq_server, url, "guest", "/")


async def test_a_url_that_leads_nowhere_makes_no_driver() -> None:
    with pytest.raises(ConfigError, match="did you mean heartbeat"):
        driver_of("amqp://host/?hartbeat=1")
