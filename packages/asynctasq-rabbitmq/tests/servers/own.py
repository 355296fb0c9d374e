"""A RabbitMQ broker of one's own: how to have it, to ask it, to wait for it and to upset it.

It is asked by way of `rabbitmqctl`, which takes 0.4 s: seldom, and never in a tight loop.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import pytest

from tools.backends import Failed, Room, private
from tools.backends.recipes import RECIPES, Command, find

HOST = "127.0.0.1"
T = TypeVar("T")
_CONTROL_PATIENCE = 30.0
_CLOSE_ALL = """\
All = rabbit_networking:connections(),
Watched = [begin
    Ref = monitor(process, Pid),
    catch rabbit_networking:close_connection(Pid, "{reason}"),
    Ref
end || Pid <- All],
[receive {{'DOWN', Ref, process, _, _}} -> ok after 10000 -> error(still_open) end
 || Ref <- Watched],
length(All).
"""

_QUEUES = """\
Ask = fun(Queue, Query) ->
    Leader = amqqueue:get_pid(Queue),
    try ra:leader_query(Leader, {{rabbit_fifo, Query, []}}) of {{ok, {{_, Number}}, _}} -> Number
    catch _:_ ->
        {{ok, {{_, Counted}}, _}} = ra:leader_query(Leader, fun rabbit_fifo:Query/1),
        Counted
    end
end,
Count = fun(Queue) -> case amqqueue:get_type(Queue) of
    rabbit_quorum_queue -> [
        {{type, quorum}},
        {{ready, Ask(Queue, query_messages_ready)}},
        {{unacknowledged, Ask(Queue, query_messages_checked_out)}}];
    _ ->
        [{{_, Ready}}, {{_, Held}}] = rabbit_amqqueue:info(
            Queue, [messages_ready, messages_unacknowledged]),
        [{{type, classic}}, {{ready, Ready}}, {{unacknowledged, Held}}]
end end,
Value = [[
    {{name, element(4, amqqueue:get_name(Queue))}},
    {{arguments, rabbit_misc:amqp_table(amqqueue:get_arguments(Queue))}}
    | Count(Queue)] || Queue <- rabbit_amqqueue:list(<<"{vhost}">>)]
"""


@contextmanager
def server(
    conf: str = "",
    plugins: tuple[str, ...] = (),
    advanced: str = "[].",
    files: Mapping[str, str] = MappingProxyType({}),
) -> Generator[Room]:
    """One with further lines of rabbitmq.conf; the test is skipped where it is not installed.

    They may name `{tls_port}` and `{management_port}`, which are free. `advanced` is what only an
    advanced.config can say. With `ASYNCTASQ_REQUIRE=all` nothing is skipped.
    """
    missing = RECIPES["rabbitmq"].missing()
    if missing and os.environ.get("ASYNCTASQ_REQUIRE") != "all":
        pytest.skip(f"not installed: {', '.join(missing)}")
    own = {
        "more.conf": conf,
        "plugins": f"[{','.join(plugins)}].\n",
        "advanced.config": f"{advanced}\n",
    }
    with private("rabbitmq", files={**own, **files}) as room:
        try:
            yield room
        finally:
            room.kill()  # nobody needs its data any more, and it may be long in stopping


def tls_port(room: Room) -> int:
    """That which `{tls_port}` stands for."""
    return room.port + 3


def management_url(room: Room) -> str:
    """What listens at `{management_port}`; it wants to be told who asks."""
    return f"http://{HOST}:{room.port + 4}"


def url_of(room: Room, vhost: str) -> str:
    """That of a virtual host there."""
    return urlsplit(room.url)._replace(path=f"/{quote(vhost, safe='')}").geturl()


def control(room: Room, *words: str) -> str:
    """What rabbitmqctl says to them there. Raises `Failed`, in the end also if it hangs."""
    program = find("rabbitmqctl", RECIPES["rabbitmq"].places) or "rabbitmqctl"
    return room.run(Command((program, "--quiet", *words)), timeout=_CONTROL_PATIENCE)


def ask(room: Room, erlang: str) -> str:
    """The value of some Erlang, as that is written."""
    return control(room, "eval", erlang).strip()


def version(room: Room) -> tuple[int, ...]:
    """Of the broker, as numbers that can be compared."""
    return tuple(map(int, re.findall(r"\d+", ask(room, "rabbit_misc:version()."))[:3]))


def listed(room: Room, what: str, *columns: str, vhost: str = "") -> list[dict[str, Any]]:
    """The rows of `list_queues` and its like; all columns are as rabbitmqctl names them."""
    where = ("--vhost", vhost) if vhost else ()
    answer = control(room, f"list_{what}", "--formatter", "json", *where, *columns)
    rows: list[dict[str, Any]] = json.loads(answer)
    return rows


def connections(room: Room) -> list[dict[str, Any]]:
    """Those of its clients, as the broker sees them."""
    return listed(room, "connections", "user", "vhost", "peer_port", "state", "channels")


def queue_info(room: Room, vhost: str = "/") -> dict[str, dict[str, Any]]:
    """By name: its type, its arguments, and how many messages are ready and unacknowledged.

    They are counted now; `list_queues` tells what was so some seconds ago.
    """
    rows = _ask_json(room, _QUEUES.format(vhost=vhost))
    return {row.pop("name"): row for row in rows}


def is_empty(room: Room, url: str, *queues: str) -> bool:
    """Nothing waits in these of its virtual host, and nobody holds anything of them."""
    found = queue_info(room, unquote(urlsplit(url).path[1:]))
    rows = [found[queue] for queue in queues]
    return not any(row["ready"] or row["unacknowledged"] for row in rows)


def _ask_json(room: Room, erlang: str) -> Any:
    """What is equal in JSON to the value, which is a proplist, a list or a map."""
    said = ask(room, f"{erlang.rstrip().rstrip('.')}, base64:encode(rabbit_json:encode(Value)).")
    return json.loads(base64.b64decode("".join(re.findall('"([^"]*)"', said))))  # in many lines


class Vhosts:
    """Empty ones there, made ten in one call, as each call takes far longer than they do."""

    _MAKE = """\
