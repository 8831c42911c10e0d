"""psycopg2's suite, from its source distribution, against its published binary."""

import json
import shutil
import subprocess
import sys

from . import CACHE, SUITES_DIR
from .target import extension, run_logged, sql

VERSION = "2.9.13"
DEADLINE = 600  # seconds


class Psycopg2:
    name = "psycopg2"
    database = "suite"
    major = None

    def __init__(self):
        self.place = CACHE / self.name
        self.python = self.place / "venv/bin/python"
        self.source = self.place / "source"

    def fetch(self):
        stamp = self.place / "fetched"
        if stamp.is_file() and stamp.read_text() == VERSION:
            return
        shutil.rmtree(self.place, ignore_errors=True)
        self.source.mkdir(parents=True)
        run(sys.executable, "-m", "venv", self.place / "venv")
        pip = [self.python, "-m", "pip", "--quiet"]
        run(*pip, "install", f"psycopg2-binary=={VERSION}")
        sdist = [f"--dest={self.place}", "--no-deps", "--no-binary=psycopg2"]
        run(*pip, "download", *sdist, f"psycopg2=={VERSION}")
        archive = self.place / f"psycopg2-{VERSION}.tar.gz"
        run("tar", "--extract", "--strip-components=1", f"--directory={self.source}", f"--file={archive}")
        stamp.write_text(VERSION)

    def prepare(self, target):
        sql(target.server, self.database, extension("hstore"))

    def run(self, target):
        report = target.work / "report"
        tests = target.work / "python"
        # Beside nothing else of the source, which would hide the installed binary.
        shutil.copytree(self.source / "tests", tests / "tests")
        command = [self.python, SUITES_DIR / "runner/unittest_report.py", report, "tests"]
        variables = {
            **target.environment(),
            "PSYCOPG2_TESTDB": target.database,
            "PSYCOPG2_TEST_REPL_DSN": "",
        }
        run_logged(command, target.work / "log", variables, tests, DEADLINE)
        lines = report.read_text().splitlines() if report.is_file() else []
        return dict(json.loads(line) for line in lines)


def run(*command):
    subprocess.run([str(part) for part in command], check=True)
