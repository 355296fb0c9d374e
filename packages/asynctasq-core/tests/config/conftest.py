"""Every test here starts unconfigured, in an empty folder."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _clean(clean) -> None:
    """What `clean` says, for all."""
