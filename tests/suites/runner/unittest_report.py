"""Runs a package's unittest tests; writes a line of JSON with name and outcome for each.

    unittest_report.py REPORT PACKAGE
"""

import importlib
import json
import sys
import unittest


class Report(unittest.TextTestResult):
    to = None

    def note(self, test, outcome):
        self.to.write(json.dumps([test.id(), outcome]) + "\n")
        self.to.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test, "ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, "FAIL")

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, "FAIL")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skip")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.note(test, "ok")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test, "FAIL")


def main():
    sys.path.insert(0, ".")
    with open(sys.argv[1], "w") as Report.to:
        suite = importlib.import_module(sys.argv[2]).test_suite()
        unittest.TextTestRunner(verbosity=2, resultclass=Report).run(suite)


main()
