"""The drivers: how each is installed, by its own client, and how its suite is run.

What is installed stands in lock files beside the suites, and goes into target/drivers.
"""

import hashlib
import os
import shutil
import subprocess
import sys

from . import CACHE, DRIVERS_DIR


def psycopg(source, place, run):
    python = place / "venv/bin/python"
    run(sys.executable, "-m", "venv", place / "venv")
    run(python, "-m", "pip", "install", "--quiet", "--requirement", source / "requirements.txt")
    return [python, source / "suite.py"], {}


def node_postgres(source, place, run):
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, place / name)
    run("npm", "ci", "--silent", "--no-audit", "--no-fund", cwd=place)
    # Node looks for modules beside the suite; there they must not be.
    modules = {"PGMOOR_TEST_NODE_MODULES": str(place / "package.json")}
    return ["node", "--no-deprecation", source / "suite.mjs"], modules


def jdbc(source, place, run):
    goals = ["compiler:compile", "dependency:copy-dependencies"]
    pom = source / "pom.xml"
    run("mvn", "--quiet", "--batch-mode", f"-Dpgmoor.build={place}", "--file", pom, *goals)
    return ["java", "-cp", f"{place}/classes:{place}/dependency/*", "Suite"], {}


def go(source, place, run):
    # Distributions forbid Go to fetch the newer version of itself that go.mod asks for.
    run("env", "GOTOOLCHAIN=auto", "go", "build", "-o", place / "suite", ".", cwd=source)
    return [place / "suite"], {}


def rust(source, place, run):
    # One target directory, as the drivers have most of their dependencies in common.
    target = CACHE / "cargo"
    build = ["cargo", "build", "--quiet", "--locked", "--target-dir", target]
    run(*build, "--manifest-path", source / "Cargo.toml")
    return [target / "debug" / f"driver-{source.name}"], {}


def psql(source, _place, _run):
    if not shutil.which("psql"):
        raise subprocess.CalledProcessError(127, "psql", "install the PostgreSQL client tools")
    return [source / "suite"], {}


DRIVERS = {
    "psql": psql,
    "psycopg": psycopg,
    "node-postgres": node_postgres,
    "jdbc": jdbc,
    "pgx": go,
    "lib-pq": go,
    "tokio-postgres": rust,
    "sqlx": rust,
}


def install(name):
    """Installs a driver unless that is done; returns the command of its suite and its environment."""
    source, place = DRIVERS_DIR / name, CACHE / name
    place.mkdir(parents=True, exist_ok=True)
    stamp = place / "installed"
    wanted = fingerprint(source)
    is_there = stamp.is_file() and stamp.read_text() == wanted
    if not is_there:
        print(f"installing {name}", flush=True)
    run = skip_step if is_there else run_step
    command, environment = DRIVERS[name](source, place, run)
    stamp.write_text(wanted)
    return [os.fspath(part) for part in command], environment


def run_step(*command, cwd=None):
    subprocess.run([os.fspath(part) for part in command], cwd=cwd, check=True)


def skip_step(*_command, cwd=None):
    """Does nothing: what the step makes is there already."""


def fingerprint(source):
    """Changes with every file that an installation is made from."""
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        if path.is_file() and "node_modules" not in path.parts:
            digest.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
