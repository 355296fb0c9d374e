"""A private server keeps its data through stop, hang and kill, and goes whole."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tools.backends import Room, private, processes
from tools.backends.hello import answers
from tools.backends.recipes import RECIPES, Command, find
from tools.backends.room import load

pytestmark = pytest.mark.once


def _port(room: Room) -> int:
    return urlsplit(room.url).port or 0


def _redis(room: Room, *, write: bool) -> bool:
    with socket.create_connection(("127.0.0.1", _port(room)), timeout=5) as peer:
        peer.sendall(b"SET kept yes\r\n" if write else b"GET kept\r\n")
        return peer.recv(64) == (b"+OK\r\n" if write else b"$3\r\nyes\r\n")


def _sql(room: Room, client: list[str], *, write: bool) -> bool:
    statement = "CREATE TABLE kept AS SELECT 42 AS n" if write else "SELECT n FROM kept"
    done = subprocess.run([*client, statement], capture_output=True, text=True, check=True)
    return write or "42" in done.stdout


def _postgres(room: Room, *, write: bool) -> bool:
    return _sql(room, [find("psql") or "psql", room.url, "-Atc"], write=write)


def _mysql(room: Room, *, write: bool) -> bool:
    place = ["-h127.0.0.1", f"-P{_port(room)}", "-uroot", "test"]
    return _sql(room, [find("mariadb") or "mariadb", "--no-defaults", *place, "-Ne"], write=write)


def _rabbitmq(room: Room, *, write: bool) -> bool:
    """Declares a durable queue; or finds it, which is refused with an end of the channel."""
    with socket.create_connection(("127.0.0.1", _port(room)), timeout=5) as peer:
        reader = peer.makefile("rb")

        def ask(channel: int, method: bytes) -> bytes:
            peer.sendall(struct.pack("!BHI", 1, channel, len(method)) + method + b"\xce")
            return answer()

        def answer() -> bytes:
            _, _, size = struct.unpack("!BHI", reader.read(7))
            return reader.read(size + 1)[:4]

        peer.sendall(b"AMQP\x00\x00\x09\x01")
        answer()
        login = b"\0guest\0guest"
        start_ok = struct.pack("!HHI", 10, 11, 0) + b"\x05PLAIN"
        ask(0, start_ok + struct.pack("!I", len(login)) + login + b"\x05en_US")
        tune_ok = struct.pack("!HHHIH", 10, 31, 2047, 131072, 0)
        peer.sendall(struct.pack("!BHI", 1, 0, len(tune_ok)) + tune_ok + b"\xce")
        ask(0, struct.pack("!HH", 10, 40) + b"\x01/\0\0")
        ask(1, struct.pack("!HH", 20, 10) + b"\0")
        flags = b"\x02" if write else b"\x03"  # durable; and passive
        declare = struct.pack("!HHH", 50, 10, 0) + b"\x04kept" + flags + struct.pack("!I", 0)
        return ask(1, declare) == struct.pack("!HH", 50, 11)


CLIENTS: dict[str, Callable[..., bool]] = {
    "mysql": _mysql,
    "postgres": _postgres,
    "rabbitmq": _rabbitmq,
    "redis": _redis,
}


def _need(name: str) -> None:
    if missing := RECIPES[name].missing():
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_data_survive_stop_and_kill_and_nothing_survives_the_room(name: str) -> None:
    _need(name)
    use = CLIENTS[name]
    with private(name) as room:
        assert use(room, write=True)
        url, first = room.url, room.process
        room.stop()
        assert not room.alive
        room.start()
        assert room.url == url
        assert room.process != first
        assert use(room, write=False)
        if name != "rabbitmq":  # each of its starts takes seconds
            room.kill()
            assert not room.alive
            room.start()
            assert use(room, write=False)
        assert room.process
        family = processes.family(room.process, room.folder)
    assert [p for p in family if processes.current(p.pid) == p] == []
    assert not room.folder.exists()


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_a_paused_server_takes_connections_and_says_nothing_until_it_goes_on(name: str) -> None:
    _need(name)
    with private(name) as room:
        room.pause()
        socket.create_connection(("127.0.0.1", _port(room)), timeout=5).close()
        assert not answers(name, room.url, timeout=0.2)
        room.resume()
        assert answers(name, room.url)
        room.pause()
    assert not room.folder.exists()


def _setting(room: Room, name: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", _port(room)), timeout=5) as peer:
        peer.sendall(b"CONFIG GET " + name + b"\r\n")
        return peer.recv(256).split(b"\r\n")[-2]


def test_more_arguments_and_files_hold_on_every_start() -> None:
    _need("redis")
    more = ("own.conf", "--databases", "3", "--replica-announce-port", "{next_port}")
    with private("redis", *more, files={"own.conf": "maxclients 77\n"}) as room:
        room.stop()
        room.start()
        assert (_setting(room, b"databases"), _setting(room, b"maxclients")) == (b"3", b"77")
        assert int(_setting(room, b"replica-announce-port")) == _port(room) + 1
        found = load(room.folder)
        assert found
        assert found.arguments == more


def test_files_take_the_place_of_what_the_server_has_written_itself() -> None:
    _need("postgres")
    settings = {"postgresql.auto.conf": "max_connections = 77\n"}
    with private("postgres", files=settings) as room:
        words = [find("psql") or "psql", room.url, "-Atc", "SHOW max_connections"]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "77\n"
        assert (room.data / "postgresql.auto.conf").stat().st_mode & 0o777 == 0o600


def test_another_ones_data_can_fill_it() -> None:
    _need("redis")
    with private("redis") as one:
        assert _redis(one, write=True)
        one.stop()

        def copy(data: Path) -> list[Command]:
            return [Command(("cp", "-R", f"{one.data}/.", str(data)))]

        with private("redis", filling=copy) as other:
            assert _redis(other, write=False)


@pytest.mark.parametrize("how", [None, signal.SIGQUIT], ids=["as it should be", "in a hurry"])
def test_one_can_be_stopped_by_another_signal(how: signal.Signals | None) -> None:
    _need("postgres")
    with private("postgres") as room:
        room.stop(how)
        assert not room.alive
        room.start()
        log = (room.folder / "log").read_text(encoding="utf-8")
        assert ("not properly shut down" in log) is (how is not None)


def test_pgbouncer_stands_in_front_of_the_server_that_its_file_names() -> None:
    _need("postgres")
    _need("pgbouncer")
    with private("postgres") as room:
        place = f"[databases]\n* = host=127.0.0.1 port={_port(room)} user=postgres\n"
        with private("pgbouncer", files={"more.ini": f"auth_type = any\n{place}"}) as pool:
            assert _postgres(pool, write=True)
            pool.stop()
            pool.start()
            assert _postgres(pool, write=False)
            room.stop()
            assert pool.answers(), "whoever is behind it"


def test_other_programs_can_be_put_before_those_that_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = tmp_path / "initdb"
    others.write_text("#!/bin/sh\n")
    others.chmod(0o755)
    monkeypatch.setenv("ASYNCTASQ_PROGRAMS", f"{tmp_path / 'none'}:{tmp_path}")
    assert find("initdb", RECIPES["postgres"].places) == str(others)
    assert find("sh") != str(tmp_path / "sh")


def test_no_other_takes_the_ports_of_one_that_is_not_up() -> None:
    _need("redis")
    with private("redis") as room:
        room.stop()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", _port(room)))
        room.start()
        assert _redis(room, write=True)


def test_two_at_once_have_ports_and_data_of_their_own() -> None:
    _need("redis")
    with private("redis") as one, private("redis") as other:
        assert one.url != other.url
        assert _redis(one, write=True)
        assert not _redis(other, write=False)
