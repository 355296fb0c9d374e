"""What RabbitMQ says, or does not say, in the words of the contract.

*Certainly not stored, and worth another try*: no connection, a broker that is starting, or that
takes nothing as it is short of memory or disk. *Unknown*: a confirm that never came. *Refused*:
what stays so until a person does something.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from aiormq import exceptions as client

from asynctasq.errors import BackendRefused, DriverError, DriverUnavailable, OutcomeUnknown

_NOT_LET_IN: Final = (client.AuthenticationError, client.ProbableAuthenticationError)
_HINTS: Final = {
    client.ChannelAccessRefused: "the user lacks a right: the README tells which it needs",
    client.ConnectionNotAllowed: "see the vhost in rabbitmq_url",
    client.ChannelPreconditionFailed: "what is there was left as it is: take another queue name or "
    "vhost, or move its messages away and delete it",
}
_OF_URL: Final[dict[type[BaseException], str]] = {
    ssl.SSLCertVerificationError: "see rabbitmq_url, and cafile in it",
    FileNotFoundError: "see cafile, certfile and keyfile in rabbitmq_url",
    ValueError: "see rabbitmq_url",
}
_PASSING: Final = ("is down", "not available", "timeout", "minority", "connection limit")
"""Of a vhost or a queue whose node is starting, or whose leader is being chosen; of one that is
full."""


def of_connecting(error: BaseException, where: str) -> DriverError:
    """For a connection that was not to be had: nothing was sent."""
    if isinstance(error, DriverError):
        return error
    told = f"RabbitMQ at {where} cannot be reached: {_said(error)}"
    if isinstance(error, _NOT_LET_IN):
        return BackendRefused(f"{told}; wrong user or password: see rabbitmq_url")
    for one in (error, error.__cause__):
        if hint := next((text for kind, text in _OF_URL.items() if isinstance(one, kind)), None):
            return BackendRefused(f"{told}; {hint}")
        if isinstance(one, ssl.SSLError) and one.reason == "WRONG_VERSION_NUMBER":
            return BackendRefused(f"{told}; no TLS is spoken there: see rabbitmq_url")
    if isinstance(error, client.ConnectionNotAllowed):
        return _answered(error)
    return DriverUnavailable(told)


def of_asking(error: BaseException) -> DriverError:
    """For a question that stores nothing, or the same if it is asked twice."""
    if isinstance(error, DriverError):
        return error
    if isinstance(error, client.AMQPError) and not _is_end(error):
        return _answered(error)
    return DriverUnavailable(f"RabbitMQ did not answer: {_said(error)}")


def of_consuming(error: BaseException) -> DriverError:
    """For a consumer that did not begin: its channel may have ended for the sake of another call.

    Of an acknowledgement that came too late, say, or as the queue was just deleted.
    """
    if isinstance(error, client.ChannelPreconditionFailed | client.ChannelNotFoundEntity):
        return DriverUnavailable(f"RabbitMQ closed the channel: {_said(error)}")
    return of_asking(error)


def of_sending(error: BaseException, ids: Iterable[UUID]) -> DriverError:
    """For what went out, and whose confirm never came."""
    if isinstance(error, DriverError):
        return error
    if isinstance(error, client.ChannelInvalidStateError):
        return DriverUnavailable(f"the connection to RabbitMQ had ended: {_said(error)}")
    return OutcomeUnknown(ids, f"RabbitMQ did not confirm: {_said(error)}")


def of_lost_channel(error: BaseException, ids: Iterable[UUID]) -> DriverError:
    """For what was under way beside others, one of which has ended their channel."""
    return OutcomeUnknown(ids, f"RabbitMQ closed the channel: {_said(error)}")


def _answered(error: BaseException) -> DriverError:
    said = _said(error)
    if any(word in said for word in _PASSING):
        return DriverUnavailable(f"RabbitMQ cannot do it now: {said}")
    hint = next((text for kind, text in _HINTS.items() if isinstance(error, kind)), None)
    return BackendRefused(f"RabbitMQ refused: {said}" + (f"; {hint}" if hint else ""))


def _is_end(error: client.AMQPError) -> bool:
    """Whether it only tells that a connection, or a channel with it, is gone."""
    refusals = (client.ConnectionNotAllowed, *_NOT_LET_IN)
    ended = isinstance(error, client.AMQPConnectionError) and not isinstance(error, refusals)
    return ended or type(error) is client.ChannelClosed


def _said(error: BaseException) -> str:
    """Its own words, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
