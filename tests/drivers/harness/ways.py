"""The ways to a database that the suites are run in: direct or through a gateway, plain or by TLS."""

import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from . import TARGET

START_DEADLINE = 60  # seconds

DATABASE = """\
  {name}:
    endpoint: primary{dbname}
    pool: {{ mode: {mode}, size: {size}, session_state: pin, checkout_timeout: 30s }}"""

# Smaller than the number of connections that the suites use at the same time.
POOL_SIZE = 4

CONFIGURATION = """\
databases:
{databases}
endpoints:
  primary:
    url: "postgres://{user}@127.0.0.1:{server_port}?{server_tls}"
    credential: {{ provider: password, password: "${{SUITE_SERVER_PASSWORD}}" }}
gateway:
  listen: ["127.0.0.1:{port}"]
  unix_sockets: ["{dir}"]
  admin: "127.0.0.1:{admin_port}"
  state_dir: "{dir}/state"
  tls: {tls}
  auth:
    users: {{ {user}: {{ password: "${{SUITE_CLIENT_PASSWORD}}" }} }}
"""


class Way:
    """One column of the table."""

    def __init__(self, mode, tls):
        """`tls` is whether clients use TLS, as `gateway.tls.mode` says it, or nothing for never."""
        self.mode = mode
        self.tls = tls
        self.is_direct = mode == "direct"
        self.name = mode + ("+tls" if tls else "")

    @contextlib.contextmanager
    def open(self, pgmoor, log):
        """Starts what the way needs, and gives the environment of a suite."""
        with postgres() as server, contextlib.ExitStack() as stack:
            user, password, port = server["user"], server["password"], server["port"]
            if not self.is_direct:
                password = secrets.token_hex(16)
                port = stack.enter_context(self.gateway(pgmoor, server, password, log))
            environment = {
                "PGMOOR_TEST_URL": f"postgres://{user}:{password}@127.0.0.1:{port}/app",
                "PGMOOR_TEST_POOL_MODE": self.mode,
            }
            if self.tls:
                environment["PGMOOR_TEST_SSLROOTCERT"] = server["root_certificate"]
            yield environment

    @contextlib.contextmanager
    def gateway(self, pgmoor, server, password, log, databases=None, size=POOL_SIZE):
        """A gateway in front of the server, for the server's user; gives its port.

        `databases` are the names that clients ask for, with the server's name where it has another.
        """
        # Not the usual place of temporary files: a socket's path is at most 107 bytes long.
        directory = pathlib.Path(tempfile.mkdtemp(prefix="pgmoor-way-", dir="/tmp"))
        port, admin_port = free_port(), free_port()
        root = server["root_certificate"]
        tls = {"mode": "disable"}
        if self.tls:
            identity = (server["gateway_certificate"], server["gateway_key"])
            tls = {"mode": self.tls, "certificate": identity[0], "key": identity[1]}
        entries = [
            DATABASE.format(
                name=name,
                dbname=f"\n    dbname: {own_name}" if own_name else "",
                mode=self.mode,
                size=size,
            )
            for name, own_name in (databases or {"app": None}).items()
        ]
        text = CONFIGURATION.format(
            user=server["user"], databases="\n".join(entries), dir=directory, port=port, admin_port=admin_port,
            server_port=server["port"], tls=json.dumps(tls),
            server_tls=f"sslmode=verify-full&sslrootcert={root}" if self.tls else "sslmode=disable",
        )  # fmt: skip
        file = directory / "pgmoor.yaml"
        file.write_text(text)
        # pgmoor refuses variables of its name that it does not know.
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PGMOOR")}
        secret = {
            "SUITE_SERVER_PASSWORD": server["password"],
            "SUITE_CLIENT_PASSWORD": password,
        }
        with log.open("w") as output:
            process = subprocess.Popen(
                [pgmoor, "up", "--config", file],
                env={**kept, **secret},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_ready(process, port, admin_port, log)
            yield port
        finally:
            stop(process)
            shutil.rmtree(directory, ignore_errors=True)


WAYS = [Way(mode, tls) for mode in ("direct", "session", "transaction") for tls in (None, "require")]


@contextlib.contextmanager
def postgres(major=None, settings=()):
    """A private server of the test kit; it stops when its standard input ends."""
    fixture = [TARGET / "debug/examples/private-postgres", *([str(major)] if major else []), *settings]
    with subprocess.Popen(fixture, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        line = process.stdout.readline()
        if not line:
            raise SystemExit("error: the private PostgreSQL does not start; see above")
        yield json.loads(line)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_ready(process, port, admin_port, log):
    end = time.monotonic() + START_DEADLINE
    while not is_ready(port, admin_port):
        if process.poll() is not None or time.monotonic() > end:
            state = "has ended" if process.poll() is not None else "is not ready"
            raise SystemExit(f"error: the gateway {state}\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def is_ready(port, admin_port):
    """Asks the gateway, or sees whether a client gets an answer when there is no admin listener."""
    try:
        url = f"http://127.0.0.1:{admin_port}/readiness"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return False
    except OSError:
        ssl_request = b"\0\0\0\x08\x04\xd2\x16\x2f"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as probe:
            probe.sendall(ssl_request)
            return probe.recv(1) != b""
        return False


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
