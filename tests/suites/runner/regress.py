"""PostgreSQL's own regression suite, at the very release that is installed."""

import os
import re
import shutil
import subprocess

from . import CACHE
from .debian import installed_version, tarball
from .target import run_logged, sql

MAJOR = 15
DEADLINE = 900  # seconds

# The groups of a short run, by their first tests: types, COPY, what others build on, and what lives in
# a session.
SHORT = (
    "test_setup", "tablespace", "boolean", "strings", "geometry", "copy", "create_function_c",
    "create_index", "create_aggregate", "sanity_check", "select_into", "plancache",
)  # fmt: skip

# As pg_regress sets them for a database that it makes itself.
SETTINGS = {
    "lc_messages": "C",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "bytea_output": "hex",
    "timezone_abbreviations": "Default",
}


class Regress:
    name = "regress"
    database = "regression"
    major = MAJOR

    def __init__(self):
        self.is_short = False
        self.place = CACHE / self.name
        self.source = self.place / "source"
        self.built = self.place / "build/src/test/regress"

    def fetch(self):
        version = installed_version(f"postgresql-{MAJOR}")
        release = version.split("-")[0]
        stamp = self.place / "built"
        if stamp.is_file() and stamp.read_text() == release:
            return
        shutil.rmtree(self.place, ignore_errors=True)
        archive = tarball(f"postgresql-{MAJOR}", version, f"postgresql-{MAJOR}_{release}.orig.tar.*")
        build = self.place / "build"
        build.mkdir(parents=True)
        self.source.mkdir()
        run("tar", "--extract", "--strip-components=1", f"--directory={self.source}", f"--file={archive}")
        # Only what runs the tests: the server is the installed one.
        run(self.source / "configure", "--quiet", "--without-readline", "--without-zlib", cwd=build)
        jobs = f"--jobs={os.cpu_count() or 1}"
        run("make", "--silent", "--directory=src/backend", "generated-headers", cwd=build)
        run("make", "--silent", jobs, "--directory=src/test/regress", "all", cwd=build)
        # The server runs as another user.
        for directory in (self.source, self.built):
            open_way(directory)
        stamp.write_text(release)

    def prepare(self, target):
        settings = [f"ALTER DATABASE {self.database} SET {n} TO '{v}'" for n, v in SETTINGS.items()]
        sql(target.server, "postgres", *settings)
        for name in ("results", "sql", "expected", "testtablespace"):
            (target.work / name).mkdir()
            # The server writes there.
            (target.work / name).chmod(0o777)
        target.work.chmod(0o777)
        open_way(target.work)

    def run(self, target):
        # pg_regress hears of no variable but the home directory.
        home = target.work / "home"
        home.mkdir(mode=0o700)
        passfile = home / ".pgpass"
        passfile.write_text(f"*:*:*:*:{target.password}\n")
        passfile.chmod(0o600)
        inputs = self.source / "src/test/regress"
        command = [
            self.built / "pg_regress",
            f"--inputdir={inputs}",
            f"--outputdir={target.work}",
            f"--bindir=/usr/lib/postgresql/{MAJOR}/bin",
            f"--dlpath={self.built}",
            "--host=127.0.0.1",
            f"--port={target.port}",
            f"--user={target.user}",
            f"--dbname={self.database}",
            "--use-existing",
            "--max-concurrent-tests=20",
            f"--schedule={self.schedule(target)}",
        ]
        environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        log = target.work / "log"
        output, _ = run_logged(command, log, environment, target.work, DEADLINE)
        return {
            name: "ok" if verdict == "ok" else "FAIL"
            for name, verdict in re.findall(r"^(?:test| +) *(\S+) +\.\.\. (ok|FAILED)\b", output, re.M)
        }


    def schedule(self, target):
        whole = self.source / "src/test/regress/parallel_schedule"
        if not self.is_short:
            return whole
        lines = whole.read_text().splitlines()
        groups = [line for line in lines if line.startswith(tuple(f"test: {name}" for name in SHORT))]
        part = target.work / "schedule"
        part.write_text("\n".join(groups) + "\n")
        return part


def run(*command, cwd=None):
    subprocess.run([os.fspath(part) for part in command], cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def open_way(path):
    """Lets everybody pass through the directories that lead there."""
    for directory in (path, *path.parents):
        mode = directory.stat().st_mode
        if mode & 0o111 != 0o111:
            directory.chmod(mode | 0o111)
