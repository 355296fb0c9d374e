"""The conformance suite: what the contract of a driver says, as tests that any driver can run.

A driver passes when every promise of `asynctasq.driver` holds for it, or is one that it declares
not to make. Install ``asynctasq-core[testing]`` and write one file in your own project::

    import pytest
    from asynctasq.testing import DriverSuite

    class TestMyDriver(DriverSuite):
        driver_class = MyDriver

        @pytest.fixture
        def new_driver(self):
            return lambda context: MyDriver(MyOptions(url="..."), context)

``new_driver`` makes unopened drivers of one and the same backend. It is called many times, from
any thread; each driver is opened, used and closed on one event loop. Queue names are made anew
for each test and nothing is cleaned up, so point it at a database, schema, virtual host or prefix
that this run may fill. Tests may run in parallel; on a server that they share, give each worker of
pytest-xdist (its name is in ``PYTEST_XDIST_WORKER``) a schema, virtual host or prefix of its own,
as some tests look at all queues there are. No pytest settings are needed; where warnings are
errors, pytest-asyncio itself asks for ``asyncio_default_fixture_loop_scope = function``.

What a subclass may say of itself, as class attributes:

======================  ==========================================================================
``driver_class``        what ``new_driver`` makes; tests of optional protocols that it does not
                        have are then not collected
``lease`` (1.0)         seconds of the shortest lease that the backend grants in earnest
``patience`` (5.0)      seconds that are waited for what was promised, before it is called broken
``quiet`` (0.1)         seconds that are waited to see that nothing comes
``outage`` (30.0)       seconds in which a driver must find its backend again
``examples`` (40)       how many histories are compared with the model
``backend``             name and version of the server, for the report
======================  ==========================================================================

What it may give beside, as methods. Without one, the tests that need it are not collected, and
the report says so. Keep what they need on ``self``, by an ``autouse`` fixture.

``async def restart_backend(self)``
    Stop and start the server; returns when it answers again.
``def cut_backend(self)``
    An asynchronous context manager: every connection is cut and none can be made inside it.
``def kill(self, driver)``
    Called when the loop of a driver has stopped for ever, as if its process had died. Its sockets
    are shut down already; end here what else a dead process would not hold, a file lock say.
``def transaction(self)``
    For `JoinsTransaction` and `SettlesInTransaction`: an asynchronous context manager that gives
    an object with ``connection`` (what a user passes), ``await commit()`` and ``await rollback()``.
``def empty_schema(self)``
    For `Migrates`: as ``new_driver``, on a schema of its own in which there is nothing yet.

A test is never skipped: where a capability is not declared it asserts what then must hold. What
is declared and what is observed must agree, so declare what you see, no less. A `TaskStore` that
cannot look at tasks of some state raises `Unsupported` from ``list`` for it, and ``get`` answers
None; dead tasks are shown by all.

What authors forget, and where it shows:

* a dequeue that is cancelled just when its answer arrives (`Cancellation`);
* a lease that ended but was not handed out again: it may still be settled (`Leases`);
* fencing of renewals, not of outcomes alone: a late one must not steal the lease back (`Fencing`);
* deliveries counted when the message is handed out, not when its outcome comes (`Attempts`);
* one process that dies between two steps (`Crashes`), or in ``open`` while it holds a lock;
* blocked waits that take every connection of the pool (`Waiting`);
* 0 where the number is not known (`Stats`).

``pytest -p asynctasq.testing.report --driver-report report.json`` writes what a run has shown;
``python -m asynctasq.testing.table report.json ...`` makes a Markdown table of such reports.
"""

from __future__ import annotations

from importlib import import_module

try:
    import pytest

    for _needed in ("hypothesis", "pytest_asyncio"):
        import_module(_needed)
except ModuleNotFoundError as _missing:
    raise ImportError(
        f"asynctasq.testing needs {_missing.name}, which is not installed: "
        'pip install "asynctasq-core[testing]"'
    ) from _missing

# Before they are imported: asserts that stand outside of test files show their values too.
pytest.register_assert_rewrite(
    "asynctasq.testing.groups", "asynctasq.testing._history", "asynctasq.testing._rig"
)

from asynctasq.testing._rig import NewDriver as NewDriver  # noqa: E402
from asynctasq.testing._suite import DriverSuite as DriverSuite  # noqa: E402
