"""Where the server is that tests share: each has something of its own there."""

from __future__ import annotations

import pytest

from tools import servers


def url(name: str) -> str:
    """That of the server which is told, else at its standard port. Without it a test fails."""
    told = servers.server(name)
    if problem := told.problem():
        pytest.fail(problem)
    assert told.url
    return told.url
