"""What fetches and runs the suites of others, and compares."""

import pathlib
import sys

SUITES_DIR = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SUITES_DIR.parent / "drivers"))

from harness import ROOT, TARGET  # noqa: E402

# Everything that is fetched or built for the suites, and what they say.
CACHE = TARGET / "suites"

__all__ = ["CACHE", "ROOT", "SUITES_DIR", "TARGET"]
