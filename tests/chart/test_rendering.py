"""What the chart renders, judged by those who would read it: Helm, Kubernetes' schemas, Pod Security, pgmoor."""

import json
import os
import re
import subprocess
import tempfile
import unittest

import kubernetes_validate
import yaml

from harness import CHART, HERE, chart, secrets, tools
from harness import pgmoor as binary
from harness.chart import of_kind

# Not Kubernetes' own: there is no schema for them, and test_monitoring looks at what is in them.
OPERATORS = {"ServiceMonitor", "PrometheusRule"}
GOLDEN = HERE / "golden"


def cases():
    for values in chart.values_files():
        yield values.stem, chart.objects(chart.rendered(values))


class Rendering(unittest.TestCase):
    def test_helm_lints_every_values_file_strictly(self):
        for values in chart.values_files():
            with self.subTest(values.stem):
                tools.run(tools.helm(), "lint", "--strict", CHART, "--values", values)

    def test_every_values_file_gives_what_its_golden_file_holds_on_every_version(self):
        for values in chart.values_files():
            golden = GOLDEN / values.name
            if os.environ.get("PGMOOR_BLESS"):
                golden.write_text(chart.rendered(values))
            for version in tools.KUBERNETES:
                with self.subTest(values.stem, version=version):
                    self.assertEqual(
                        chart.rendered(values, version),
                        golden.read_text() if golden.is_file() else None,
                        "if this is meant: tests/chart/run --bless",
                    )

    def test_there_is_no_golden_file_without_values(self):
        names = {values.name for values in chart.values_files()}
        self.assertEqual({path.name for path in GOLDEN.iterdir()}, names)

    def test_every_manifest_is_valid_in_every_version(self):
        for name, found in cases():
            for version in tools.KUBERNETES:
                for one in found:
                    if one["kind"] in OPERATORS:
                        continue
                    with self.subTest(name, version=version, kind=one["kind"]):
                        kubernetes_validate.validate(one, version, strict=True)

    def test_a_field_that_kubernetes_does_not_know_is_found(self):
        service = of_kind(chart.objects(chart.rendered(HERE / "values/bundled.yaml")), "Service", "test-pgmoor")
        service["spec"]["prots"] = []

        with self.assertRaisesRegex(kubernetes_validate.ValidationError, "prots"):
            kubernetes_validate.validate(service, tools.KUBERNETES[0], strict=True)

    def test_an_older_kubernetes_is_refused(self):
        ended = chart.template(HERE / "values/bundled.yaml", kubernetes="1.29.9")

        self.assertIn("incompatible with Kubernetes v1.29.9", ended.stderr)

    def test_every_pod_passes_pod_security_restricted(self):
        for values in chart.values_files():
            pods = list(chart.pod_templates(chart.objects(chart.rendered(values))))
            if not pods:
                continue
            with self.subTest(values.stem):
                judged = tools.run(
                    tools.judge(), "pods", "restricted", "latest", input=chart.rendered(values)
                )
                self.assertEqual(int(judged), len(pods))

    def test_a_pod_that_may_be_root_is_found(self):
        text = chart.rendered(HERE / "values/bundled.yaml").replace("runAsNonRoot: true", "runAsNonRoot: false")
        judged = subprocess.run(
            [tools.judge(), "pods", "restricted", "latest"], input=text, capture_output=True, text=True
        )

        self.assertEqual(judged.returncode, 1)
        self.assertIn("Deployment test-pgmoor: runAsNonRoot != true", judged.stderr)

    def test_pgmoor_accepts_every_configuration(self):
        for name, found in cases():
            for owner, text in chart.configurations(found):
                with self.subTest(name, of=owner):
                    self.assertTrue(config_check(text).startswith("ok: "))

    def test_a_configuration_that_pgmoor_refuses_is_found(self):
        with self.assertRaisesRegex(AssertionError, 'did you mean "databases"'):
            config_check("databses: {}\n")

    def test_no_secret_is_outside_of_secrets(self):
        for name, found in cases():
            for one in found:
                if one["kind"] == "Secret":
                    continue
                with self.subTest(name, kind=one["kind"]):
                    self.assertNotIn("geheim", json.dumps(one))


