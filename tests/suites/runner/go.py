"""The suites of Go's drivers: a module comes with its tests."""

import json
import os
import re
import shutil
import stat
import subprocess

from . import CACHE
from .target import extension, run_logged, sql

DEADLINE = 900  # seconds


class GoModule:
    """A module of the version that our own driver suite has, too."""

    major = None

    def __init__(self, name, module, version, variables, before, patience=None, database="suite"):
        self.name = name
        self.database = database
        self.module = f"{module}@{version}"
        self.variables = variables
        self.before = before
        self.patience = patience or {}
        self.source = CACHE / name / "source"

    def fetch(self):
        stamp = CACHE / self.name / "fetched"
        wanted = f"{self.module} {self.patience}"
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        shutil.rmtree(CACHE / self.name, ignore_errors=True)
        (CACHE / self.name).mkdir(parents=True)
        answer = subprocess.run(
            ["go", "mod", "download", "-json", self.module],
            env=environment(),
            cwd=CACHE / self.name,
            stdout=subprocess.PIPE,
            check=True,
        )
        shutil.copytree(json.loads(answer.stdout)["Dir"], self.source)
        for path in [self.source, *self.source.rglob("*")]:
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
        for file, (short, long) in self.patience.items():
            path = self.source / file
            text = path.read_text()
            if short not in text:
                raise ValueError(f"{path} does not wait for {short}")
            path.write_text(text.replace(short, long))
        subprocess.run(
            ["go", "test", "-exec=true", "./..."],
            env=environment(),
            cwd=self.source,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        stamp.write_text(wanted)

    def prepare(self, target):
        sql(target.server, self.database, *self.before)

    def run(self, target):
        command = ["go", "test", "-json", "-count=1", "-p=1", "-timeout=600s", "./..."]
        variables = {**target.environment(), **environment(), **self.variables(target)}
        log = target.work / "log"
        output, _ = run_logged(command, log, variables, self.source, DEADLINE)
        outcomes = {}
        words = {"pass": "ok", "fail": "FAIL", "skip": "skip"}
        for line in output.splitlines():
            if not line.startswith("{"):
                continue
            event = json.loads(line)
            if event.get("Test") and event["Action"] in words:
                package = event["Package"].removeprefix(self.module.split("@")[0]).lstrip("/")
                name = re.sub(r"/tmp/Test[^/]*/\d+/", "/tmp/", f"{package}/{event['Test']}".lstrip("/"))
                outcomes[name] = words[event["Action"]]
        return outcomes


def environment():
    # Distributions forbid Go to fetch the newer version of itself that go.mod asks for.
    return {**os.environ, "GOTOOLCHAIN": "auto", "GOFLAGS": "-mod=mod"}


PGX = GoModule(
    "pgx",
    "github.com/jackc/pgx/v5",
    "v5.12.0",
    lambda target: {
        "PGX_TEST_DATABASE": f"host=127.0.0.1 port={target.port} user={target.user} "
        f"password={target.password} dbname={target.database} sslmode=disable",
        "PGX_TEST_TCP_CONN_STRING": f"{target.url}?sslmode=disable",
    },
    (
        extension("hstore"),
        extension("ltree"),
        "CREATE DOMAIN uint64 AS numeric(20,0)",
        """CREATE USER " tricky, ' } "" \\ test user " SUPERUSER""",
    ),
)

LIB_PQ = GoModule(
    "lib-pq",
    "github.com/lib/pq",
    "v1.12.3",
    lambda target: {"PGPASSWORD": target.password},
    (extension("hstore"),),
    # A tenth of a second is not enough on a busy machine; then the rest of the tests is lost, too.
    {"notify_test.go": ("time.After(100 * time.Millisecond)", "time.After(10 * time.Second)")},
    database="pqgo",
)
