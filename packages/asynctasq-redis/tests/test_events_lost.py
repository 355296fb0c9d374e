"""Events where connections are lost: that is told, and what comes after it is heard."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from asynctasq.errors import DriverError, DriverUnavailable
from asynctasq_drivers.redis import _client, _subscriber
from asynctasq_drivers.redis._client import disconnect

from .channel import NINE, Channel, heard
from .servers.own import server
from .servers.proxy import Proxy
from .servers.sentinels import sentinels

pytestmark = pytest.mark.asyncio


async def test_a_lost_connection_is_told_and_another_subscriber_goes_on(
    channel: Channel, cuttable: tuple[Proxy, Channel]
) -> None:
    between, there = cuttable
    subscriber, emitter = await there.following(), channel.emitter()
    await emitter.emit(NINE)
    assert await heard(subscriber, 8) == list(NINE[:8])
    await asyncio.to_thread(between.cut)
    assert await heard(subscriber, 1) == [NINE[8]], "it has come before"
    for _ in range(2):
        with pytest.raises(DriverUnavailable, match=channel.name):
            await heard(subscriber, 1)
    await asyncio.to_thread(between.heal)
    another = await there.following()
    await emitter.emit(NINE)
    assert await heard(another, 9) == list(NINE)


async def test_open_may_be_called_again_after_failing(cuttable: tuple[Proxy, Channel]) -> None:
    between, there = cuttable
    subscriber = there.subscriber()
    await asyncio.to_thread(between.cut)
    with pytest.raises(DriverUnavailable, match="cannot be reached"):
        await subscriber.open()
    await asyncio.to_thread(between.heal)
    between.lose_replies(1, to=b"SUBSCRIBE")
    with pytest.raises(DriverUnavailable):
        await subscriber.open()
    await subscriber.open()
    await there.emitter().emit(NINE)
    assert await heard(subscriber, 9) == list(NINE)


async def test_a_connection_that_has_died_in_silence_is_lost(
    stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_subscriber, "QUIET", 0.1)
    with server() as room:
        subscriber = await Channel(room.url, stack).following()
        room.pause()
        with pytest.raises(DriverUnavailable, match="dead"):
            await heard(subscriber, 1)
        room.resume()


async def test_a_connection_that_is_only_quiet_is_kept(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Semaphore(0)

    async def ping(connection: Any) -> None:
        tried.release()
        await _ping(connection)

    _ping = _client._ping
    monkeypatch.setattr(_subscriber, "QUIET", 1.0)
    monkeypatch.setattr(_client, "_ping", ping)
    subscriber = await channel.following()
    waiting = asyncio.ensure_future(heard(subscriber, 1))
    for _ in range(2):
        await asyncio.wait_for(tried.acquire(), 5)
    await channel.emitter().emit(NINE[:1])
    assert await waiting == [NINE[0]]


async def test_nothing_is_missed_while_a_connection_is_tried(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    emitter = channel.emitter()

    async def ping(connection: Any) -> None:
        await emitter.emit(NINE)  # comes before the answer
        await _ping(connection)

    _ping = _client._ping
    monkeypatch.setattr(_subscriber, "QUIET", 1.0)
    monkeypatch.setattr(_client, "_ping", ping)
    assert await heard(await channel.following(), 9) == list(NINE)


async def test_a_connection_that_ends_while_it_is_tried_is_lost_and_not_made_anew(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ping(connection: Any) -> None:
        await disconnect(connection)
        await _ping(connection)  # on a new one nobody would listen

    _ping = _client._ping
    monkeypatch.setattr(_subscriber, "QUIET", 0.1)
    monkeypatch.setattr(_client, "_ping", ping)
    with pytest.raises(DriverUnavailable):
        await heard(await channel.following(), 1)


async def test_an_emitter_goes_on_after_a_cut(
    channel: Channel, cuttable: tuple[Proxy, Channel]
) -> None:
    between, there = cuttable
    subscriber, emitter = await channel.following(), there.emitter()
    await emitter.emit(NINE[:1])
    await asyncio.to_thread(between.cut)
    with pytest.raises(DriverUnavailable):
        await emitter.emit(NINE[1:2])
    await asyncio.to_thread(between.heal)
    await emitter.emit(NINE[2:])
    assert await heard(subscriber, 8) == [NINE[0], *NINE[2:]]


async def test_a_batch_whose_answer_is_lost_is_not_told_twice(
    channel: Channel, cuttable: tuple[Proxy, Channel]
) -> None:
    between, there = cuttable
    subscriber, emitter = await channel.following(), there.emitter()
    between.lose_replies(1, to=b"PUBLISH")
    with pytest.raises(DriverError, match="lost") as raised:
        await emitter.emit(NINE[:1])
    assert raised.type is DriverError
    await emitter.emit(NINE[1:])
    assert await heard(subscriber, 9) == list(NINE)


async def test_close_lets_go_of_a_lost_connection_that_nobody_asked_about(
    cuttable: tuple[Proxy, Channel],
) -> None:
    between, there = cuttable
    subscriber = await there.following()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(aiter(subscriber)), 0.01)
    await asyncio.to_thread(between.cut)
    assert subscriber._hearing
    await asyncio.wait((subscriber._hearing,))
    await subscriber.close()


@pytest.mark.once
async def test_after_a_failover_of_sentinels_both_go_on(stack: AsyncExitStack) -> None:
    with sentinels() as watched:
        channel = Channel(watched.url, stack)
        subscriber, emitter = await channel.following(), channel.emitter()
        await emitter.emit(NINE)
        assert await heard(subscriber, 9) == list(NINE)
        old = await asyncio.to_thread(watched.kill_master)
        with pytest.raises(DriverUnavailable):
            await heard(subscriber, 1)
        with pytest.raises(DriverUnavailable):
            await emitter.emit(NINE)
        await asyncio.to_thread(watched.wait_for_failover, old)
        another = await channel.following()
        await emitter.emit(NINE)
        assert await heard(another, 9) == list(NINE)
        await stack.aclose()
