"""What the tests of the chart are made of."""

import os
import pathlib

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
CHART = ROOT / "charts/pgmoor"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()

# Everything that is installed or built for the tests.
CACHE = TARGET / "chart"


def pgmoor():
    """The binary to test with."""
    return pathlib.Path(os.environ["PGMOOR"])
