"""compose.yaml, the Dockerfile and the systemd unit, read by the libraries that Docker and systemd read them with."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

from harness import CHART, HERE, ROOT, tools
from harness import pgmoor as binary

COMPOSE = ROOT / "examples/compose/compose.yaml"
UNIT = ROOT / "examples/systemd/pgmoor.service"
# systemd's measure of what a service could do if it were taken over: 10 is everything.
EXPOSURE = 2.0


def judged(kind, path):
    environment = {**os.environ, "DB_PASSWORD": "geheim"}
    return json.loads(tools.run(tools.judge(), kind, path, env=environment))


class Compose(unittest.TestCase):
    def test_compose_loads_it(self):
        project = judged("compose", COMPOSE)

        self.assertEqual(set(project["services"]), {"gitea", "pgmoor", "postgres"})

    def test_compose_asks_for_the_password(self):
        environment = {name: value for name, value in os.environ.items() if name != "DB_PASSWORD"}
        ended = subprocess.run([tools.judge(), "compose", COMPOSE], capture_output=True, text=True, env=environment)

        self.assertEqual(ended.returncode, 1)
        self.assertIn("a password of your choice", ended.stderr)

    def test_a_key_that_compose_does_not_know_is_found(self):
        with tempfile.TemporaryDirectory() as place:
            path = pathlib.Path(place) / "compose.yaml"
            path.write_text(COMPOSE.read_text().replace("read_only:", "readonly:"))

            with self.assertRaisesRegex(AssertionError, "readonly"):
                judged("compose", path)

    def test_the_application_reaches_the_server_only_through_the_gateway(self):
        services = judged("compose", COMPOSE)["services"]

        self.assertFalse(set(services["gitea"]["networks"]) & set(services["postgres"]["networks"]))
        for name in ("gitea", "postgres"):
            self.assertTrue(set(services[name]["networks"]) & set(services["pgmoor"]["networks"]))

    def test_the_gateway_has_time_to_drain(self):
        grace = judged("compose", COMPOSE)["services"]["pgmoor"]["stop_grace_period"]

        # gateway.shutdown_timeout is 30s unless set, and it is not.
        self.assertNotIn("shutdown_timeout", (COMPOSE.parent / "pgmoor.yaml").read_text())
        self.assertEqual(grace, "40s")

    def test_the_health_check_is_a_command_that_there_is(self):
        check = judged("compose", COMPOSE)["services"]["pgmoor"]["healthcheck"]["test"]

        self.assertEqual(check[:2], ["CMD", "/usr/bin/pgmoor"])
        tools.run(binary(), *check[2:], "--help")


class Image(unittest.TestCase):
    def test_buildkit_reads_the_dockerfile_without_a_warning(self):
        stages = judged("dockerfile", ROOT / "Dockerfile")

        self.assertEqual([stage["name"] for stage in stages], ["build", "pgmoor"])
        self.assertEqual(stages[-1]["base"], "scratch")

    def test_the_same_binary_gives_the_same_files(self):
        with tempfile.TemporaryDirectory() as place:
            sums = []
            for name in ("first", "second"):
                root = pathlib.Path(place) / name
                tools.run(ROOT / "packaging/rootfs", "/bin/true", root)
                packed = subprocess.run(
                    ["tar", "--sort=name", "--create", "--directory", root, "."], capture_output=True, check=True
                )
                sums.append(hashlib.sha256(packed.stdout).hexdigest())
        self.assertEqual(sums[0], sums[1])

    def test_there_is_nothing_to_run_but_pgmoor(self):
        with tempfile.TemporaryDirectory() as place:
            root = pathlib.Path(place) / "image"
            tools.run(ROOT / "packaging/rootfs", binary(), root)
            files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
            programs = [str(path) for path in files if ".so" not in path.name and os.access(root / path, os.X_OK)]

            self.assertEqual(programs, ["usr/bin/pgmoor"])
            self.assertTrue((root / "etc/ssl/certs/ca-certificates.crt").stat().st_size)
            self.assertEqual([path for path in root.rglob("*") if path.stat().st_mode & 0o6000], [])

    def test_what_is_copied_is_there_and_not_ignored(self):
        kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
        copied = re.findall(r"^COPY ([^-].*) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
        names = {name for line in copied for name in line.split()}

        self.assertEqual(names, kept)
        for name in names:
            self.assertTrue((ROOT / name).exists(), name)

    def test_the_user_is_the_one_of_the_chart(self):
        text = (ROOT / "Dockerfile").read_text()
        values = yaml.safe_load((CHART / "values.yaml").read_text())["podSecurityContext"]

        self.assertEqual(re.findall(r"^USER (.*)$", text, re.M), [f"{values['runAsUser']}:{values['runAsGroup']}"])
        self.assertIn(f"\nuser={values['runAsUser']}\n", (ROOT / "packaging/rootfs").read_text())

    def test_the_toolchain_is_one_that_the_workspace_takes(self):
        wanted = re.search(r'rust-version = "(.*)"', (ROOT / "Cargo.toml").read_text())[1]

        self.assertIn(f"rust:{wanted}-bookworm", (ROOT / "Dockerfile").read_text())

    def test_the_chart_has_the_version_of_the_workspace(self):
        version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        described = yaml.safe_load((CHART / "Chart.yaml").read_text())

        self.assertEqual(described["appVersion"], version)
        self.assertIn(f"pgmoor:{version}", COMPOSE.read_text())


class Unit(unittest.TestCase):
    def setUp(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not here")
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.unit = pathlib.Path(self.place.name) / "pgmoor.service"
        # It would miss the program, which is not installed here.
        self.unit.write_text(UNIT.read_text().replace("/usr/local/bin/pgmoor", str(binary())))

    def test_systemd_reads_the_unit_without_a_word(self):
        ended = subprocess.run(["systemd-analyze", "verify", self.unit], capture_output=True, text=True)

        self.assertEqual((ended.returncode, ended.stdout + ended.stderr), (0, ""))

    def test_a_setting_that_systemd_does_not_know_is_found(self):
        self.unit.write_text(self.unit.read_text().replace("ProtectClock=", "ProtectClocks="))
        ended = subprocess.run(["systemd-analyze", "verify", self.unit], capture_output=True, text=True)

        self.assertIn("ProtectClocks", ended.stderr)

    def test_the_unit_leaves_little_to_who_takes_it_over(self):
        text = tools.run("systemd-analyze", "security", "--offline=true", "--no-pager", self.unit)
        exposure = re.search(r"exposure level for \S+: ([\d.]+)", text)[1]

        self.assertLessEqual(float(exposure), EXPOSURE)

    def test_the_commands_of_the_unit_are_understood(self):
        for line in re.findall(r"^Exec\w+=\S+ (.*)$", UNIT.read_text(), re.M):
            with self.subTest(line):
                tools.run(binary(), *line.split(), "--help")
