"""The options of the driver. Imports nothing of it, so that asking for them costs nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class SqliteOptions(Struct, frozen=True, kw_only=True):
    """Which file, and how much a power cut may cost."""

    sqlite_path: Annotated[
        str,
        Meta(
            min_length=1,
            description="the file; relative to the working directory of each process",
        ),
    ] = "asynctasq.db"
    sqlite_synchronous: Annotated[
        Literal["full", "normal"],
        Meta(
            description="`full`: a power cut loses nothing; `normal`, faster: no kill of a process "
            "loses anything, a power cut may lose the last moments"
        ),
    ] = "full"
    sqlite_busy_timeout: Annotated[
        float,
        Meta(ge=0, description="seconds to wait while somebody else writes to the file"),
    ] = 5.0
    sqlite_auto_migrate: Annotated[
        bool,
        Meta(description="make the file, and bring its schema up to date, when it is opened"),
    ] = True
