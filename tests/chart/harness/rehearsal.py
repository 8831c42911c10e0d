"""Rehearses the chart's pods with a real server; prints what was seen as JSON. A program of its own, in
namespaces of its own, so that the pods' ports and mounts are nobody else's:

    unshare --net --mount python -m harness.rehearsal bundled
"""

import contextlib
import json
import os
import subprocess
import sys
import time

from . import HERE, chart, secrets
from .chart import of_kind
from .pod import Pod, until, volume_of
from .servers import Volume, path, user

NAMES = ("test-pgmoor-postgres.ns.svc", "test-pgmoor.ns.svc", "db.example.com")
BUNDLED = """
auth: { existingSecret: app }
bundled: { major: 17, tls: { existingSecret: postgres-tls } }
service: { port: 6432 }
drain: { delaySeconds: 1, timeoutSeconds: 30 }
"""
EXTERNAL = """
external: { existingSecret: db, ca: { existingSecret: db-ca } }
check: { args: ["--category", "network,tls,login,server"] }
"""

MIGRATIONS = """
external: { existingSecret: db, ca: { existingSecret: db-ca } }
schema: { existingConfigMap: migrations, job: { enabled: true } }
check: { enabled: false }
"""


def render(values):
    ended = chart.template(values)
    if ended.returncode:
        raise AssertionError(ended.stderr)
    return chart.objects(ended.stdout)


@contextlib.contextmanager
def server(values):
    """The StatefulSet's container, with its own arguments and variables; only its places are others."""
    found = render(values)
    container = of_kind(found, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    volume = Volume()
    group = user().get("group", os.getegid())
    files = {name: secrets.content(name) for name in ("tls.crt", "tls.key")}
    tls = volume_of(files, group, 0o440, volume.home / "tls")
    own = {"PGDATA": str(volume.data), "TLS_DIRECTORY": str(tls)}
    own["APP_PASSWORD_FILE"] = str(volume.home / "secrets/password")
    said = {one["name"]: own.get(one["name"], one["value"]) for one in container["env"]}
    volume.port = 5432
    said.pop("PGDATA")
    try:
        yield volume, lambda: volume.serving(int(said["MAJOR"]), *container["args"], **said)
    finally:
        volume.close()


class Client:
    """psql, in a session that goes on."""

    def __init__(self):
        command = ["psql", "--no-psqlrc", "-At", "-h", "127.0.0.1", "-p", "6432", "-U", "app", "app"]
        self.process = subprocess.Popen(
            command, env={"PATH": path(17), "PGPASSWORD": secrets.PASSWORD}, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, statement):
        self.process.stdin.write(f"{statement};\n\\echo done\n")
        lines = []
        for line in self.process.stdout:
            if line == "done\n":
                break
            lines.append(line.strip())
        return " ".join(lines)


def bundled():
    seen = {}
    found = render(BUNDLED)
    spec = of_kind(found, "Deployment")["spec"]["template"]["spec"]
    with server(BUNDLED) as (volume, serving):
        gateway = Pod(found, spec, NAMES)
        with serving():
            with gateway.serving() as process:
                until("the gateway to be ready", lambda: gateway.probe("readinessProbe") == 200)
                seen["up"] = [gateway.probe(f"{probe}Probe") for probe in ("startup", "readiness", "liveness")]
                seen["test"] = Pod(found, of_kind(found, "Pod")["spec"], NAMES).run()

                client = Client()
                client.run("create table kept (a int)")
                seen["encrypted"] = client.run(
                    "select ssl, current_user from pg_stat_ssl where pid = pg_backend_pid()"
                )
                seen["began"] = client.run("begin; insert into kept values (1)")
                start = time.monotonic()
                process.terminate()
                until("the gateway to be unready", lambda: gateway.probe("readinessProbe") != 200)
                seen["stopping"] = process.poll()
                seen["committed"] = client.run("insert into kept values (2); commit")
                seen["ended"] = process.wait(60)
                seen["within"] = time.monotonic() - start < spec["terminationGracePeriodSeconds"]
                client.process.kill()
            seen["kept"] = volume.sql("select count(*) from kept")
        with Pod(found, spec, NAMES).serving():
            until("the gateway to say no", lambda: gateway.probe("readinessProbe") == 503)
            seen["down"] = [gateway.probe(f"{probe}Probe") for probe in ("startup", "readiness", "liveness")]
            with serving():
                until("the gateway to be ready again", lambda: gateway.probe("readinessProbe") == 200)
                seen["again"] = gateway.probe("readinessProbe")
    return seen


def check():
    seen = {}
    found = render(EXTERNAL)
    spec = of_kind(found, "Job")["spec"]["template"]["spec"]
    with server(BUNDLED) as (volume, serving):
        with serving():
            seen["right"] = Pod(found, spec, NAMES).run()
        volume.password("another")
        with serving():
            seen["wrong"] = Pod(found, spec, NAMES).run()
        seen["away"] = Pod(found, spec, NAMES).run()
    return seen


def migrations():
    """The Job with the migrations, twice: what was applied is not applied again."""
    seen = {}
    found = render(MIGRATIONS)
    files = {"V1__make.sql": "create table made (a int);\n", "V2__fill.sql": "insert into made values (1);\n"}
    found.append({"kind": "ConfigMap", "metadata": {"name": "migrations"}, "data": files})
    spec = of_kind(found, "Job")["spec"]["template"]["spec"]
    with server(BUNDLED) as (volume, serving), serving():
        seen["first"] = Pod(found, spec, NAMES).run()
        seen["second"] = Pod(found, spec, NAMES).run()
        seen["made"] = volume.sql("select count(*), current_user = tableowner from made, pg_tables"
                                  " where tablename = 'made' group by tableowner")  # fmt: skip
    return seen


def sidecar():
    """The sidecar of the example, with the application's side of it."""
    found = render((HERE / "values/sidecar.yaml").read_text())
    ended = chart.template(
        "extraObjects: [\"apiVersion: v1\\nkind: Pod\\nmetadata: {name: application}\\nspec:\\n"
        "  initContainers: {{ include \\\"pgmoor.sidecar\\\" . | nindent 4 }}\\n"
        "  volumes: {{ include \\\"pgmoor.sidecar.volumes\\\" . | nindent 4 }}\\n\"]",
        "--values", HERE / "values/sidecar.yaml",
    )  # fmt: skip
    pod = of_kind(chart.objects(ended.stdout), "Pod")["spec"]
    pod["securityContext"] = of_kind(render(BUNDLED), "Deployment")["spec"]["template"]["spec"]["securityContext"]
    seen = {}
    with server(BUNDLED) as (_, serving), serving():
        here = Pod(found, pod, NAMES, pod["initContainers"][0])
        with here.serving():
            until("the gateway to be ready", lambda: here.probe("readinessProbe") == 200)
            ask = ["psql", "--no-psqlrc", "--no-password", "-At", "-h", "127.0.0.1", "-p", "6432", "-U", "app", "app"]
            ended = subprocess.run(
                [*ask, "-c", "select current_user"], env={"PATH": path(17)}, capture_output=True, text=True
            )
            seen["without a password"] = ended.stdout.strip() or ended.stderr
    return seen


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    scenarios = {one.__name__: one for one in (bundled, check, migrations, sidecar)}
    print(json.dumps(scenarios[sys.argv[1]]()))
