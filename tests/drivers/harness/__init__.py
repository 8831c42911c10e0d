"""What the runner of the driver suites is made of."""

import os
import pathlib

DRIVERS_DIR = pathlib.Path(__file__).resolve().parent.parent
ROOT = DRIVERS_DIR.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()

# Everything that is installed or built for the suites.
CACHE = TARGET / "drivers"
