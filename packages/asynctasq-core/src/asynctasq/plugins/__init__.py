"""What other distributions add to the core, found by their entry points.

Groups: ``asynctasq.drivers`` (name: driver class, loaded only when chosen), ``asynctasq.options``
(name: options struct, in a module that imports no client library), ``asynctasq.emitters`` and
``asynctasq.subscribers`` (name: something callable that makes one). One that cannot be used harms
no other: it is reported by `installed`, and raised when it is chosen. Reading goes `_own`,
`_found`, `_declared`, `_drivers`, `_installed`.
"""

from __future__ import annotations

from importlib import invalidate_caches

from asynctasq.plugins._declared import Declared as Declared
from asynctasq.plugins._declared import declared as declared
from asynctasq.plugins._declared import options_structs as options_structs
from asynctasq.plugins._drivers import driver_class as driver_class
from asynctasq.plugins._drivers import emitter as emitter
from asynctasq.plugins._drivers import provides as provides
from asynctasq.plugins._drivers import require_installed as require_installed
from asynctasq.plugins._drivers import subscriber as subscriber
from asynctasq.plugins._drivers import subscribers as subscribers
from asynctasq.plugins._found import DRIVERS as DRIVERS
from asynctasq.plugins._found import EMITTERS as EMITTERS
from asynctasq.plugins._found import OPTIONS as OPTIONS
from asynctasq.plugins._found import SUBSCRIBERS as SUBSCRIBERS
from asynctasq.plugins._found import found as _found
from asynctasq.plugins._found import namesake as namesake
from asynctasq.plugins._found import told as told
from asynctasq.plugins._found import unreadable as unreadable
from asynctasq.plugins._installed import InstalledDriver as InstalledDriver
from asynctasq.plugins._installed import NotInstalled as NotInstalled
from asynctasq.plugins._installed import installed as installed
from asynctasq.plugins._installed import not_installed as not_installed
from asynctasq.plugins._own import how_to_install as how_to_install
from asynctasq.plugins._own import nearest as nearest
from asynctasq.plugins._own import owner_of_option as owner_of_option


def refresh() -> None:
    """Forget what was found, so that what was installed since is seen."""
    invalidate_caches()
    declared.cache_clear()
    _found.cache_clear()
