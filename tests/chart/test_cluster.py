"""What the chart refuses when Helm can look into the cluster, where a bundled server runs."""

import json
import unittest

from harness import HERE, chart, cluster

BUNDLED = HERE / "values/bundled.yaml"


def upgrade(values):
    """Renders these values against a cluster in which the bundled server of `bundled.yaml` runs."""
    running = chart.of_kind(chart.objects(chart.rendered(BUNDLED)), "StatefulSet")
    with cluster.with_stateful_set(json.loads(json.dumps(running))) as (address, asked):
        ended = chart.template(values, "--dry-run=server", "--kube-apiserver", address)
    if not any(path.endswith("/statefulsets/test-pgmoor-postgres") for path in asked):
        raise AssertionError(f"Helm did not look: {asked}: {ended.stderr}")
    return ended


class Cluster(unittest.TestCase):
    def test_another_major_version_is_refused_with_the_way_out(self):
        for major in (16, 18):
            ended = upgrade(f"auth: {{ existingSecret: app }}\nbundled: {{ major: {major} }}\n")
            with self.subTest(major):
                self.assertEqual(ended.returncode, 1)
                self.assertIn(f"has major version 17, and bundled.major is now {major}", ended.stderr)
                self.assertIn("set bundled.major back to 17", ended.stderr)
                self.assertIn("pgmoor move", ended.stderr)

    def test_the_same_major_version_with_other_settings_is_rendered(self):
        ended = upgrade("auth: { existingSecret: app }\nbundled: { parameters: { max_connections: 50 } }\n")

        self.assertEqual(ended.returncode, 0, ended.stderr)

    def test_a_bundled_server_is_not_dropped_by_the_way_for_an_external_one(self):
        external = "auth: {existingSecret: app}\nexternal: {host: h, user: app, dbname: app, existingSecret: db}\n"
        ended = upgrade(external)

        self.assertEqual(ended.returncode, 1)
        self.assertIn("StatefulSet test-pgmoor-postgres still runs with data in it", ended.stderr)
        self.assertIn("bundled.enabled=true", ended.stderr)
        for said in ("true", "false"):
            with self.subTest(said):
                ended = upgrade(external + f"bundled: {{ enabled: {said} }}\n")
                self.assertEqual(ended.returncode, 0, ended.stderr)
