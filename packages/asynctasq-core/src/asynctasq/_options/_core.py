"""The options that core itself declares. A driver declares its own in the same way."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from asynctasq._secret import Secret
from asynctasq.driver import QUEUE_NAME

RESERVED: Final = frozenset({"driver_options", "get", "origin", "rows", "task_default"})
"""Names that a `Config` answers to itself, so that no option can have them."""

_DRIVER_NAME: Final = r"\A[A-Za-z0-9][A-Za-z0-9_.-]*\Z"
"""Also so that a URL given by mistake is refused here, where no password is quoted."""


class CoreOptions(Struct, frozen=True, kw_only=True):
    """Every option that is there whichever drivers are installed. Durations are in seconds."""

    driver: Annotated[
        str, Meta(pattern=_DRIVER_NAME, description="Name of the installed driver to use.")
    ] = "redis"
    default_queue: Annotated[
        str,
        Meta(
            pattern=rf"\A(?:{QUEUE_NAME.pattern})\Z",
            description="Queue of tasks that name none.",
        ),
    ] = "default"
    default_max_attempts: Annotated[
        int, Meta(ge=1, description="Attempts in all, the first included.")
    ] = 3
    default_retry_strategy: Annotated[
        Literal["fixed", "exponential"], Meta(description="How the delay between attempts grows.")
    ] = "exponential"
    default_retry_delay: Annotated[
        float, Meta(ge=0, description="Seconds before the second attempt.")
    ] = 60.0
    default_retry_max_delay: Annotated[
        float, Meta(ge=0, description="Longest delay that exponential growth reaches, in seconds.")
    ] = 3600.0
    default_timeout: Annotated[
        float | None, Meta(gt=0, description="Seconds that one attempt may run; None: any time.")
    ] = None
    default_visibility_timeout: Annotated[
        float,
        Meta(
            ge=1,
            description="Seconds of lease, renewed while the task runs: how soon another worker "
            "takes over after a crash.",
        ),
    ] = 300.0
    max_losses: Annotated[
        int, Meta(ge=1, description="How many workers a task may take down before it is dead.")
    ] = 3
    dispatch_timeout: Annotated[
        float,
        Meta(ge=0, description="Seconds that dispatch tries while the backend is unavailable."),
    ] = 10.0
    correlation_id: Annotated[
        str | None, Meta(description="Travels with each task into its events and logs.")
    ] = None
    process_pool_size: Annotated[
        int | None, Meta(ge=1, description="Child processes for process tasks; None: one per CPU.")
    ] = None
    process_pool_max_tasks_per_child: Annotated[
        int | None, Meta(ge=1, description="Tasks after which a child is replaced; None: never.")
    ] = None
    shutdown_timeout: Annotated[
        float, Meta(ge=0, description="Seconds that running tasks have when the worker stops.")
    ] = 30.0
    stop_grace: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds that a task may go on after its time-out before the worker "
            "replaces itself.",
        ),
    ] = 30.0
    unknown_task_grace: Annotated[
        float,
        Meta(ge=0, description="Seconds before a task that no worker knows is dead-lettered."),
    ] = 3600.0
    heartbeat_interval: Annotated[
        float, Meta(gt=0, description="Seconds between a worker's heartbeat events.")
    ] = 60.0
    task_scan_limit: Annotated[
        int, Meta(ge=1, description="The most tasks that one repository query may scan.")
    ] = 10_000
    keep_completed_tasks: Annotated[
        bool,
        Meta(
            description="Keep completed tasks for audit, for completed_ttl; where the driver keeps "
            "none, their results, through result_driver."
        ),
    ] = False
    completed_ttl: Annotated[
        float, Meta(gt=0, description="Seconds for which completed tasks are kept, if they are.")
    ] = 604_800.0
    store_results: Annotated[bool, Meta(description="Store what tasks return.")] = True
    result_ttl: Annotated[
        float, Meta(gt=0, description="Seconds for which a result can be fetched.")
    ] = 3600.0
    dead_ttl: Annotated[
        float | None,
        Meta(gt=0, description="Seconds for which dead tasks are kept; None: until deleted."),
    ] = None
    result_driver: Annotated[
        str | None,
        Meta(
            pattern=_DRIVER_NAME,
            description="Name of the driver that stores results where the queue's own cannot.",
        ),
    ] = None
    enable_event_emitter_redis: Annotated[
        bool, Meta(description="Publish events on Redis. Needs asynctasq-redis.")
    ] = False
    events_redis_url: Annotated[
        Secret | None, Meta(description="Redis that events are published on; None: redis_url.")
    ] = None
    events_channel: Annotated[
        str, Meta(min_length=1, description="Channel that events are published on.")
    ] = "asynctasq:events"
