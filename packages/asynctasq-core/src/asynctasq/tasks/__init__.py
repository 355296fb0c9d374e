"""What users write: tasks, their calls, dispatch, and results."""

from __future__ import annotations

from asynctasq.tasks._buses import event_bus as event_bus
from asynctasq.tasks._buses import hold_bus as hold_bus
from asynctasq.tasks._buses import release_bus as release_bus
from asynctasq.tasks._call import Call as Call
from asynctasq.tasks._classes import AsyncProcessTask as AsyncProcessTask
from asynctasq.tasks._classes import AsyncTask as AsyncTask
from asynctasq.tasks._classes import SyncProcessTask as SyncProcessTask
from asynctasq.tasks._classes import SyncTask as SyncTask
from asynctasq.tasks._client import Client as Client
from asynctasq.tasks._client import dispatch_through as dispatch_through
from asynctasq.tasks._config import TaskConfig as TaskConfig
from asynctasq.tasks._current import CurrentTask as CurrentTask
from asynctasq.tasks._current import current as current
from asynctasq.tasks._current import enter_task as enter_task
from asynctasq.tasks._definition import TASKS as TASKS
from asynctasq.tasks._definition import Definition as Definition
from asynctasq.tasks._definition import Runnable as Runnable
from asynctasq.tasks._dispatch import dispatch_many as dispatch_many
from asynctasq.tasks._function import FunctionTask as FunctionTask
from asynctasq.tasks._function import task as task
from asynctasq.tasks._handle import TaskHandle as TaskHandle
from asynctasq.tasks._transaction import TransactionState as TransactionState
from asynctasq.tasks._transaction import enter_attempt as enter_attempt
from asynctasq.tasks._transaction import transaction as transaction
