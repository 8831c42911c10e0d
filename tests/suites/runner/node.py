"""node-postgres' own suite: each of its files is a program.

What npm publishes has no tests. Debian's unstable release has the sources, for as long as it does:
so this suite is not part of a short run.
"""

import re
import shutil
import subprocess

from . import CACHE
from .debian import tarball
from .target import run_logged

VERSION = "8.16.3"
FILE_DEADLINE = 60  # seconds
HELPERS = ["async@2.6.4", "bluebird@3.7.2", "co@4.6.0", "pg-copy-streams@0.3.0"]


class NodePostgres:
    name = "node-postgres"
    database = "suite"
    major = None

    def __init__(self):
        self.place = CACHE / self.name
        self.package = self.place / "node_modules/pg"

    def fetch(self):
        stamp = self.place / "fetched"
        if stamp.is_file() and stamp.read_text() == VERSION:
            return
        shutil.rmtree(self.place, ignore_errors=True)
        source = self.place / "source"
        source.mkdir(parents=True)
        archive = tarball("node-postgres", None, f"node-postgres_{VERSION}+*.orig.tar.gz", "sid")
        run("tar", "--extract", "--strip-components=1", f"--directory={source}", f"--file={archive}")
        (self.place / "package.json").write_text('{ "private": true }\n')
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
        run(*install, f"pg@{VERSION}", *HELPERS, cwd=self.place)
        for part in ("test", "script"):
            shutil.copytree(source / "packages/pg" / part, self.package / part)
        stamp.write_text(VERSION)

    def prepare(self, target):
        pass

    def run(self, target):
        environment = {**target.environment(), "PGPASSWORD": target.password, "PGTESTNOSSL": "1"}
        environment |= {
            "SCRAM_TEST_PGUSER": target.user,
            "SCRAM_TEST_PGPASSWORD": target.password,
        }
        set_up = ["node", "script/create-test-tables.js", "postgres://"]
        run_logged(set_up, target.work / "log", environment, self.package, FILE_DEADLINE)
        outcomes = {}
        for file in sorted((self.package / "test/integration").rglob("*-tests.js")):
            name = str(file.relative_to(self.package / "test/integration"))
            log = target.work / (name.replace("/", ".") + ".log")
            command = ["node", "--no-deprecation", file, "postgres://"]
            output, ended = run_logged(command, log, environment, self.package, FILE_DEADLINE)
            cases = re.findall(r"^  (\S.*?) (✔|\? - SKIPPED)$", output, re.M)
            for case, sign in cases:
                outcomes[f"{name}: {case}"] = "ok" if sign == "✔" else "skip"
            outcomes[name] = "ok" if ended == 0 else "FAIL"
        return outcomes


def run(*command, cwd=None):
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)
