"""The native sidecar, in the chart of an application: examples/helm-sidecar, as it stands there."""

import shutil
import tempfile
import unittest
from pathlib import Path

import kubernetes_validate
import yaml

from harness import CHART, ROOT, chart, tools
from harness.chart import of_kind
from test_rendering import config_check


def build(place, chart_yaml=lambda text: text):
    """The example with its dependency, as `helm dependency build` puts it there."""
    here = Path(place) / "application"
    shutil.copytree(ROOT / "examples/helm-sidecar", here)
    text = (here / "Chart.yaml").read_text().replace("file://../../charts/pgmoor", f"file://{CHART}")
    (here / "Chart.yaml").write_text(chart_yaml(text))
    tools.run(tools.helm(), "dependency", "update", here)
    return here


class Sidecar(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.place.cleanup)
        cls.here = build(cls.place.name)

    def found(self, version=tools.KUBERNETES[-1]):
        ended = chart.template("{}", kubernetes=version, chart=self.here)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return chart.objects(ended.stdout)

    def test_only_the_configuration_is_made_beside_the_application(self):
        kinds = sorted(one["kind"] for one in self.found())

        self.assertEqual(kinds, ["ConfigMap", "Deployment", "Job"])

    def test_every_version_takes_the_pods(self):
        for version in tools.KUBERNETES:
            for one in self.found(version):
                with self.subTest(version, kind=one["kind"]):
                    kubernetes_validate.validate(one, version, strict=True)

    def test_it_serves_before_the_application_starts_and_ends_after_it(self):
        for name, _, spec in chart.pod_templates(self.found()):
            with self.subTest(name):
                (sidecar,) = spec["initContainers"]
                # That is what makes a container of an init container's place a sidecar.
                self.assertEqual(sidecar["restartPolicy"], "Always")
                self.assertEqual(sidecar["startupProbe"]["httpGet"]["path"], "/startup")
                self.assertNotIn("preStop", sidecar.get("lifecycle", {}))

    def test_its_pods_pass_pod_security_restricted(self):
        text = chart.template("{}", chart=self.here).stdout
        judged = tools.run(tools.judge(), "pods", "restricted", "latest", input=text)

        self.assertEqual(int(judged), 2)

    def test_its_configuration_is_in_order_and_lets_in_the_pod_alone(self):
        text = of_kind(self.found(), "ConfigMap")["data"]["pgmoor.yaml"]
        gateway = yaml.safe_load(text)["gateway"]

        self.assertTrue(config_check(text).startswith("ok: "))
        self.assertEqual(gateway["listen"], ["127.0.0.1:6432"])
        self.assertEqual(gateway["auth"]["trust"], ["loopback"])

    def test_every_volume_is_mounted_and_every_mount_has_its_volume(self):
        for name, _, spec in chart.pod_templates(self.found()):
            with self.subTest(name):
                mounts = [mount["name"] for one in spec["initContainers"] for mount in one["volumeMounts"]]
                self.assertEqual(sorted(mounts), sorted(volume["name"] for volume in spec["volumes"]))

    def test_values_of_the_dependency_are_refused_in_the_applications_chart_too(self):
        ended = chart.template("pgmoor: { modee: sidecar }", chart=self.here)

        self.assertIn("Additional property modee is not allowed", ended.stderr)
