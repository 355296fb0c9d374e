"""``asynctasq events``: what happens to tasks and workers, as it happens."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final

import click

from asynctasq._text import plain
from asynctasq.cli._backend import BackendCommand
from asynctasq.cli._event_line import KINDS, event_line
from asynctasq.cli._output import as_json_line
from asynctasq.cli._queue_name import queue_name
from asynctasq.config import Config, current, make_subscriber
from asynctasq.errors import DriverUnavailable, PluginError
from asynctasq.events import Event, EventSubscriber, TaskEvent, WorkerEvent
from asynctasq.plugins import how_to_install, subscribers

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
_NAMES: Final = [kind.name for kind in KINDS]


class _Command(BackendCommand):
    listed: Collection[str] | None = ("driver", "events_redis_url", "events_channel")


@click.command(cls=_Command)
@click.option(
    "--from",
    "name",
    metavar="NAME",
    help="Which subscriber to follow. [default: the only one that is installed]",
)
@click.option(
    "--event",
    "kinds",
    multiple=True,
    metavar="EVENT",
    type=click.Choice(_NAMES),
    help="Only events of this kind, such as task_failed; may be given several times.",
)
@click.option(
    "--queue", type=queue_name, metavar="QUEUE", help="Only events of this queue. [default: all]"
)
@click.option("--json", "json", is_flag=True, help="Print a line of JSON for each, for programs.")
def command(name: str | None, kinds: tuple[str, ...], queue: str | None, json: bool) -> None:
    """Follow what happens to tasks and workers, live, until Ctrl-C or SIGTERM.

    Seen is what programs and workers tell whose configuration switches events on, from when this
    begins: for Redis, enable_event_emitter_redis and the same events_channel. An event that a
    lost connection has swallowed is not seen; that there was one is told.
    """
    name = name or _only_one()
    config = current().config

    show_one = as_json_line if json else _show_line

    def show(event: Event) -> None:
        if (not kinds or event.name in kinds) and (queue is None or queue in _queues(event)):
            show_one(event)

    asyncio.run(_until_stopped(_follow(name, config, show)))


def _show_line(event: Event) -> None:
    click.echo(event_line(event))


def _only_one() -> str:
    names = subscribers()
    if len(names) == 1:
        return names[0]
    if not names:
        raise PluginError(
            "no event subscriber is installed, so there is nothing to follow; for Redis: "
            + how_to_install("redis")
        )
    raise PluginError(f"several event subscribers are installed: say --from {' or '.join(names)}")


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Until it ends, or a signal says so: that is how it ends well."""
    following = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, following.cancel)
    await asyncio.wait((following,))
    if not following.cancelled():
        following.result()


async def _follow(name: str, config: Config, show: Callable[[Event], None]) -> None:
    """For ever. A connection that cannot be had at first is an error, one that is lost no end."""
    pause = _FIRST_PAUSE
    once_open = False
    while True:
        subscriber = make_subscriber(name, config)
        try:
            await subscriber.open()
            click.echo(f"following events of {name} (Ctrl-C ends)", err=True)
            once_open, pause = True, _FIRST_PAUSE
            await _show_all(subscriber, show)
            return
        except DriverUnavailable as error:
            if not once_open:
                raise
            click.echo(f"asynctasq: events are missed: {plain(str(error))}", err=True)
        finally:
            await subscriber.close()
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _show_all(subscriber: EventSubscriber, show: Callable[[Event], None]) -> None:
    async for event in subscriber:
        show(event)


def _queues(event: Event) -> tuple[str, ...]:
    match event:
        case TaskEvent(queue=queue):
            return (queue,)
        case WorkerEvent(queues=queues):
            return queues
        case _:
            return ()