def config_check(text):
    """What pgmoor says of a configuration whose files are there."""
    with tempfile.TemporaryDirectory() as place:
        here = str(place)
        os.makedirs(f"{here}/etc/pgmoor/migrations")
        with open(f"{here}/etc/pgmoor/migrations/V1__begin.sql", "w") as opened:
            opened.write("create table begun (a int);\n")
        for path in re.findall(r"/etc/pgmoor/secrets/[-\w./]+", text):
            file = here + path
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with open(file, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as opened:
                opened.write(secrets.content(os.path.basename(path)))
        placed = text.replace("/etc/pgmoor/", f"{here}/etc/pgmoor/").replace("/run/pgmoor", f"{here}/run")
        with open(f"{here}/pgmoor.yaml", "w") as opened:
            opened.write(placed)
        return tools.run(
            binary(), "--config", f"{here}/pgmoor.yaml", "config", "check", env=secrets.ENVIRONMENT
        )


class Consistency(unittest.TestCase):
    """What no schema looks at: names that have to be the same in two places."""

    def test_every_volume_is_mounted_and_every_mount_has_its_volume(self):
        for name, found in cases():
            claims = {
                claim["metadata"]["name"]
                for one in found
                for claim in one.get("spec", {}).get("volumeClaimTemplates", [])
            }
            for pod, _, spec in chart.pod_templates(found):
                with self.subTest(name, pod=pod):
                    names = [volume["name"] for volume in spec["volumes"]]
                    mounted = {mount["name"] for one in containers(spec) for mount in one.get("volumeMounts", [])}
                    self.assertEqual(len(names), len(set(names)))
                    self.assertEqual(mounted - claims, set(names))

    def test_every_service_and_every_policy_finds_its_pods(self):
        for name, found in cases():
            labels = [pod for _, pod, _ in chart.pod_templates(found)]
            for one in found:
                if one["kind"] not in SELECTORS:
                    continue
                selector = SELECTORS[one["kind"]](one["spec"])
                with self.subTest(name, of=one["metadata"]["name"], kind=one["kind"]):
                    fitting = [pod for pod in labels if selector.items() <= pod.items()]
                    self.assertEqual(len(fitting), 1)

    def test_every_port_that_is_named_is_one_of_the_pods(self):
        for name, found in cases():
            for one in found:
                if one["kind"] != "Service":
                    continue
                for _, labels, spec in chart.pod_templates(found):
                    if not one["spec"]["selector"].items() <= labels.items():
                        continue
                    ports = {port["name"] for each in containers(spec) for port in each.get("ports", [])}
                    with self.subTest(name, service=one["metadata"]["name"]):
                        self.assertLessEqual({port["targetPort"] for port in one["spec"]["ports"]}, ports)

    def test_whatever_a_job_needs_before_an_install_is_brought_by_hooks_or_named_by_the_user(self):
        for name, found in cases():
            hooks = [one for one in found if "helm.sh/hook" in one["metadata"].get("annotations", {})]
            own = {one["metadata"]["name"] for one in found if one["kind"] in ("ConfigMap", "Secret", "ServiceAccount")}
            hooked = {one["metadata"]["name"] for one in hooks if one["kind"] in ("ConfigMap", "Secret")}
            for one in hooks:
                if "pre-install" not in one["metadata"]["annotations"]["helm.sh/hook"] or one["kind"] != "Job":
                    continue
                spec = one["spec"]["template"]["spec"]
                used = {volume.get("secret", {}).get("secretName") for volume in spec["volumes"]}
                used |= {volume.get("configMap", {}).get("name") for volume in spec["volumes"]}
                used.add(spec.get("serviceAccountName"))
                with self.subTest(name, job=one["metadata"]["name"]):
                    self.assertEqual({it for it in used & own if it not in hooked}, set())

    def test_a_pod_may_take_as_long_to_stop_as_its_gateway_does(self):
        for name, found in cases():
            for pod, _, spec in chart.pod_templates(found):
                for one in spec["containers"]:
                    if one.get("args") != ["up"]:
                        continue
                    with self.subTest(name, pod=pod):
                        config = of_kind(found, "ConfigMap", pod.split()[1])
                        drain = yaml.safe_load(config["data"]["pgmoor.yaml"])["gateway"]["shutdown_timeout"]
                        needed = one["lifecycle"]["preStop"]["sleep"]["seconds"] + int(drain.removesuffix("s"))
                        self.assertGreater(spec["terminationGracePeriodSeconds"], needed)

    def test_a_secret_with_nothing_but_a_password_is_enough_where_the_address_is_in_the_values(self):
        found = chart.objects(chart.rendered(HERE / "values/migrations.yaml"))
        for pod, _, spec in chart.pod_templates(found):
            with self.subTest(pod):
                used = {
                    item["key"]
                    for volume in spec["volumes"]
                    if volume.get("secret", {}).get("secretName") == "db"
                    for item in volume["secret"]["items"]
                }
                asked = [one for each in containers(spec) for one in each["env"] if "valueFrom" in one]
                self.assertLessEqual(used, {"password"})
                self.assertEqual(asked, [])

    def test_pods_of_the_bundled_server_do_not_change_with_the_charts_version(self):
        found = chart.objects(chart.rendered(HERE / "values/bundled-everything.yaml"))
        server = of_kind(found, "StatefulSet")["spec"]

        self.assertNotIn("0.1.0", json.dumps(server))

    def test_the_bundled_servers_volume_stays(self):
        found = chart.objects(chart.rendered(HERE / "values/bundled.yaml"))
        server = of_kind(found, "StatefulSet")["spec"]

        policy = {"whenDeleted": "Retain", "whenScaled": "Retain"}
        self.assertEqual(server["persistentVolumeClaimRetentionPolicy"], policy)
        self.assertEqual([one["kind"] for one in found if one["kind"] == "PersistentVolumeClaim"], [])

    def test_every_value_is_in_the_schema_with_its_default(self):
        schema = json.loads((CHART / "values.schema.json").read_text())
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        problems = list(differences(values, schema, ""))

        self.assertEqual(problems, [])


SELECTORS = {
    "Service": lambda spec: spec["selector"],
    "Deployment": lambda spec: spec["selector"]["matchLabels"],
    "StatefulSet": lambda spec: spec["selector"]["matchLabels"],
    "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
    "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
}


def containers(spec):
    return spec["containers"] + spec.get("initContainers", [])


def differences(values, schema, path):
    """Keys that only one of the two has; where anything goes, nothing is compared."""
    if schema.get("additionalProperties") is not False:
        return
    known = set(schema["properties"]) - {"global"}
    probe = path.startswith(".probes.")
    for key in known ^ set(values):
        if not (probe and key in known):
            yield f"{path}.{key} is in {'the schema' if key in known else 'values.yaml'} only"
    for key in known & set(values):
        yield from differences(values[key], schema["properties"][key], f"{path}.{key}")


class Refusals(unittest.TestCase):
    def test_values_that_would_not_work_are_refused_with_the_reason(self):
        for values in sorted((HERE / "refused").glob("*.yaml")):
            expected = re.findall(r"^# says: (.*)$", values.read_text(), re.M)
            ended = chart.template(values)
            with self.subTest(values.stem):
                self.assertTrue(expected)
                self.assertEqual(ended.returncode, 1)
                for text in expected:
                    self.assertIn(text, ended.stderr)

    def test_a_refusal_does_not_print_the_secret(self):
        for values in sorted((HERE / "refused").glob("*.yaml")):
            with self.subTest(values.stem):
                self.assertNotIn("geheim", chart.template(values).stderr)