[rabbit_vhost:delete(V, <<"tests">>) || V <- [{used}]],
[begin
    rabbit_vhost:add(V, <<"tests">>),
    rabbit_auth_backend_internal:set_permissions(
        <<"guest">>, V, <<".*">>, <<".*">>, <<".*">>, <<"tests">>)
end || V <- [{fresh}]].
"""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._fresh: list[str] = []
        self._used: list[str] = []
        self._made = 0

    def take(self) -> str:
        """The name of one that nobody has used."""
        if not self._fresh:
            self._make()
        return self._fresh.pop()

    def give_back(self, name: str) -> None:
        """It is removed before others are made, or with its server."""
        self._used.append(name)

    def _make(self) -> None:
        fresh = [f"test-{self._made + number}" for number in range(10)]
        ask(self._room, self._MAKE.format(used=_binaries(self._used), fresh=_binaries(fresh)))
        self._made += len(fresh)
        self._fresh, self._used = fresh, []


_VHOSTS: dict[Path, Vhosts] = {}


@contextmanager
def vhost_of(room: Room) -> Generator[str]:
    """The URL of an empty virtual host there, in which guest may do anything."""
    vhosts = _VHOSTS.setdefault(room.folder, Vhosts(room))
    name = vhosts.take()
    try:
        yield url_of(room, name)
    finally:
        vhosts.give_back(name)


def _binaries(names: list[str]) -> str:
    return ", ".join(f'<<"{name}">>' for name in names)


def wait_for(found: Callable[[], T | None], what: str, seconds: float = 20.0) -> T:
    """The first that is found and not false; a broker that says nothing has neither.

    Raises `TimeoutError`.
    """
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        with suppress(Failed):
            if result := found():
                return result
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not within {seconds:g} s")


@contextmanager
def paused(room: Room) -> Generator[None]:
    """It hangs meanwhile: connections stay open, new ones too, and nothing is answered."""
    room.pause()
    try:
        yield
    finally:
        room.resume()


@contextmanager
def suspended(room: Room, url: str, queue: str) -> Generator[None]:
    """Meanwhile this quorum queue does nothing, while channels answer for themselves."""
    vhost = unquote(urlsplit(url).path[1:])
    found = f'rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>))'
    told = f"{{ok, Queue}} = {found}, sys:%s(amqqueue:get_pid(Queue))."
    ask(room, told % "suspend")
    try:
        yield
    finally:
        ask(room, told % "resume")


@contextmanager
def alarm(room: Room) -> Generator[None]:
    """It says meanwhile that its memory is full, and reads nothing from who publishes."""
    before = ask(room, "vm_memory_monitor:get_vm_memory_high_watermark().")
    _set_watermark(room, "{absolute, 1}")
    try:
        yield
    finally:
        _set_watermark(room, before)


def _set_watermark(room: Room, value: str) -> None:
    ask(room, f"vm_memory_monitor:set_vm_memory_high_watermark({value}).")


def close_all_connections(room: Room, reason: str = "closed by a test") -> int:
    """End the connections of all its clients, as an administrator does; returns how many.

    Those are gone by then; a client may have made another.
    """
    return int(ask(room, _CLOSE_ALL.format(reason=reason)))
