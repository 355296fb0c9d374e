"""The options of the driver. Imports no client library, so that asking for them costs nothing."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from asynctasq.driver import Secret

DEFAULT_URL = "amqp://guest:guest@localhost:5672/"


class RabbitmqOptions(Struct, frozen=True, kw_only=True):
    """Which broker, under which name, and how far ahead it may push."""

    rabbitmq_url: Annotated[
        Secret,
        Meta(
            description="`amqp://user:password@host:5672/vhost`, `amqps://` with TLS; several "
            "hosts, separated by commas: the first that answers"
        ),
    ] = Secret(DEFAULT_URL)
    rabbitmq_exchange_name: Annotated[
        str,
        Meta(
            pattern=r"^(?!amq\.)[A-Za-z0-9_.:-]+\Z",  # what begins so is the broker's
            max_length=64,
            description="the exchange that messages go through; others are named after it",
        ),
    ] = "asynctasq"
    rabbitmq_prefetch_count: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="messages that the broker may push for each free slot of a worker",
        ),
    ] = 1
    rabbitmq_management_url: Annotated[
        Secret | None,
        Meta(
            description="`http://user:password@host:15672`, of the management plugin: statistics "
            "that AMQP does not give"
        ),
    ] = None
