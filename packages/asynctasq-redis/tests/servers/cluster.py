"""A cluster of three masters, and a replica of each where failovers are to be seen."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import combinations

import redis
from redis.crc import key_slot

from tools.backends import Room

from .own import HOST, ask, in_step, says, server, wait_for

_SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))
_ENABLED = ("--cluster-enabled", "yes")
_TIMEOUT = "--cluster-node-timeout"
_SOON, _LATE = "1000", "5000"
"""Milliseconds until one that stands still is replaced; where none can be, nobody is in a hurry."""
_AT_ONCE = ("--repl-diskless-sync-delay", "0")  # by default a master waits for more replicas


@dataclass(frozen=True)
class Cluster:
    """Its nodes may be killed, paused and started again. What waits here blocks its thread."""

    nodes: list[Room]
    """The first three began as masters, each next one as the replica of one of them."""

    @property
    def url(self) -> str:
        """With the first masters, as somebody would write it down."""
        places = (f"{HOST}:{room.port}" for room in self.nodes[: len(_SLOTS)])
        return f"redis+cluster://{','.join(places)}"

    def master_of(self, key: str) -> Room | None:
        """The node that serves the key; None: there is none now."""
        claims = [(_claim(room, key), number) for number, room in enumerate(self.nodes)]
        epoch, number = max(claims)  # who comes back does not know yet that it was replaced
        return self.nodes[number] if epoch >= 0 else None

    def wait_for_another(self, key: str, than: Room, seconds: float = 20.0) -> Room:
        """Wait until another node serves the key, and all but that one are well again."""

        def another() -> Room | None:
            found = self.master_of(key)
            return None if found is than else found

        master = wait_for(another, f"another master than {than.port} for {key}", seconds)
        self.wait_until_well(seconds, but=than)
        return master

    def wait_until_well(self, seconds: float = 20.0, but: Room | None = None) -> None:
        """Until all nodes that run say that every slot is served, and replicas are in step."""
        running = [room for room in self.nodes if room is not but and room.alive]

        def well() -> bool:
            masters = [room for room in running if says(room, "replication", "role:master")]
            # One that was paused takes itself for a master, until it hears of its successor.
            return len(masters) == len(_SLOTS) and all(map(_is_well, running))

        wait_for(well, "cluster_state:ok", seconds)


@contextmanager
def cluster(replicas: int = 0) -> Generator[Cluster]:
    """A new one, with so many replicas of each master. A failover takes some three seconds."""
    with ExitStack() as stack:
        count = len(_SLOTS) * (1 + replicas)
        words = (*_ENABLED, _TIMEOUT, _SOON if replicas else _LATE, *_AT_ONCE)
        nodes = [stack.enter_context(server(*words)) for _ in range(count)]
        _introduce(nodes)
        for room, slots in zip(nodes, _SLOTS, strict=False):
            ask(room, "CLUSTER", "ADDSLOTSRANGE", *slots)
        for number, replica in enumerate(nodes[len(_SLOTS) :]):
            _follow(replica, nodes[number % len(_SLOTS)])
        made = Cluster(nodes)
        made.wait_until_well()
        yield made


def _introduce(nodes: list[Room]) -> None:
    for number, room in enumerate(nodes, start=1):
        ask(room, "CLUSTER", "SET-CONFIG-EPOCH", number)
    for room, other in combinations(nodes, 2):
        ask(room, "CLUSTER", "MEET", HOST, other.port, other.port + 1)
    wait_for(
        lambda: all(says(room, "cluster", f"cluster_known_nodes:{len(nodes)}") for room in nodes),
        "nodes that know each other",
    )


def _follow(replica: Room, master: Room) -> None:
    """Once it has heard of it as a master."""
    name = ask(master, "CLUSTER", "MYID")
    wait_for(lambda: ask(replica, "CLUSTER", "REPLICATE", name), f"a replica of {master.port}")


def _is_well(room: Room) -> bool:
    return in_step(room) and says(room, "cluster", "cluster_state:ok")


def _claim(room: Room, key: str) -> int:
    """Since which epoch it serves the key, by its own account; -1: it does not, or says nothing."""
    try:
        lines = ask(room, "CLUSTER", "NODES").splitlines()
    except redis.RedisError:
        return -1
    _, _, flags, _, _, _, epoch, _, *slots = next(ln.split() for ln in lines if "myself" in ln)
    slot = key_slot(key.encode())
    ranges = (each.partition("-") for each in slots if "[" not in each)
    owned = any(int(first) <= slot <= int(last or first) for first, _, last in ranges)
    return int(epoch) if owned and "master" in flags else -1
