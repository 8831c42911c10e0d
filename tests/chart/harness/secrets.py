"""Stands in for the Secrets that values files name: something fitting for each key."""

import atexit
import functools
import os
import pathlib
import shutil
import subprocess
import tempfile

PASSWORD = "geheim"
ENVIRONMENT = {
    "DATABASE_HOST": "db.example.com",
    "DATABASE_PORT": "5432",
    "DATABASE_USER": "app",
    "DATABASE_NAME": "app",
    "READER_PASSWORD": PASSWORD,
}


@functools.cache
def certificates():
    """A directory with ca.crt, tls.crt and tls.key, which is for any of the names that tests use."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="pgmoor-chart-"))
    atexit.register(shutil.rmtree, place)
    names = "DNS:localhost,DNS:*.ns.svc,DNS:db.example.com,IP:127.0.0.1"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    request += ["-nodes", "-days", "2"]

    def openssl(*arguments):
        subprocess.run([*arguments], cwd=place, check=True, capture_output=True, timeout=60)

    openssl(*request, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt")
    openssl(*request, "-subj", "/CN=server", "-keyout", "tls.key", "-out", "tls.crt",
            "-CA", "ca.crt", "-CAkey", "ca.key", "-addext", f"subjectAltName={names}",
            "-addext", "basicConstraints=critical,CA:FALSE")  # fmt: skip
    return place


def content(key):
    """What a Secret has under this key."""
    pem = {".crt": "ca.crt" if "ca" in key else "tls.crt", ".pem": "ca.crt", ".key": "tls.key"}
    ending = os.path.splitext(key)[1]
    if ending in pem:
        return (certificates() / pem[ending]).read_text()
    if key in ("uri", "connection_url"):
        return f"postgresql://app:{PASSWORD}@db.example.com:5432/app?sslmode=verify-full&sslrootcert=system\n"
    return PASSWORD + "\n"
