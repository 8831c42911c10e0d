"""The chart's pods, rehearsed on this machine (`harness.pod`): the gateway's, the check's, the test's."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from harness import HERE

DEADLINE = 300  # seconds, for one rehearsal; it takes about fifteen


def rehearse(scenario):
    """What was seen."""
    command = ["unshare", "--net", "--mount", sys.executable, "-m", "harness.rehearsal", scenario]
    with tempfile.TemporaryDirectory(prefix="pgmoor-rehearsal-", dir="/tmp") as place:
        # The pods' users pass through it.
        os.chmod(place, 0o755)
        environment = {**os.environ, "PGMOOR_REHEARSAL": place}
        ended = subprocess.run(
            command, cwd=HERE, capture_output=True, text=True, timeout=DEADLINE, env=environment
        )
    if ended.returncode:
        raise AssertionError(ended.stderr)
    return json.loads(ended.stdout)


def can():
    own = ["unshare", "--net", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return os.geteuid() == 0 and subprocess.run(own, capture_output=True).returncode == 0


@unittest.skipUnless(can(), "it needs mounts of its own, which only root may have")
class Pods(unittest.TestCase):
    def test_the_gateway_serves_the_bundled_server_and_drops_no_transaction_when_it_stops(self):
        seen = rehearse("bundled")

        with self.subTest("probes say yes when all is well"):
            self.assertEqual(seen["up"], [200, 200, 200])
        with self.subTest("helm test logs in through the Service's port"):
            code, said = seen["test"]
            self.assertEqual(code, 0, said)
            self.assertIn("0 FAIL", said)
        with self.subTest("the server's certificate is verified and used"):
            self.assertEqual(seen["encrypted"], "t|app")
        with self.subTest("a transaction that is open when the pod is told to stop is finished"):
            self.assertIsNone(seen["stopping"])
            self.assertNotIn("ERROR", seen["committed"])
            self.assertEqual(seen["kept"], "2")
            self.assertEqual(seen["ended"], 0)
            self.assertTrue(seen["within"])
        with self.subTest("a server that is away makes it unready and restarts nothing"):
            self.assertEqual(seen["down"], [200, 503, 200])
            self.assertEqual(seen["again"], 200)

    def test_the_check_passes_a_good_database_and_stops_before_a_bad_one(self):
        seen = rehearse("check")

        code, said = seen["right"]
        self.assertEqual(code, 0, said)
        self.assertIn("0 FAIL", said)
        code, said = seen["wrong"]
        self.assertIn(code, (1, 3), said)
        self.assertRegex(said, r"FAIL PGM-LOG-\d+  refused for \"app\"")
        code, said = seen["away"]
        self.assertIn(code, (1, 3), said)
        self.assertRegex(said, r"FAIL PGM-NET-\d+")
        for _, said in seen.values():
            self.assertNotIn("geheim", said)

    def test_the_job_runs_migrations_once(self):
        seen = rehearse("migrations")

        for which in ("first", "second"):
            code, said = seen[which]
            self.assertEqual(code, 0, said)
        self.assertEqual(seen["made"], "1|t")

    def test_the_sidecar_lets_its_pod_in_without_a_password(self):
        self.assertEqual(rehearse("sidecar")["without a password"], "app")
