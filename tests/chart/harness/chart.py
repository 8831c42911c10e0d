"""The chart, as Helm renders it."""

import functools
import pathlib
import subprocess

import yaml

from . import CHART, HERE, tools

RELEASE, NAMESPACE = "test", "ns"


class Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a map, as Kubernetes does."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"{node.start_mark}: {twice} stands twice")
        return super().construct_mapping(node, deep)


def values_files():
    return sorted((HERE / "values").glob("*.yaml"))


def template(values, *arguments, kubernetes=tools.KUBERNETES[-1], chart=CHART):
    """What Helm says: the ended process."""
    command = [tools.helm(), "template", RELEASE, chart, "--namespace", NAMESPACE]
    command += ["--kube-version", kubernetes, *arguments]
    if isinstance(values, pathlib.Path):
        command += ["--values", values]
    else:
        command += ["--values", "-"]
    text = None if isinstance(values, pathlib.Path) else values
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=tools.DEADLINE)


@functools.cache
def rendered(values, kubernetes=tools.KUBERNETES[-1], chart=CHART):
    """The text that these values give."""
    ended = template(values, kubernetes=kubernetes, chart=chart)
    if ended.returncode:
        raise AssertionError(f"{values}: {ended.stderr}")
    return ended.stdout


def objects(text):
    return [one for one in yaml.load_all(text, Loader) if one]


def of_kind(found, kind, name=None):
    """The only one of this kind, and name where one is said."""
    fitting = [one for one in found if one["kind"] == kind and name in (None, one["metadata"]["name"])]
    if len(fitting) != 1:
        raise AssertionError(f"{len(fitting)} of {kind} {name or ''}")
    return fitting[0]


def pod_templates(found):
    """Name, labels and spec of every pod that the objects make."""
    for one in found:
        kind, name = one["kind"], f"{one['kind']} {one['metadata']['name']}"
        if kind == "Pod":
            yield name, one["metadata"].get("labels", {}), one["spec"]
        elif kind in ("Deployment", "StatefulSet", "Job"):
            inner = one["spec"]["template"]
            yield name, inner.get("metadata", {}).get("labels", {}), inner["spec"]


def configurations(found):
    """Name and text of every pgmoor.yaml."""
    for one in found:
        if one["kind"] == "ConfigMap" and "pgmoor.yaml" in one.get("data", {}):
            yield one["metadata"]["name"], one["data"]["pgmoor.yaml"]
