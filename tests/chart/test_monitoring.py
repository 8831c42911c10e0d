"""Alerts and the dashboard: that what they ask for is what the gateway has."""

import json
import re
import unittest

import promql_parser
import yaml

from harness import CHART, HERE, ROOT, chart

REFERENCE = (ROOT / "docs/reference/metrics.md").read_text()
# Labels that whoever scrapes puts on everything.
OUTSIDE = {"namespace", "service", "pod"}
# What Grafana fills in before Prometheus sees it.
FILLED = {"$__rate_interval": "5m", "$namespace": "ns", "$service": "test"}


def metrics():
    """Name to labels; a histogram has its parts."""
    found = {}
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", REFERENCE, re.M):
        own = set(re.findall(r"`(\w+)`", labels))
        if kind == "histogram":
            found |= {name + "_bucket": own | {"le"}, name + "_sum": own, name + "_count": own}
        else:
            found[name] = own
    return found


def label_values():
    """Values of labels that are a closed set: those that the reference names for a metric."""
    described = {}
    for name, text in re.findall(r"^\| `(\w+)` \| \w+ \| [^|]* \| (.*) \|$", REFERENCE, re.M):
        described[name] = text
    return described


def expressions():
    """Where each stands, and its text."""
    found = chart.objects(chart.rendered(HERE / "values/bundled-everything.yaml"))
    for group in chart.of_kind(found, "PrometheusRule")["spec"]["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    dashboard = chart.of_kind(found, "ConfigMap", "test-pgmoor-dashboard")
    for panel in json.loads(dashboard["data"]["pgmoor.json"])["panels"]:
        for target in panel["targets"]:
            text = target["expr"]
            for variable, value in FILLED.items():
                text = text.replace(variable, value)
            yield panel["title"], text


def selectors(node):
    """Every metric that an expression asks for, with its matchers."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        inner = getattr(node, name, None)
        if inner is not None and not isinstance(inner, str):
            yield from selectors(inner)
    for inner in getattr(node, "args", None) or []:
        yield from selectors(inner)


def labels_in(text):
    """Names that matchers and "by" use."""
    inside = re.findall(r'(\w+)\s*(?:=~|!=|!~|=)\s*"', text)
    by = [name.strip() for group in re.findall(r"\bby \(([^)]*)\)", text) for name in group.split(",")]
    return set(inside) | set(by)


class Monitoring(unittest.TestCase):
    def test_every_expression_asks_for_metrics_and_labels_that_exist(self):
        known = metrics()
        count = 0
        for place, text in expressions():
            with self.subTest(place, text=text):
                found = list(selectors(promql_parser.parse(text)))
                self.assertTrue(found)
                labels = set()
                for selector in found:
                    count += 1
                    self.assertIn(selector.name, known)
                    labels |= known[selector.name]
                self.assertLessEqual(labels_in(text), labels | OUTSIDE)
        self.assertGreater(count, 30)

    def test_a_metric_that_does_not_exist_is_none_of_them(self):
        asked = next(selectors(promql_parser.parse('rate(pgmoor_client_wait_seconds{pool="a"}[5m])')))

        self.assertEqual(asked.name, "pgmoor_client_wait_seconds")
        self.assertNotIn(asked.name, metrics())

    def test_values_of_labels_are_those_of_the_reference(self):
        described = label_values()
        for place, text in expressions():
            for name, inside in re.findall(r"(\w+)\{([^}]*)\}", text):
                for label, value in re.findall(r'(\w+)\s*=\s*"([^"]*)"', inside):
                    if label in OUTSIDE:
                        continue
                    with self.subTest(place, label=label):
                        base = re.sub(r"_(bucket|sum|count)$", "", name)
                        self.assertRegex(described.get(name) or described[base], rf"\b{value}\b")

    def test_every_panel_has_a_place_of_its_own(self):
        dashboard = json.loads((CHART / "dashboards/pgmoor.json").read_text())
        cells = [
            (x, y)
            for panel in dashboard["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        self.assertEqual(len(cells), len(set(cells)))
        self.assertLess(max(x for x, _ in cells), 24)
        self.assertEqual(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]))

    def test_prometheus_finds_the_admin_service(self):
        found = chart.objects(chart.rendered(HERE / "values/bundled-everything.yaml"))
        monitor = chart.of_kind(found, "ServiceMonitor")["spec"]
        fitting = [
            one
            for one in found
            if one["kind"] == "Service"
            and monitor["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
        ]

        self.assertEqual([one["metadata"]["name"] for one in fitting], ["test-pgmoor-admin"])
        ports = {port["name"] for port in fitting[0]["spec"]["ports"]}
        self.assertLessEqual({endpoint["port"] for endpoint in monitor["endpoints"]}, ports)

    def test_every_alert_says_what_it_is_about(self):
        rules = yaml.safe_load(re.sub(r"\{\{.*?\}\}", "x", (CHART / "files/alerts.yaml").read_text()))
        for rule in rules:
            with self.subTest(rule["alert"]):
                self.assertIn(rule["labels"]["severity"], ("warning", "critical"))
                self.assertTrue(rule["annotations"]["summary"])
