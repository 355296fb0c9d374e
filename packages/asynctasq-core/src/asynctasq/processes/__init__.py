"""Child processes with warm event loops, for tasks that would hold up a worker's own."""

from asynctasq.processes._died import ChildDied, ChildNotStarted
from asynctasq.processes._manager import ProcessPoolManager, get_default_manager

__all__ = ["ChildDied", "ChildNotStarted", "ProcessPoolManager", "get_default_manager"]
