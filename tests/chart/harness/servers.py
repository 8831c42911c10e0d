"""Runs the scripts of the bundled PostgreSQL as its container would, with servers of several majors."""

import contextlib
import functools
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import CHART, ROOT, TARGET, tools
from .secrets import PASSWORD

START = CHART / "files/postgres-start"
GUARD = CHART / "files/postgres-guard"
DEADLINE = 60  # seconds, for a start, a stop or a refusal


@functools.cache
def path(major):
    """A search path with the server of this major version; the client is the system's."""
    client = pathlib.Path(os.path.realpath(shutil.which("pg_config") or "/")).parent
    known = [place for place in pathlib.Path("/usr/lib/postgresql").glob("*/bin")] + [client]
    clients = [place for place in known if (place / "psql").is_file()]
    own = TARGET / f"test-postgres/{major}/bin"
    if not (own / "postgres").is_file():
        tools.run(ROOT / "tests/fetch-postgres", str(major), timeout=600)
    return ":".join(map(str, [own, *clients, "/usr/bin", "/bin"]))


def user():
    """Whom the server runs as: PostgreSQL refuses root."""
    if os.geteuid():
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            known = pwd.getpwnam(name)
            return {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": []}
    raise AssertionError("there is no user to run PostgreSQL as")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Volume:
    """A volume, the sockets' directory and the password's file of one bundled server."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="pgmoor-volume-", dir="/tmp"))
        self.port = free_port()
        for name in ("volume", "sockets", "secrets"):
            (self.home / name).mkdir()
        self.data = self.home / "volume/data"
        self.password(PASSWORD)

    def own(self):
        """Gives all of it to the server's user, as fsGroup does."""
        for top in (self.home, *(self.home / name for name in ("volume", "sockets", "secrets"))):
            for root, directories, files in os.walk(top) if top != self.home else [(top, [], [])]:
                for name in [".", *directories, *files]:
                    if user():
                        os.chown(os.path.join(root, name), user()["user"], user()["group"])

    def password(self, text):
        file = self.home / "secrets/password"
        file.write_text(text + "\n")
        file.chmod(0o600)
        self.own()

    def close(self):
        shutil.rmtree(self.home)

    def environment(self, major, wanted=None, **more):
        return {
            "PATH": path(major),
            "LANG": "C.UTF-8",
            "MAJOR": str(wanted or major),
            "PGDATA": str(self.data),
            "SOCKET_DIRECTORY": str(self.home / "sockets"),
            "APP_USER": "app",
            "APP_DATABASE": "app",
            "APP_PASSWORD_FILE": str(self.home / "secrets/password"),
            **more,
        }

    def command(self, *arguments):
        listening = ["-c", f"port={self.port}", "-c", "listen_addresses=127.0.0.1"]
        return ["bash", START, *arguments, *listening]

    @contextlib.contextmanager
    def serving(self, major, *arguments, **more):
        """The server of this major, from when it takes connections over TCP until the block ends."""
        log = (self.home / "log").open("w+")
        server = subprocess.Popen(
            self.command(*arguments), env=self.environment(major, **more), stdout=log, stderr=log,
            cwd="/", **user(),
        )  # fmt: skip
        try:
            self.wait(server, log)
            yield self
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(DEADLINE)

    def wait(self, server, log):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            ask = ["pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
            if subprocess.run(ask, env={"PATH": path(17)}, timeout=DEADLINE).returncode == 0:
                return
            if server.poll() is not None:
                break
            select_briefly()
        log.seek(0)
        raise AssertionError(f"the server did not start: {log.read()}")

    def refusal(self, major, wanted=None):
        """What the script says when it does not start the server."""
        ended = subprocess.run(
            self.command(), env=self.environment(major, wanted), capture_output=True, text=True,
            timeout=DEADLINE, cwd="/", **user(),
        )  # fmt: skip
        if ended.returncode == 0:
            raise AssertionError("it started")
        return ended.stderr

    def sql(self, statement, password=PASSWORD, name="app"):
        """What psql prints, over TCP, as the application."""
        ended = subprocess.run(
            ["psql", "--no-psqlrc", "-At", "-h", "127.0.0.1", "-p", str(self.port), "-U", name, "app", "-c", statement],
            env={"PATH": path(17), "PGPASSWORD": password}, capture_output=True, text=True, timeout=DEADLINE,
        )  # fmt: skip
        return ended.stdout.strip() if ended.returncode == 0 else ended.stderr.strip()

    def guard(self, wanted):
        """The guard's answer to this major version, with the server that runs: code, and what it said."""
        ended = subprocess.run(
            ["bash", GUARD],
            env={
                "PATH": path(17),
                "MAJOR": str(wanted),
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.port),
                "PGUSER": "app",
                "PGDATABASE": "app",
                "APP_PASSWORD_FILE": str(self.home / "secrets/password"),
            },
            capture_output=True, text=True, timeout=DEADLINE,
        )  # fmt: skip
        return ended.returncode, ended.stdout + ended.stderr

    def files(self):
        """Every file of the volume, with size and time: to see whether anything was touched."""
        return {
            str(file): (file.stat().st_size, file.stat().st_mtime_ns)
            for file in (self.home / "volume").rglob("*")
        }


def select_briefly():
    """Between two looks at a condition."""
    time.sleep(0.05)
