"""Over TLS all is as without; a certificate that is not as it should be is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import trustme

from asynctasq.errors import BackendRefused, DriverError, DriverUnavailable

from .drivers import made, opened, works
from .servers.own import HOST, tls_port
from .servers.single import Single, tls

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def single() -> Iterator[Single]:
    """A broker that wants a certificate of who comes over TLS."""
    with tls(clients=True) as made:
        yield made


async def refusal(url: str) -> DriverError:
    driver = made(url)
    try:
        with pytest.raises(DriverError) as raised:
            await driver.open()
    finally:
        await driver.close()
    assert "\n" not in str(raised.value)
    return raised.value


async def test_with_certificates_of_both_all_goes_its_way(single: Single) -> None:
    assert {"cafile", "certfile", "keyfile"} <= {p.split("=")[0] for p in query(single.url)}
    async with opened(single.url) as driver:
        await works(driver)


def query(url: str) -> list[str]:
    return urlsplit(url).query.split("&")


async def test_who_has_no_certificate_is_not_let_in_by_who_wants_one(single: Single) -> None:
    error = await refusal(single.other_url)
    assert f"amqps://{HOST}:{tls_port(single.room)}" in str(error)


async def test_a_certificate_of_another_authority_is_refused(
    single: Single, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("ca") / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    error = await refusal(f"{single.url.partition('?')[0]}?cafile={other}")
    assert isinstance(error, BackendRefused)
    assert "certificate verify failed" in str(error).lower()
    assert str(error).endswith("see rabbitmq_url, and cafile in it")


async def test_a_certificate_for_another_name_is_refused(single: Single) -> None:
    error = await refusal(single.url.replace(f"@{HOST}", "@localhost"))
    assert isinstance(error, BackendRefused)
    assert "certificate verify failed" in str(error).lower()


async def test_a_file_that_is_not_there_is_refused_with_where_to_look(
    single: Single,
) -> None:
    error = await refusal(f"{single.url.partition('?')[0]}?cafile=/nowhere/ca.pem")
    assert isinstance(error, BackendRefused)
    assert str(error).endswith("see cafile, certfile and keyfile in rabbitmq_url")


async def test_tls_to_a_port_without_is_refused(single: Single) -> None:
    error = await refusal(single.url.replace(f":{tls_port(single.room)}/", f":{single.room.port}/"))
    assert isinstance(error, BackendRefused)
    assert str(error).endswith("no TLS is spoken there: see rabbitmq_url")


async def test_without_tls_a_port_of_tls_ends_it_at_once(single: Single) -> None:
    error = await refusal(f"amqp://guest:guest@{HOST}:{tls_port(single.room)}/")
    assert isinstance(error, DriverUnavailable)
    # What is no TLS is answered with an alert, which may be lost with the connection.
    assert re.search(r"connection reset|: Server connection unexpectedly closed\.", str(error))
