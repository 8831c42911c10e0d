"""Source packages of Debian, by apt itself, from the mirrors that this machine has configured.

Nothing of the system is changed: lists and packages go into target/suites.
"""

import pathlib
import re
import subprocess

from . import CACHE


class NotThere(Exception):
    """A source that cannot be had; the text says which and why."""


def tarball(package, version, glob, suites=None):
    """Fetches a source package; gives the file that `glob` names.

    `suites` are other releases of the distribution than this machine's.
    """
    place = CACHE / "debian" / (suites or "own")
    found = sorted(place.glob(glob))
    if found:
        return found[0]
    options = configure(place, suites)
    apt(options, place, "update")
    wanted = f"{package}={version}" if version else package
    # Of packages with several tarballs, mirrors may lack one that is not needed.
    ended = apt(options, place, "source", "--download-only", "--tar-only", wanted, check=False)
    found = sorted(place.glob(glob))
    if not found:
        raise NotThere(f"apt-get source {wanted} ended with {ended} and brought no {glob}")
    return found[0]


def installed_version(package):
    query = ["dpkg-query", "--show", "--showformat=${Version}", package]
    answer = subprocess.run(query, capture_output=True, text=True)
    if answer.returncode:
        raise NotThere(f"{package} is not installed as a package")
    return answer.stdout


def configure(place, suites):
    """This machine's sources, as sources of source packages."""
    parts = place / "sources"
    for directory in (parts, place / "lists/partial", place / "cache/archives/partial"):
        directory.mkdir(parents=True, exist_ok=True)
    stanzas = []
    for file in pathlib.Path("/etc/apt/sources.list.d").glob("*.sources"):
        stanzas += re.split(r"\n\s*\n", file.read_text())
    own = [stanza for stanza in stanzas if re.search(r"^Types:.*\bdeb\b", stanza, re.M)]
    if not own:
        raise NotThere("this machine has no package sources in deb822 form")
    if suites:
        # The main archive alone has other releases by their names.
        own = [re.sub(r"^Suites:.*", f"Suites: {suites}", own[0], flags=re.M)]
    sources = [re.sub(r"^Types:.*", "Types: deb-src", stanza, flags=re.M) for stanza in own]
    (parts / "suites.sources").write_text("\n\n".join(s.strip() for s in sources) + "\n")
    return [
        "-o", "Dir::Etc::SourceList=/dev/null",
        "-o", f"Dir::Etc::SourceParts={parts}",
        "-o", f"Dir::State::Lists={place}/lists",
        "-o", f"Dir::Cache={place}/cache",
        "-o", "APT::Sandbox::User=",
    ]  # fmt: skip


def apt(options, place, *words, check=True):
    command = ["apt-get", "--quiet=2", *options, *words]
    return subprocess.run(command, cwd=place, check=check).returncode
