"""The programs that judge: installed by their own clients, at the versions that stand here and beside."""

import functools
import hashlib
import os
import subprocess
import sys

from . import CACHE, HERE

# The oldest that the chart takes, the newest that is known here, and between.
KUBERNETES = ("1.30.0", "1.32.0", "1.35.0", "1.37.0")
DEADLINE = 120  # seconds, for any program that only looks at files


def enter_environment(command):
    """Goes on in the virtual environment of the tests; makes it when it is not there or stale."""
    place = CACHE / "venv"
    python = place / "bin/python"
    wanted = hashlib.sha256((HERE / "requirements.txt").read_bytes()).hexdigest()
    stamp = place / "installed"
    if not stamp.is_file() or stamp.read_text() != wanted:
        print("installing helm, kubernetes-validate and promql-parser", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--requirement", HERE / "requirements.txt"],
            check=True,
        )
        stamp.write_text(wanted)
    if sys.prefix != str(place):
        os.execv(python, [str(python), *command])


def run(*command, **options):
    """Runs a program that should succeed; what it says is in the failure when it does not."""
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=options.pop("timeout", DEADLINE), **options
    )
    if ended.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: {ended.stderr or ended.stdout}")
    return ended.stdout


def helm():
    return CACHE / "venv/bin/helm"


@functools.cache
def judge():
    """The program that has the readers of others in it; building it takes a minute or two, once."""
    source = HERE / "judge"
    digest = hashlib.sha256()
    for name in ("main.go", "go.mod", "go.sum"):
        digest.update((source / name).read_bytes())
    program = CACHE / f"judge-{digest.hexdigest()[:16]}"
    if not program.is_file():
        print("building the judge of pods, compose.yaml and Dockerfile", flush=True)
        # Distributions forbid Go to fetch the newer version of itself that go.mod asks for.
        environment = {**os.environ, "GOTOOLCHAIN": "auto"}
        run("go", "build", "-o", program, ".", cwd=source, env=environment, timeout=900)
    return program
