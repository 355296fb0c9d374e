"""How each server is started on a folder and a port: its programs, options and traps."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_SQL = """\
CREATE USER IF NOT EXISTS root@127.0.0.1
GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION
CREATE DATABASE IF NOT EXISTS test
"""
_POOL = """\
auth_type = any
pool_mode = transaction
[databases]
* = host=127.0.0.1 port=5432 user=postgres
"""
"""Whoever comes may use any database of the server at the standard port."""


@dataclass(frozen=True)
class Command:
    """A program to run in the data folder; `feed` is what it reads."""

    words: Sequence[str]
    feed: str = ""


@dataclass(frozen=True)
class Recipe:
    """One kind of server."""

    programs: tuple[str, ...]
    places: tuple[str, ...]
    """Where its programs may be beside PATH, as patterns below `/`."""
    package: str
    """What apt-get calls it."""
    url: str
    """With `{port}`."""
    prepare: Callable[[Path], list[Command]]
    """Run once, on an empty data folder; may write files there."""
    serve: Callable[[Path, int], Command]
    """The server itself, in the foreground."""
    environment: Callable[[Path, int], dict[str, str]] = lambda data, port: {}
    ports: int = 1
    """How many in a row it takes."""
    stop: signal.Signals = signal.SIGTERM
    tell_all: bool = False
    """Whether each process is asked to stop, not only the first."""
    unasked: str = ""
    """The service that its package brings up once it is installed, though nobody needs it."""

    def missing(self) -> list[str]:
        """Those of its programs that are not on this machine."""
        return [name for name in self.programs if find(name, self.places) is None]


def find(program: str, places: Sequence[str] = ()) -> str | None:
    """Where the program is; of several versions the one that sorts last.

    First come the folders of `ASYNCTASQ_PROGRAMS`, named as in PATH: so tests run on another
    version. PATH comes last: Debian's `rabbitmq-server` there is a wrapper that changes its
    account.
    """
    if named := shutil.which(program, path=os.environ.get("ASYNCTASQ_PROGRAMS", "")):
        return named
    root = Path("/")
    found = [str(p) for place in places for p in sorted(root.glob(f"{place}/{program}"))]
    usable = [path for path in found if os.access(path, os.X_OK)]
    return usable[-1] if usable else shutil.which(program)


def _program(server: str, name: str) -> str:
    found = find(name, RECIPES[server].places)
    if found is None:
        raise FileNotFoundError(f"{server} needs {name}, which is not installed")
    return found


def _prepare_redis(data: Path) -> list[Command]:
    return []


def _serve_redis(data: Path, port: int) -> Command:
    program = _program("redis", "redis-server")
    options = ("--bind", "127.0.0.1", "--dir", str(data), "--save", "", "--appendonly", "yes")
    # The port of a cluster's bus is 10,000 higher by default, which may be too high.
    return Command((program, "--port", str(port), "--cluster-port", str(port + 1), *options))


def _prepare_postgres(data: Path) -> list[Command]:
    initdb = (_program("postgres", "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust")
    single = (_program("postgres", "postgres"), "--single", "-D", str(data), "postgres")
    return [
        Command((*initdb, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")),
        Command(single, feed="CREATE DATABASE test\n"),
    ]


def _serve_postgres(data: Path, port: int) -> Command:
    options = ("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
    return Command((_program("postgres", "postgres"), "-D", str(data), "-p", str(port), *options))


def _prepare_pgbouncer(data: Path) -> list[Command]:
    (data / "more.ini").write_text(_POOL, encoding="ascii")
    return []


def _serve_pgbouncer(data: Path, port: int) -> Command:
    # Only a file tells it its port. A second [pgbouncer] undoes the first: the other goes on in it.
    place = f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
    file = data.parent / "pgbouncer.ini"
    file.write_text(f"[pgbouncer]\n{place}%include more.ini\n", encoding="ascii")
    return Command((_program("pgbouncer", "pgbouncer"), str(file)))


def _prepare_mysql(data: Path) -> list[Command]:
    (data.parent / "init.sql").write_text(_SQL.replace("\n", ";\n"), encoding="utf-8")
    install = _program("mysql", "mariadb-install-db")
    options = ("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
    return [Command((install, "--no-defaults", f"--datadir={data}", *options))]


def _serve_mysql(data: Path, port: int) -> Command:
    program = (_program("mysql", "mariadbd"), "--no-defaults", f"--datadir={data}")
    # Paths of sockets are short: this one is relative to the data folder.
    place = (f"--port={port}", "--bind-address=127.0.0.1", "--socket=mysqld.sock")
    return Command((*program, *place, f"--init-file={data.parent / 'init.sql'}"))


def _prepare_rabbitmq(data: Path) -> list[Command]:
    cookie = data / ".erlang.cookie"
    cookie.write_text(os.urandom(20).hex(), encoding="ascii")
    cookie.chmod(0o400)
    (data / "plugins").write_text("[].\n", encoding="ascii")
    (data / "more.conf").touch()
    (data / "advanced.config").write_text("[].\n", encoding="ascii")
    return []


def _serve_rabbitmq(data: Path, port: int) -> Command:
    # Without a name server of its own it leaves a daemon behind, which serves the whole machine.
    names = f"{_program('rabbitmq', 'epmd')} -address 127.0.0.1 -port {port + 2} &"
    return Command(("sh", "-c", f'{names} exec "$0"', _program("rabbitmq", "rabbitmq-server")))


def _rabbitmq_conf(data: Path, port: int) -> None:
    """Write it, with what stands in more.conf, where `{tls_port}` is one that is free for that."""
    more = (data / "more.conf").read_text(encoding="utf-8")
    places = more.format(tls_port=port + 3, management_port=port + 4)
    conf = f"listeners.tcp.1 = 127.0.0.1:{port}\n{places}"
    (data / "rabbitmq.conf").write_text(conf, encoding="utf-8")


def _rabbitmq_environment(data: Path, port: int) -> dict[str, str]:
    _rabbitmq_conf(data, port)
    folders = {name: str(data / name.lower()) for name in ("MNESIA_BASE", "LOG_BASE")}
    loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
    settings = {
        **folders,
        "NODENAME": f"room{port}@localhost",
        "DIST_PORT": str(port + 1),
        "CONFIG_FILE": str(data / "rabbitmq.conf"),
        "ADVANCED_CONFIG_FILE": str(data / "advanced.config"),
        "ENABLED_PLUGINS_FILE": str(data / "plugins"),
        "PID_FILE": str(data / "pid"),
        "LOGS": "-",
        "SERVER_ADDITIONAL_ERL_ARGS": loopback,
        "CTL_ERL_ARGS": f"{loopback} -start_epmd false",
    }
    own = {f"RABBITMQ_{name}": value for name, value in settings.items()}
    # As under systemd, the script becomes the server, rather than waiting for it.
    return {**own, "ERL_EPMD_PORT": str(port + 2), "RUNNING_UNDER_SYSTEMD": "true"}


RECIPES = {
    "mysql": Recipe(
        ("mariadbd", "mariadb-install-db"),
        ("usr/sbin", "usr/local/sbin"),
        "mariadb-server",
        "mysql://root@127.0.0.1:{port}/test",
        _prepare_mysql,
        _serve_mysql,
    ),
    "pgbouncer": Recipe(
        ("pgbouncer",),
        ("usr/sbin",),
        "pgbouncer",
        "postgresql://postgres@127.0.0.1:{port}/test",
        _prepare_pgbouncer,
        _serve_pgbouncer,
        unasked="pgbouncer",
    ),
    "postgres": Recipe(
        ("initdb", "postgres"),
        ("usr/lib/postgresql/*/bin",),
        "postgresql",
        "postgresql://postgres@127.0.0.1:{port}/test",
        _prepare_postgres,
        _serve_postgres,
        stop=signal.SIGINT,  # without waiting for its clients to leave
    ),
    "rabbitmq": Recipe(
        ("rabbitmq-server", "epmd"),
        ("usr/lib/rabbitmq/bin",),
        "rabbitmq-server",
        "amqp://guest:guest@127.0.0.1:{port}/",
        _prepare_rabbitmq,
        _serve_rabbitmq,
        _rabbitmq_environment,
        ports=5,  # its own, that of other nodes, that of names, and those that more.conf may use
        tell_all=True,
    ),
    "redis": Recipe(
        ("redis-server",),
        (),
        "redis-server",
        "redis://127.0.0.1:{port}",
        _prepare_redis,
        _serve_redis,
        ports=2,
    ),
}
