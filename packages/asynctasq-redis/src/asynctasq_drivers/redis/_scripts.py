"""The scripts of `lua/`: each is sent by its name, and whole where the server does not know it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any, Final
from uuid import UUID
from weakref import WeakSet

from asynctasq.errors import OutcomeUnknown
from asynctasq_drivers.redis._client import TIMEOUT, Command, NotSent, ReplyLost
from asynctasq_drivers.redis._errors import translated
from asynctasq_drivers.redis._servers import Servers

_LUA: Final = files("asynctasq_drivers.redis") / "lua"

_reached: Final[WeakSet[Servers]] = WeakSet()
"""Where scripts that replicas wait for have been sent whole, and none was broken off since."""


class Script:
    """One of them, with what it begins with."""

    def __init__(self, name: str, *before: str) -> None:
        parts = [(_LUA / f"{part}.lua").read_text("utf-8") for part in ("_common", *before, name)]
        self.text: str = "\n".join(parts)
        self.sha: str = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


async def run(
    servers: Servers,
    script: Script,
    keys: Sequence[str],
    *words: str | bytes | int | float,
    ids: Iterable[UUID] = (),
    replicas: int = 0,
) -> Any:
    """The answer of a script. Raises what the contract knows; ``ids`` are told of as unknown.

    With replicas: once so many have what it wrote (https://redis.io/docs/latest/commands/wait/).
    """
    if not replicas:
        (answer,) = await _sent(servers, script, keys, words, ids)
        return answer
    wait = ("WAIT", replicas, int(TIMEOUT * 500))
    answer, reached = await _sent(servers, script, keys, words, ids, wait)
    if isinstance(reached, Exception):
        raise OutcomeUnknown(ids, f"WAIT was refused: {reached}") from reached
    if reached < replicas:
        raise OutcomeUnknown(ids, f"{reached} of redis_wait_replicas={replicas} have it")
    return answer


async def _sent(
    servers: Servers,
    script: Script,
    keys: Sequence[str],
    words: Sequence[str | bytes | int | float],
    ids: Iterable[UUID],
    *after: Command,
) -> list[Any]:
    rest = (len(keys), *keys, *words)
    by_name, whole = ("EVALSHA", script.sha, *rest), ("EVAL", script.text, *rest)
    # WAIT behind a script that is not known would wait for replicas before it is sent whole.
    first = whole if after and servers not in _reached else by_name
    try:
        answers = await servers.exchange(keys[0], [first, *after])
        if type(answers[0]).__name__ == "NoScriptError":
            answers = await servers.exchange(keys[0], [whole, *after])
    except (NotSent, ReplyLost) as error:
        _reached.discard(servers)  # perhaps another one takes its place
        raise translated(error, ids) from (error.__cause__ or error)
    except Exception as error:  # what a server says to a new connection
        raise translated(error, ids) from error
    if isinstance(answers[0], Exception):
        raise translated(answers[0], ids) from answers[0]
    if after:
        _reached.add(servers)
    return answers
