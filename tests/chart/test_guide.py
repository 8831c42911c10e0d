"""docs/kubernetes.md: every block of values renders, and every command of Helm's is run."""

import re
import shlex
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import ROOT, chart, tools
from test_rendering import config_check

GUIDE = ROOT / "docs/kubernetes.md"


def blocks(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
    if not found:
        raise AssertionError(f"the guide has no block of {language}")
    return found


class Guide(unittest.TestCase):
    def test_every_block_of_values_is_rendered_and_gives_a_configuration_in_order(self):
        for values in blocks("yaml values"):
            with self.subTest(values):
                ended = chart.template(values)
                self.assertEqual(ended.returncode, 0, ended.stderr)
                for _, text in chart.configurations(chart.objects(ended.stdout)):
                    self.assertTrue(config_check(text).startswith("ok: "))

    def test_every_command_of_helm_renders(self):
        """What changes a cluster is rendered instead, with the same arguments."""
        count = 0
        with tempfile.TemporaryDirectory() as place:
            for block in blocks("console"):
                for line in block.replace("\\\n", " ").splitlines():
                    if not line.startswith("$ helm "):
                        continue
                    words = shlex.split(line[len("$ helm ") :])
                    if words[0] in ("install", "upgrade"):
                        words[0] = "template"
                    elif words[0] not in ("template", "lint", "show"):
                        continue
                    count += 1
                    (Path(place) / "values.yaml").write_text(blocks("yaml values")[0])
                    words = [f"{ROOT}/{word}" if word == "charts/pgmoor" else word for word in words]
                    words += ["--kube-version", tools.KUBERNETES[-1]] * (words[0] == "template")
                    with self.subTest(line):
                        ended = subprocess.run(
                            [tools.helm(), *words], cwd=place, capture_output=True, text=True
                        )
                        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertGreaterEqual(count, 2)

    def test_a_refusal_is_quoted_as_it_is(self):
        ended = chart.template("{}")
        said = re.search(r"error: .*?(?=\n\n|\Z)", ended.stderr, re.S)[0]

        self.assertIn(said.splitlines()[0], blocks("text")[0])
