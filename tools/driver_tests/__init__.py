"""What the tests of several drivers share; what is one driver's own stands in its package's tests.

Proxies and servers of their own are in `tools.backends`.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{room}" for room in ("killed", "load", "messages", "options"))
)
