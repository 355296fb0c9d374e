"""All groups as one class."""

from __future__ import annotations

from asynctasq.testing.groups.attempts import Attempts
from asynctasq.testing.groups.cancellation import Cancellation
from asynctasq.testing.groups.concurrency import Concurrency
from asynctasq.testing.groups.crashes import Crashes
from asynctasq.testing.groups.cuts import Cuts
from asynctasq.testing.groups.delays import Delays
from asynctasq.testing.groups.dequeue import Dequeue
from asynctasq.testing.groups.enqueue import Enqueue
from asynctasq.testing.groups.fencing import Fencing
from asynctasq.testing.groups.histories import Histories
from asynctasq.testing.groups.idempotence import Idempotence
from asynctasq.testing.groups.leases import Leases
from asynctasq.testing.groups.lifecycle import Lifecycle
from asynctasq.testing.groups.limits import Limits
from asynctasq.testing.groups.migrations import Migrations
from asynctasq.testing.groups.ordering import Ordering
from asynctasq.testing.groups.origins import Origins
from asynctasq.testing.groups.own_transactions import OwnTransactions
from asynctasq.testing.groups.recovery import Recovery
from asynctasq.testing.groups.replay import Deletion, Replay
from asynctasq.testing.groups.restarts import Restarts
from asynctasq.testing.groups.results import Results
from asynctasq.testing.groups.settle import Settle
from asynctasq.testing.groups.stats import Purge, Stats
from asynctasq.testing.groups.task_states import TaskStates
from asynctasq.testing.groups.task_store import Tasks
from asynctasq.testing.groups.transactions import SettlingInTransactions, Transactions
from asynctasq.testing.groups.waiting import Waiting


class DriverSuite(
    Cuts,
    Restarts,
    Migrations,
    OwnTransactions,
    SettlingInTransactions,
    Transactions,
    Deletion,
    Replay,
    TaskStates,
    Tasks,
    Results,
    Purge,
    Stats,
    Limits,
    Histories,
    Concurrency,
    Crashes,
    Cancellation,
    Recovery,
    Delays,
    Origins,
    Attempts,
    Fencing,
    Leases,
    Settle,
    Ordering,
    Waiting,
    Dequeue,
    Idempotence,
    Enqueue,
    Lifecycle,
):
    """What a driver promises, whole. Its tests run from the last group to the first."""
