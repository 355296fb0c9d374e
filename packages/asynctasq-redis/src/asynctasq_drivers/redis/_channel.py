"""The channel that events are told on: what its errors mean, and how one listens to it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from asynctasq.errors import BackendRefused, DriverError, DriverUnavailable
from asynctasq_drivers.redis._client import NotSent, ReplyLost, disconnect, exchange
from asynctasq_drivers.redis._errors import translated
from asynctasq_drivers.redis._servers import Servers


@contextmanager
def errors_about(channel: str, lost: type[DriverError]) -> Generator[None]:
    """Raise what goes wrong in this block as the contract has it; an answer that is lost, as told.

    A user of the server may have every right to keys and none to a channel: a refusal tells which.
    """
    try:
        yield
    except ReplyLost as error:
        text = f"the connection to Redis was lost (channel {channel}): {error}"
        raise lost(text) from (error.__cause__ or error)
    except NotSent as error:
        raise translated(error) from (error.__cause__ or error)
    except Exception as error:  # what a server says to a command, or to a new connection
        raise _with_rights(translated(error), channel) from error


def _with_rights(error: DriverError, channel: str) -> DriverError:
    if isinstance(error, BackendRefused) and "NOPERM" in str(error):
        wanted = "asynctasq:*" if channel.startswith("asynctasq:") else channel
        return BackendRefused(f"{error}; to tell and to listen: &{wanted} +@pubsub (ACL SETUSER)")
    return error


async def subscribed(servers: Servers, channel: str) -> Any:
    """A connection on which all is heard that is told on the channel from now on."""
    with errors_about(channel, DriverUnavailable):
        connection = await servers.listener()
        try:
            (answer,) = await exchange(connection, [("SUBSCRIBE", channel)])
            if isinstance(answer, Exception):
                raise answer
        except BaseException:
            await disconnect(connection)
            raise
        return connection
