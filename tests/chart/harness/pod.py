"""Runs a container of a rendered pod on this machine, as closely as that goes without a container engine:
the image's files as a read-only root directory, ConfigMaps and Secrets with the links and modes that the
kubelet gives them, emptyDirs, the pod's user and group, its environment and nothing more.

Needs root, and mounts of its own (`unshare --mount`).
"""

import contextlib
import ctypes
import http.client
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from . import CACHE, ROOT, pgmoor, secrets, tools

DEADLINE = 60  # seconds, until something is so that was to become so
IMAGE = CACHE / "image"
PR_SET_NO_NEW_PRIVS = 38


def image():
    """The image's root directory, as the Dockerfile makes it, with what a container runtime adds."""
    wanted = f"{pgmoor().stat().st_mtime_ns}\n{(ROOT / 'packaging/rootfs').read_text()}"
    stamp = CACHE / "image.made"
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(IMAGE, ignore_errors=True)
        tools.run(ROOT / "packaging/rootfs", pgmoor(), IMAGE)
        for name in ("proc", "dev"):
            (IMAGE / name).mkdir()
        (IMAGE / "etc/hosts").touch()
        stamp.write_text(wanted)
    return IMAGE


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True, timeout=DEADLINE)


def volume_of(files, group, mode, place):
    """A directory as the kubelet makes it of a ConfigMap or Secret: its files are swapped by one link."""
    data = place / "..data-1"
    data.mkdir(parents=True)
    for name, text in files.items():
        (data / name).write_text(text)
        os.chown(data / name, 0, group)
        (data / name).chmod(mode)
        (place / name).symlink_to(f"..data/{name}")
    (place / "..data").symlink_to(data.name)
    return place


class Pod:
    """One container of it; `found` has the ConfigMaps, Secrets are made up (`harness.secrets`)."""

    def __init__(self, found, spec, hosts, container=None):
        self.spec = spec
        self.container = container or spec["containers"][0]
        self.found = found
        self.group = spec["securityContext"]["fsGroup"]
        self.user = spec["securityContext"]["runAsUser"]
        # Whoever started this removes it, when the mounts are gone: not before, /dev is among them.
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="pod-", dir=os.environ["PGMOOR_REHEARSAL"]))
        self.home.chmod(0o755)
        self.root = self.home / "root"
        self.root.mkdir()
        mount("--bind", image(), self.root)
        mount("-o", "remount,bind,ro", self.root)
        for name in ("proc", "dev"):
            mount("--rbind", f"/{name}", self.root / name)
        (self.home / "hosts").write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *hosts)))
        mount("--bind", self.home / "hosts", self.root / "etc/hosts")
        # A runtime makes mount points where there are none, even below a root that is read-only.
        mount("-t", "tmpfs", "-o", "mode=0755,size=1m", "tmpfs", self.root / "etc/pgmoor")
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for point in self.container["volumeMounts"]:
            self.place(volumes[point["name"]], point)
        mount("-o", "remount,ro", self.root / "etc/pgmoor")

    def place(self, volume, point):
        target = self.root / point["mountPath"].lstrip("/")
        if not target.is_dir():
            target.mkdir(parents=True)
        if "emptyDir" in volume:
            mount("-t", "tmpfs", "-o", f"mode=2777,gid={self.group},size=64m", "tmpfs", target)
            return
        if "configMap" in volume:
            wanted = volume["configMap"]["name"]
            (files,) = [
                one["data"] for one in self.found if one["kind"] == "ConfigMap" and one["metadata"]["name"] == wanted
            ]
            source = volume_of(files, self.group, 0o644, self.home / volume["name"])
        else:
            items = volume["secret"]["items"]
            files = {item["path"]: secrets.content(item["key"]) for item in items}
            source = volume_of(files, self.group, volume["secret"]["defaultMode"], self.home / volume["name"])
        mount("--bind", source, target)
        mount("-o", "remount,bind,ro", target)

    def environment(self):
        """What the container says, with the keys of Secrets looked up."""
        found = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/run/pgmoor"}
        for one in self.container["env"]:
            found[one["name"]] = one.get("value", secrets.ENVIRONMENT.get(one["name"]))
        return found

    def start(self, **options):
        library = ctypes.CDLL(None, use_errno=True)

        def enter():
            os.chroot(self.root)
            os.chdir("/run/pgmoor")
            os.setgroups([self.group])
            os.setgid(self.spec["securityContext"]["runAsGroup"])
            os.setuid(self.user)
            library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)

        command = ["/usr/bin/pgmoor", *self.container["args"]]
        return subprocess.Popen(command, env=self.environment(), preexec_fn=enter, **options)

    def run(self):
        """Runs it to its end: code, and all it said."""
        ended = self.start(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said, _ = ended.communicate(timeout=DEADLINE)
        return ended.returncode, said

    @contextlib.contextmanager
    def serving(self):
        log = (self.home / "log").open("w")
        process = self.start(stdout=log, stderr=log)
        try:
            until(f"the gateway to start: {self.home / 'log'}", lambda: self.probe("startupProbe") == 200)
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(DEADLINE)

    def probe(self, which):
        """The answer to the kubelet's question; 0 where there is none."""
        ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        ask = self.container[which]["httpGet"]
        connection = http.client.HTTPConnection("127.0.0.1", ports[ask["port"]], timeout=5)
        try:
            connection.request("GET", ask["path"], headers={"Host": "10.1.2.3:6433"})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


def until(what, condition):
    """Waits until it is so."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.05)
