"""A user of few rights can do all that there is to do, and is told which right is missing."""

from __future__ import annotations

import re

import pytest

from asynctasq.errors import BackendRefused
from tools.backends import Room

from .drivers import made, message, opened, works
from .page import RIGHTS
from .servers.single import with_user

pytestmark = pytest.mark.asyncio


CONFIGURE, WRITE, READ = re.findall(r"'(\^[^']+)'", RIGHTS)
NOTHING = "^$"


async def test_the_rights_of_the_page_are_enough(rabbitmq_server: Room) -> None:
    with with_user(rabbitmq_server, CONFIGURE, WRITE, READ) as single:
        async with opened(single.url) as driver:
            await works(driver)
            await works(driver, "billing")


@pytest.mark.parametrize(
    ("configure", "write", "read"),
    [
        (NOTHING, WRITE, READ),
        (CONFIGURE, NOTHING, READ),
        (CONFIGURE, WRITE.replace("|amq[.]default", ""), READ),
        (CONFIGURE, WRITE, NOTHING),
        (CONFIGURE.replace("|billing", ""), WRITE, READ),
    ],
)
async def test_a_missing_right_is_refused_with_where_the_rights_are_told(
    rabbitmq_server: Room, configure: str, write: str, read: str
) -> None:
    with with_user(rabbitmq_server, configure, write, read) as single:
        async with opened(single.url) as driver:
            with pytest.raises(BackendRefused) as raised:
                await driver.enqueue([message(queue="billing", delay=5.0)])
        assert "refused for user 'app-" in str(raised.value)
        assert str(raised.value).endswith("lacks a right: the README tells which it needs")


async def test_a_user_without_rights_in_a_vhost_is_refused(
    rabbitmq_server: Room, vhost: str
) -> None:
    with with_user(rabbitmq_server, CONFIGURE, WRITE, READ) as single:
        elsewhere = f"{single.url.rpartition('/')[0]}/{vhost.rpartition('/')[2]}"
        driver = made(elsewhere)
        with pytest.raises(BackendRefused, match=r"refused for user .*see the vhost in"):
            await driver.open()
        await driver.close()
