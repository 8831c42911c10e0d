"""What a suite is run against: a PostgreSQL of its own, itself or behind a gateway."""

import contextlib
import dataclasses
import os
import pathlib
import secrets
import shutil
import subprocess

from harness.ways import Way, postgres

from . import CACHE

MODES = ("direct", "session", "transaction")

# More than any suite has open at the same time: they test drivers, not queues.
POOL_SIZE = 60


@dataclasses.dataclass
class Target:
    """Where a suite connects to, always as a superuser, and where it may write."""

    mode: str
    major: int
    port: int
    user: str
    password: str
    database: str
    work: pathlib.Path
    # The server itself, for what has to be there before the suite begins.
    server: dict

    @property
    def url(self):
        return f"postgres://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.database}"

    def environment(self):
        """libpq's variables; the password in a file."""
        passfile = self.work / "pgpass"
        passfile.write_text(f"*:*:*:*:{self.password}\n")
        passfile.chmod(0o600)
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
        return {
            **kept,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.database,
            "PGPASSFILE": str(passfile),
            "PGSSLMODE": "disable",
        }


@contextlib.contextmanager
def open_target(suite, mode, pgmoor, major):
    work = CACHE / suite.name / "runs" / mode
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    database = suite.database
    with contextlib.ExitStack() as stack:
        # As the suites of drivers want it; PostgreSQL's own does not mind.
        settings = ("wal_level=logical", "max_prepared_transactions=10")
        server = stack.enter_context(postgres(major, () if suite.major else settings))
        server = {**server, "user": "postgres", "password": server["admin_password"]}
        sql(server, "postgres", f'CREATE DATABASE "{database}" TEMPLATE template0')
        port, password = server["port"], server["password"]
        if mode != "direct":
            password = secrets.token_hex(16)
            # As the server itself.
            way = Way(mode, tls="allow")
            # Physical replication asks for no database, and clients call it so.
            databases = {database: None, "postgres": None, "template1": None, "replication": database}
            gateway = way.gateway(pgmoor, server, password, work / "gateway.log", databases, POOL_SIZE)
            port = stack.enter_context(gateway)
        target = Target(mode, server["major"], port, "postgres", password, database, work, server)
        suite.prepare(target)
        yield target


def sql(server, database, *statements):
    """Runs statements at the server itself."""
    command = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={database}"]
    environment = {
        **os.environ,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server["port"]),
        "PGUSER": server["user"],
        "PGPASSWORD": server["password"],
    }
    text = "".join(f"{statement};\n" for statement in statements)
    subprocess.run(command, input=text, text=True, env=environment, check=True)


def extension(name):
    """Makes an extension where the server has it: tests that need one fail alike without it."""
    where = f"IF EXISTS (SELECT FROM pg_available_extensions WHERE name = '{name}')"
    return f"DO $$ BEGIN {where} THEN CREATE EXTENSION {name}; END IF; END $$"


def run_logged(command, log, environment, cwd, deadline):
    """Runs a program to its end; gives its output, and how it ended."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            ended = process.wait(deadline)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            ended = None
    return log.read_text(errors="replace"), ended
