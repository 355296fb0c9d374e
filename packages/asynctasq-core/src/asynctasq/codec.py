"""The envelope: how a task becomes the bytes that a driver stores, and how it is read again.

MessagePack (https://msgpack.org), as an array whose first element is the version. A later version
appends fields with defaults; golden bytes of every version stay in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from asynctasq._text import plain
from asynctasq.errors import PayloadError
from asynctasq.retry import RetryStrategy

VERSION = 1
_Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=1e12)]


class Envelope(Struct, array_like=True, frozen=True, gc=False):
    """A task as it travels: its registered name, its arguments, and the policy it was sent with."""

    version: int
    task: str
    args: Raw
    """A map from parameter to value, encoded by the task's own annotations."""
    max_attempts: Annotated[int, Meta(ge=1)]
    retry_strategy: RetryStrategy
    retry_delay: _Seconds
    retry_max_delay: _Seconds
    timeout: _Seconds | None
    correlation_id: str | None
    store_result: bool


_encoder = msgspec.msgpack.Encoder()
_envelopes = msgspec.msgpack.Decoder(Envelope)

encode: Final[Callable[[Any], bytes]] = _encoder.encode
"""Any value that msgspec knows, as MessagePack. Raises TypeError for others."""


def encode_envelope(envelope: Envelope) -> bytes:
    """The body of a message."""
    return _encoder.encode(envelope)


def decode_envelope(body: bytes) -> Envelope:
    """Read a body; raises `PayloadError` for what is no envelope, or one of a later version."""
    try:
        envelope = _envelopes.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        said = plain(str(error))
        raise PayloadError(f"the body is not a task of this library: {said}") from error
    if envelope.version != VERSION:
        raise PayloadError(
            f"the task was sent in version {envelope.version} of the envelope; this worker reads "
            f"version {VERSION}: upgrade asynctasq-core here before the programs that dispatch"
        )
    return envelope


def decode_value(raw: bytes, decoder: msgspec.msgpack.Decoder[Any]) -> Any:
    """Read a value by its annotation; raises `PayloadError` where it does not fit."""
    try:
        return decoder.decode(raw)
    except Exception as error:  # a __post_init__ of a class within may raise anything
        raise PayloadError(f"a value does not fit its annotation: {plain(str(error))}") from error
