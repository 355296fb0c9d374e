"""Events over Pub/Sub: what one process tells is heard by all that listen."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from asynctasq.driver import Secret
from asynctasq.errors import (
    BackendRefused,
    ConfigError,
    DriverClosed,
    DriverUnavailable,
)
from asynctasq.events import Event, EventEmitter, EventsContext, decode_events
from asynctasq_drivers.redis import (
    RedisEventEmitter,
    RedisEventSubscriber,
    RedisOptions,
    _emitter,
)

from .channel import NINE, Channel, heard, nobody_listens, numbered, pushes_on
from .servers.cluster import cluster
from .servers.single import tls, with_user

pytestmark = pytest.mark.asyncio
NOBODY = "redis://127.0.0.1:1"


async def test_events_come_as_they_were_told_with_their_types_in_order(channel: Channel) -> None:
    subscriber, emitter = await channel.following(), channel.emitter()
    await emitter.emit(NINE[:4])
    await emitter.emit(NINE[4:])
    assert await heard(subscriber, 9) == list(NINE)
    await emitter.emit(numbered(500))
    assert await heard(subscriber, 500) == numbered(500)


async def test_what_is_told_once_open_has_returned_is_heard(channel: Channel) -> None:
    emitter = channel.emitter()
    for number in range(20):
        subscriber = await channel.following()
        await emitter.emit(numbered(number + 1)[-1:])
        assert await heard(subscriber, 1) == numbered(number + 1)[-1:]


async def test_each_subscriber_hears_all(channel: Channel) -> None:
    first, second = await channel.following(), await channel.following()
    await channel.emitter().emit(NINE)
    assert await heard(first, 9) == await heard(second, 9) == list(NINE)


async def test_what_is_no_batch_is_passed_over(channel: Channel) -> None:
    subscriber, emitter = await channel.following(), channel.emitter()
    async with Redis.from_url(channel.url) as stranger:
        for message in (b"hello", b"\xc1", b"", b"\x93\x01"):
            await stranger.publish(channel.name, message)
            await emitter.emit(NINE[:1])
    assert await heard(subscriber, 4) == [NINE[0]] * 4


async def test_another_channel_is_not_heard(channel: Channel) -> None:
    subscriber = await channel.following()
    await channel.at(name=f"{channel.name}x").emitter().emit(NINE)
    await channel.emitter().emit(NINE[-1:])
    assert await heard(subscriber, 1) == [NINE[-1]]


async def test_a_batch_is_one_message(channel: Channel) -> None:
    (message,) = await pushes_on(channel, lambda: channel.emitter().emit(NINE))
    assert decode_events(message) == NINE


async def test_a_large_batch_is_cut_into_messages_of_moderate_size(channel: Channel) -> None:
    events = numbered(1001, size=2000)
    messages = await pushes_on(channel, lambda: channel.emitter().emit(events))
    assert max(map(len, messages)) <= _emitter.LARGEST
    assert 8 <= len(messages) <= 16
    assert [event for message in messages for event in decode_events(message)] == events


async def test_one_event_that_is_larger_than_that_is_told_all_the_same(channel: Channel) -> None:
    subscriber, events = await channel.following(), numbered(2, size=2 * _emitter.LARGEST)
    await channel.emitter().emit(events)
    assert await heard(subscriber, 2) == events


async def test_a_wait_that_is_cancelled_misses_nothing(channel: Channel) -> None:
    subscriber, emitter = await channel.following(), channel.emitter()
    for event in NINE:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(aiter(subscriber)), 0.01)
        await emitter.emit([event])
        assert await heard(subscriber, 1) == [event]


async def test_who_leaves_a_loop_finds_the_rest_of_a_batch_in_the_next(channel: Channel) -> None:
    subscriber = await channel.following()
    await channel.emitter().emit(NINE)
    async for event in subscriber:
        if event == NINE[3]:
            break
    assert await heard(subscriber, 5) == list(NINE[4:])


async def test_close_ends_an_iteration_that_waits(channel: Channel) -> None:
    subscriber = await channel.following()

    seen: asyncio.Queue[Event] = asyncio.Queue()

    async def follow() -> None:
        async for event in subscriber:
            seen.put_nowait(event)

    waiting = asyncio.ensure_future(follow())
    await channel.emitter().emit(NINE)
    async with asyncio.timeout(20):
        assert [await seen.get() for _ in NINE] == list(NINE)
    await asyncio.wait((waiting,), timeout=0.1)
    assert not waiting.done()
    await subscriber.close()
    await asyncio.wait_for(waiting, 5)
    assert seen.empty()
    assert [event async for event in subscriber] == []


async def test_a_closed_one_is_closed_for_good_and_may_be_closed_again(channel: Channel) -> None:
    subscriber, emitter = await channel.following(), channel.emitter()
    await emitter.emit(NINE)
    for _ in range(2):
        await subscriber.close()
        await emitter.close()
    with pytest.raises(DriverClosed):
        await emitter.emit(NINE)
    await nobody_listens(channel)
    with pytest.raises(DriverClosed):
        await subscriber.open()
    await nobody_listens(channel)


async def test_close_lets_go_of_what_is_being_opened_too(channel: Channel) -> None:
    subscriber = channel.subscriber()
    opening = asyncio.ensure_future(subscriber.open())
    await asyncio.sleep(0)
    await subscriber.close()
    with pytest.raises(DriverClosed):
        await opening
    await nobody_listens(channel)


async def test_who_has_not_opened_it_is_told_to(channel: Channel) -> None:
    with pytest.raises(DriverClosed, match="open"):
        await heard(channel.subscriber(), 1)


async def test_being_made_connects_nowhere_and_closing_that_neither(
    stack: AsyncExitStack,
) -> None:
    nowhere = Channel(NOBODY, stack)
    emitter, subscriber = nowhere.emitter(), nowhere.subscriber()
    with pytest.raises(DriverUnavailable):
        await emitter.emit(NINE)
    with pytest.raises(DriverUnavailable):
        await subscriber.open()
    await subscriber.close()
    with pytest.raises(DriverClosed):
        await subscriber.open()


async def test_a_url_that_leads_nowhere_is_said_when_they_are_made() -> None:
    context = EventsContext(channel="asynctasq:events", url=Secret("http://user:secret@host"))
    for make in (RedisEventEmitter, RedisEventSubscriber):
        with pytest.raises(ConfigError, match="events_redis_url") as raised:
            make(RedisOptions(), context)
        assert "secret" not in str(raised.value)


async def test_events_may_have_a_server_of_their_own(channel: Channel) -> None:
    subscriber = await channel.following()
    context = EventsContext(channel=channel.name, url=Secret(channel.url))
    emitter: EventEmitter = RedisEventEmitter(RedisOptions(redis_url=Secret(NOBODY)), context)
    await emitter.emit(NINE)
    await emitter.close()
    assert await heard(subscriber, 9) == list(NINE)


async def test_a_user_needs_the_right_to_the_channel_and_is_told_so(stack: AsyncExitStack) -> None:
    with with_user() as single:
        mine = Channel(single.url, stack)
        subscriber = await mine.following()
        await mine.emitter().emit(NINE)
        assert await heard(subscriber, 9) == list(NINE)
        other = mine.at(name="events")
        with pytest.raises(BackendRefused, match=r"NOPERM.*&events "):
            await other.emitter().emit(NINE)
        with pytest.raises(BackendRefused, match=r"NOPERM.*&events "):
            await other.subscriber().open()
        async with Redis.from_url(single.other_url) as admin:
            await admin.execute_command("ACL", "SETUSER", "app", "resetchannels")  # type: ignore[no-untyped-call]
        with pytest.raises(DriverUnavailable):
            await heard(subscriber, 1)
        with pytest.raises(BackendRefused, match=r"NOPERM.*&asynctasq:\* "):
            await mine.subscriber().open()


async def test_a_wrong_password_is_refused(stack: AsyncExitStack) -> None:
    with with_user() as single:
        stranger = Channel(single.url.replace("secret", "guess"), stack)
        with pytest.raises(BackendRefused, match="password"):
            await stranger.emitter().emit(NINE)
        with pytest.raises(BackendRefused, match="password"):
            await stranger.subscriber().open()


async def test_events_pass_through_tls(stack: AsyncExitStack) -> None:
    with tls() as single:
        channel = Channel(single.url, stack)
        subscriber = await channel.following()
        await channel.emitter().emit(NINE)
        assert await heard(subscriber, 9) == list(NINE)
        await stack.aclose()  # before its certificates are gone


@pytest.mark.once
async def test_all_nodes_of_a_cluster_hear_what_one_is_told(stack: AsyncExitStack) -> None:
    with cluster() as nodes:
        channel = Channel(nodes.url, stack)
        at_nodes = [await channel.at(room.url).following() for room in nodes.nodes]
        anywhere = [await channel.following() for _ in range(3)]
        for name in (channel.name, channel.name):
            await channel.at(name=name).emitter().emit(NINE)
        for subscriber in (*at_nodes, *anywhere):
            assert await heard(subscriber, 18) == [*NINE, *NINE]
        await stack.aclose()
