"""The ``redis`` driver: the whole contract on Redis or Valkey, and events over Pub/Sub.

Read `_driver.py` first: one method for each verb. Each is one script of `lua/` for each queue,
sent by `_scripts.py` on the connections of `_client.py`; `_keys.py` names what is stored,
`_rows.py` tells how it reads in Python. Who waits is woken by `_wakes.py`. Events go by
`_emitter.py` and `_subscriber.py`, over one channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asynctasq_drivers.redis._options import RedisOptions as RedisOptions

if TYPE_CHECKING:
    from asynctasq_drivers.redis._driver import RedisDriver as RedisDriver
    from asynctasq_drivers.redis._emitter import RedisEventEmitter as RedisEventEmitter
    from asynctasq_drivers.redis._subscriber import RedisEventSubscriber as RedisEventSubscriber


def __getattr__(name: str) -> Any:
    """What needs the client library, once it is asked for: who only wants the options does not."""
    if name == "RedisDriver":
        from asynctasq_drivers.redis._driver import RedisDriver

        return RedisDriver
    if name == "RedisEventEmitter":
        from asynctasq_drivers.redis._emitter import RedisEventEmitter

        return RedisEventEmitter
    if name == "RedisEventSubscriber":
        from asynctasq_drivers.redis._subscriber import RedisEventSubscriber

        return RedisEventSubscriber
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
