"""A master with a replica, and three sentinels that replace it when it is gone."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import redis

from tools.backends import Room

from .own import HOST, ask, in_step, says, server, wait_for
from .replicated import replicated

NAME = "mymaster"
_FILE = "sentinel.conf"
"""Which a sentinel writes anew whenever it has learned something."""
_SETTINGS = f"""\
sentinel monitor {NAME} {HOST} {{port}} 2
sentinel down-after-milliseconds {NAME} 1000
sentinel failover-timeout {NAME} 3000
"""
_COUNT = 3


@dataclass(frozen=True)
class Sentinels:
    """All may be killed, paused and started again. What waits here blocks its thread."""

    servers: list[Room]
    """The first began as the master."""
    sentinels: list[Room]

    @property
    def url(self) -> str:
        """With every sentinel."""
        places = (f"{HOST}:{room.port}" for room in self.sentinels)
        return f"redis+sentinel://{','.join(places)}/{NAME}"

    def master(self) -> Room | None:
        """The one that all sentinels name that answer, and that agrees; None: there is none."""
        named = {port for room in self.sentinels if (port := _named_by(room))}
        found = [room for room in self.servers if {room.port} == named]
        return next((room for room in found if says(room, "replication", "role:master")), None)

    def kill_master(self) -> Room:
        """At once, as a power cut does; returns it, so that it can be started again."""
        master = self.wait_for_master()
        master.kill()
        return master

    def wait_for_failover(self, than: Room, seconds: float = 20.0) -> Room:
        """Wait until all sentinels name another master than that; returns it."""

        def another() -> Room | None:
            found = self.master()
            return None if found is than else found

        return wait_for(another, f"another master than {than.port}", seconds)

    def wait_for_master(self, seconds: float = 20.0) -> Room:
        """Wait until all sentinels name the same one."""
        return wait_for(self.master, "a master", seconds)

    def wait_until_linked(self, seconds: float = 40.0) -> None:
        """Until the other server is the master's replica, with all data: it can replace it.

        Once the old master is back, sentinels take some fifteen seconds to tell it so.
        """
        master = self.wait_for_master()
        replicas = [room for room in self.servers if room is not master]
        wait_for(
            lambda: (
                all(says(room, "replication", "role:slave") for room in replicas)
                and all(map(in_step, replicas))
            ),
            f"a replica of {master.port}",
            seconds,
        )


@contextmanager
def sentinels() -> Generator[Sentinels]:
    """New ones that know of each other and of the replica. A failover takes some two seconds."""
    with replicated() as pair, ExitStack() as stack:
        files = {_FILE: _SETTINGS.format(port=pair.master.port)}
        watching = [
            stack.enter_context(server(_FILE, "--sentinel", files=files)) for _ in range(_COUNT)
        ]
        wait_for(lambda: all(map(_knows_all, watching)), "sentinels that know each other")
        yield Sentinels([pair.master, pair.replica], watching)


def _named_by(sentinel: Room) -> int | None:
    """The port of the master, in its words."""
    with suppress(redis.RedisError):
        _, port = ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return int(port)
    return None


def _knows_all(sentinel: Room) -> bool:
    seen = ask(sentinel, "SENTINEL", "MASTER", NAME)
    known = (seen["num-slaves"], seen["num-other-sentinels"])
    return bool(seen["flags"] == "master" and known == ("1", str(_COUNT - 1)))
