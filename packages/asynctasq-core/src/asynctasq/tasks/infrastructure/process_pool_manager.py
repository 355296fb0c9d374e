"""The older path of the pool of child processes."""

from asynctasq.processes import ProcessPoolManager, get_default_manager

__all__ = ["ProcessPoolManager", "get_default_manager"]
