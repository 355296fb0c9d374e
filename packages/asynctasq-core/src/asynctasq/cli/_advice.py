"""What somebody who starts a worker probably did not mean: told once, and done all the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asynctasq.config import current
from asynctasq.tasks import TASKS


def advice(app: str, queues: Sequence[str]) -> Iterator[str]:
    """What to say of an application whose tasks this worker will not run."""
    default = current().config.default_queue
    definitions = [TASKS.get(name) for name in TASKS.names()]
    theirs = sorted({each.config.get("queue", default) for each in definitions})
    if not definitions:
        yield f"--app {app}: it defines no task, so this worker can run none"
    elif not set(theirs) & set(queues or (default,)):
        yield (
            f"--queues {','.join(queues or (default,))}: the tasks of {app} are sent to "
            f"{', '.join(theirs)}, unless a call says otherwise"
        )
