"""A primary with a standby that may be read, and can take its place."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tools.backends import Room
from tools.backends.recipes import Command

from .own import HOST, ask, program, server, wait_for

_SLOT = "standby"
"""For it the primary keeps what the standby has not got yet, however long that is away."""


@dataclass(frozen=True)
class Pair:
    """Both may be stopped, killed, paused and started again. What waits here blocks its thread."""

    primary: Room
    standby: Room

    @property
    def url(self) -> str:
        """With both, the standby first: a client has to find the one that can be written to."""
        places = f"{HOST}:{self.standby.port},{HOST}:{self.primary.port}"
        parts = urlsplit(self.primary.url)
        return parts._replace(netloc=f"{parts.username}@{places}").geturl()

    def wait_until_caught_up(self, seconds: float = 20.0) -> None:
        """Until whoever reads from the standby sees all that the primary has committed by now."""
        # A record of our own: the one before it may end where the standby never says that it is.
        (here,) = ask(self.primary, "SELECT pg_logical_emit_message(true, '', '')")
        there = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        wait_for(lambda: ask(self.standby, there, here) == [True], f"a standby at {here}", seconds)

    def promote(self) -> None:
        """Make the standby one that takes writes; returns once it does.

        It does not ask the primary: kill that before, or both take writes.
        """
        assert ask(self.standby, "SELECT pg_promote(true, 20)") == [True]
        wait_for(lambda: not ask(self.standby, "SELECT pg_is_in_recovery()")[0], "a new primary")


@contextmanager
def standby(*arguments: str) -> Generator[Pair]:
    """A new pair, caught up; both are told these arguments."""
    with server(*arguments) as primary:
        place = f"host={HOST} port={primary.port} user=postgres application_name={_SLOT}"

        def copy(data: Path) -> list[Command]:
            slot = ("--create-slot", f"--slot={_SLOT}", "--checkpoint=fast", "--no-sync")
            return [Command((program("pg_basebackup"), "-D", str(data), "-d", place, *slot))]

        # Not by -R: a newer pg_basebackup writes down what an older server does not know.
        follow = ("-c", f"primary_conninfo={place}", "-c", f"primary_slot_name={_SLOT}")
        files = {"standby.signal": ""}
        with server(*arguments, *follow, files=files, filling=copy) as room:
            pair = Pair(primary, room)
            pair.wait_until_caught_up()
            yield pair
