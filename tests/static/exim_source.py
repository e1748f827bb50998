# SPDX-License-Identifier: GPL-2.0-or-later
"""exim_source.py - the source of this Debian's Exim, unpacked and configured.

apt fetches and checks it, with sources, lists and caches of its own: the
machine's sources rarely name source packages, and nothing of its apt changes.
"""

import os
import pathlib
import re
import shutil
import subprocess

FETCH_S = 180

# Where Debian's programs are, and the machine's proxies and the like, say the
# machine's own settings; these stand after them.  Hooks are for the machine.
APT_CONF = """
Dir::Etc::main "/dev/null";
Dir::Etc::parts "{folder}/none";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{folder}/sources";
Dir::State "{folder}/state";
Dir::State::lists "{folder}/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{folder}/cache";
APT::Sandbox::User "root";
"""

# What the organisation of world.py does not need, nor Exim's monitor.
LEAVE_OUT = re.compile(
    r"EXIM_MONITOR=|LOOKUP_NIS=|SUPPORT_I18N|LIBS \+= -lnsl|LDFLAGS \+= -lidn")


def tree(folder):
    """The configured source below the folder; fetched if it is not there."""
    version = run("dpkg-query", "-W", "-f", "${source:Version}",
                  "exim4-base")
    place = pathlib.Path(folder) / version
    if not place.exists():
        parts = place.with_name(f"{version}.part")
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir(parents=True)
        configure(fetch(parts, version))
        parts.rename(place)
    return place / "exim"


def fetch(folder, version):
    apt = folder / "apt"
    write_sources(apt / "sources")
    write_apt_conf(apt)
    environ = {**os.environ, "APT_CONFIG": str(apt / "apt.conf")}
    # One source may be out of reach; whether it mattered, the next step says.
    said = subprocess.run(
        ["apt-get", "-q", "update"], env=environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=FETCH_S)
    words = ["apt-get", "-q", "--only-source", "source"]
    try:
        run(*words, f"exim4={version}", cwd=folder, env=environ)
    except RuntimeError as error:
        raise RuntimeError(f"{said.stdout}{error}") from None
    shutil.rmtree(apt)
    return next(path for path in folder.glob("exim4-*") if path.is_dir()
                ).rename(folder / "exim")


def write_apt_conf(folder):
    for name in "none", "state", "lists/partial", "cache/archives/partial":
        (folder / name).mkdir(parents=True)
    lines = [line for line in run("apt-config", "dump").splitlines()
             if "Invoke" not in line]
    (folder / "apt.conf").write_text(
        "\n".join(lines) + APT_CONF.format(folder=folder))


def write_sources(folder, etc="/etc/apt"):
    """Debian's own among the configured sources, as source packages."""
    folder.mkdir(parents=True)
    etc = pathlib.Path(etc)
    for path in [etc / "sources.list",
                 *sorted((etc / "sources.list.d").glob("*"))]:
        if path.suffix == ".list" and path.exists():
            text = "\n".join(one_line(path.read_text()))
            (folder / path.name).write_text(text + "\n")
        elif path.suffix == ".sources":
            text = "\n\n".join(stanzas(path.read_text()))
            (folder / path.name).write_text(text + "\n")


def one_line(text):
    """deb [options] http://mirror.example/debian bookworm main"""
    for line in text.splitlines():
        found = re.match(r"deb(?:-src)?(\s+(?:\[.*?\]\s+)?(\S+)\s.*)$", line)
        if found and is_debian(found[2], found[1]):
            yield "deb-src" + found[1]


def stanzas(text):
    """The same as "Types: deb", "URIs: ...", "Suites: ..." """
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"(?mi)^(URIs|Components):(.*)$", stanza))
        if is_debian(fields.get("URIs", ""), fields.get("Components", "")):
            yield re.sub(r"(?mi)^Types:.*$", "Types: deb-src", stanza)


def is_debian(uris, components):
    """Mirrors keep the path; others that use it have no "main"."""
    return (re.search(r"/debian(-security)?/?(\s|$)", uris.strip())
            and "main" in components.split())


def configure(folder):
    """Debian's light Exim, without what needs more libraries."""
    run("debian/rules", "unpack-configs", cwd=folder)
    lines = (folder / "EDITME.exim4-light").read_text().splitlines()
    (folder / "Local").mkdir(exist_ok=True)
    (folder / "Local/Makefile").write_text("".join(
        f"{line}\n" for line in lines if not LEAVE_OUT.match(line)))
    shutil.rmtree(folder / "debian")


def run(*words, **options):
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=FETCH_S, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout}")
    return done.stdout
