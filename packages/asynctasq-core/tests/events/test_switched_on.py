"""Emitters of other distributions, switched on by an option of theirs."""

from __future__ import annotations

import asyncio
import sys

import pytest

import asynctasq
from asynctasq import plugins, task
from asynctasq.config import Config, make_emitters, make_subscriber
from asynctasq.errors import PluginError

SOURCE = """
MADE = []

class Emitter:
    def __init__(self, options, context):
        self.options, self.context, self.told, self.closed = options, context, [], 0
        MADE.append(self)

    async def emit(self, events):
        self.told += events

    async def close(self):
        self.closed += 1

class Half:
    def __init__(self, options, context):
        pass

    async def emit(self, events):
        pass
"""
OPTIONS = """
from msgspec import Struct

class Options(Struct):
    enable_event_emitter_acme: bool = False
    acme_depth: int = 3
"""


@task
async def nothing() -> None:
    """Does nothing."""


@pytest.fixture
def made(site):
    """The emitters that distribution ``acme`` has made."""
    points = {
        plugins.OPTIONS: {"acme": "acme_options:Options"},
        plugins.EMITTERS: {"acme": "acme_events:Emitter"},
        plugins.SUBSCRIBERS: {"acme": "acme_events:Half"},
    }
    site.install(
        "acme-events", points=points, modules={"acme_events": SOURCE, "acme_options": OPTIONS}
    )
    import acme_events

    acme_events.MADE.clear()
    return acme_events.MADE


async def dispatch() -> None:
    await nothing().dispatch()
    await asynctasq.close()


def test_an_emitter_is_made_with_its_options_and_told_beside_the_others(made, recorder) -> None:
    overrides = {
        "driver": "memory",
        "enable_event_emitter_acme": True,
        "acme_depth": 5,
        "events_channel": "shop",
        "events_redis_url": "redis://:tiger@h",
    }
    asynctasq.init(overrides, [recorder])
    asyncio.run(dispatch())
    (emitter,) = made
    assert [event.name for event in emitter.told] == ["task_enqueued"] == recorder.names()
    assert emitter.options.acme_depth == 5
    assert (emitter.context.channel, emitter.context.url) == ("shop", "redis://:tiger@h")
    assert emitter.closed == 1


def test_a_program_that_goes_on_after_close_has_a_new_one(made) -> None:
    asynctasq.init({"driver": "memory", "enable_event_emitter_acme": True})
    asyncio.run(dispatch())
    asyncio.run(dispatch())
    assert [len(emitter.told) for emitter in made] == [1, 1]


def test_one_that_is_not_switched_on_is_not_made(made) -> None:
    asynctasq.init({"driver": "memory"})
    asyncio.run(dispatch())
    assert made == []


def test_one_that_cannot_be_made_is_an_error_before_anything_is_sent(made, site) -> None:
    asynctasq.init({"driver": "memory", "enable_event_emitter_acme": True})
    (site.folder / "acme_events.py").write_text("import no_such_client\n")
    del sys.modules["acme_events"]
    with pytest.raises(PluginError, match=r"event emitter 'acme'.*no_such_client"):
        make_emitters(Config.get())
    with pytest.raises(PluginError, match=r"event emitter 'acme'.*no_such_client"):
        asyncio.run(dispatch())


def test_what_is_no_subscriber_is_an_error(made) -> None:
    with pytest.raises(PluginError, match="subscriber 'acme' is none: it lacks open, __aiter__"):
        make_subscriber("acme", Config.get())
    assert plugins.subscribers() == ("acme",)


def test_what_raises_while_it_is_made_is_an_error_of_its_plugin(made, site) -> None:
    asynctasq.init({"driver": "memory", "enable_event_emitter_acme": True})
    (site.folder / "acme_events.py").write_text("def Emitter(options, context): 1 / 0\n")
    del sys.modules["acme_events"]
    with pytest.raises(PluginError, match="emitter 'acme' cannot be made: ZeroDivisionError"):
        asyncio.run(dispatch())
