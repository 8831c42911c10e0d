"""What a suite shows through a gateway beside what it shows directly."""

import collections

from . import SUITES_DIR


# The heading of tests that say the same of nothing: they hang on the time that a step takes.
UNCERTAIN = "not compared"


class Comparison:
    """One mode's outcomes against the direct ones, and against the list of known differences."""

    def __init__(self, suite, mode, direct, through):
        names = sorted({*direct, *through})
        self.differing = {
            name: (direct.get(name, "none"), through.get(name, "none"))
            for name in names
            if direct.get(name) != through.get(name)
        }
        uncertain = known_differences(suite, UNCERTAIN)
        for name in uncertain:
            self.differing.pop(name, None)
        known = known_differences(suite, mode)
        self.known = {name: known[name] for name in self.differing if name in known}
        self.new = [name for name in self.differing if name not in known]
        # In a short run some tests do not run at all.
        self.gone = [name for name in known if name in direct and name not in self.differing]
        self.is_empty = not direct or not through

    @property
    def holds(self):
        return not self.new and not self.gone and not self.is_empty

    def describe(self):
        for name in self.new:
            was, became = self.differing[name]
            yield f"DIFFERS  {name}: directly {was}, through the gateway {became}"
        for name in self.gone:
            yield f"HOLDS    {name}: is listed as a difference, and is none"
        if self.is_empty:
            yield "EMPTY    the suite ran no test"


def known_differences(suite, mode):
    """Lines `test: reason` below the mode's heading `[mode]`."""
    path = SUITES_DIR / "differences" / f"{suite}.txt"
    known, section = {}, None
    for line in path.read_text().splitlines() if path.is_file() else []:
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line and not line.startswith("#") and section == mode:
            name, _, reason = line.rpartition(" -- ")
            known[name] = reason
    return known


def counts(outcomes):
    tally = collections.Counter(outcomes.values())
    return ", ".join(f"{tally[word]} {word}" for word in ("ok", "FAIL", "skip") if tally[word])
