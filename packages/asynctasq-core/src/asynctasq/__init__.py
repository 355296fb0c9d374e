"""AsyncTasQ: a task queue that loses nothing.

Define tasks with `task` or `AsyncTask`, dispatch them, and let workers run them, on the backend
that `init` names.
"""

from __future__ import annotations

from asynctasq.app import close as close
from asynctasq.app import run as run
from asynctasq.config import init as init
from asynctasq.tasks import AsyncProcessTask as AsyncProcessTask
from asynctasq.tasks import AsyncTask as AsyncTask
from asynctasq.tasks import SyncProcessTask as SyncProcessTask
from asynctasq.tasks import SyncTask as SyncTask
from asynctasq.tasks import TaskConfig as TaskConfig
from asynctasq.tasks import TaskHandle as TaskHandle
from asynctasq.tasks import current as current
from asynctasq.tasks import dispatch_many as dispatch_many
from asynctasq.tasks import task as task
from asynctasq.tasks import transaction as transaction
