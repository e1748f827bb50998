# SPDX-License-Identifier: GPL-2.0-or-later
"""debian.py - Debian's own slapd and Exim, and docs/install-debian.md typed.

    with Site() as site:
        for title in sections():
            code, printed = type_section(title)

Lives in a sandbox.  The packages configure themselves there as they would on a
new machine; each section of the page is one script.
"""

import mailbox
import os
import pathlib
import re
import subprocess

import world
from sandbox import run
from slapd import Client
from world import OUTSIDE, PARTNER_PASSWORDS, TOP, World

PAGE = TOP / "docs/install-debian.md"
ADMIN_PASSWORD = "admin-secret"
ETC = pathlib.Path("/etc/exim4")

# What a person types when asked, and the two commands that need a person or
# the world.
TYPED = {"The first gateway": PARTNER_PASSWORDS["jo.doe"] + "\n",
         "Trying it": "jo-secret\n"}
PRELUDE = "set -eu\napt-get() { :; }\neditor() { :; }\n"

SLAPD_ANSWERS = f"""\
slapd slapd/domain string org.example
slapd shared/organization string Example organisation
slapd slapd/password1 password {ADMIN_PASSWORD}
slapd slapd/password2 password {ADMIN_PASSWORD}
slapd slapd/no_configuration boolean false
slapd slapd/purge_database boolean true
slapd slapd/move_old_database boolean false
"""


class Directory(Client):
    """Debian's slapd, run by its own script."""

    def __init__(self):
        self.uri, self.suffix = "ldapi:///", "dc=org,dc=example"
        self.root = f"cn=admin,{self.suffix}", ADMIN_PASSWORD


class Machine:
    """Debian's Exim, run by its own script, where its package puts things."""

    def command(self, *words, text=""):
        return subprocess.run(
            [world.EXIM, *words], input=text, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=300).stdout

    def log(self, name="mainlog"):
        path = pathlib.Path("/var/log/exim4", name)
        return path.read_text() if path.exists() else ""

    def received(self, login):
        """What is in a user's mailbox."""
        path = pathlib.Path("/var/mail", login)
        return list(mailbox.mbox(path, create=False)) if path.exists() else []


class Site(World):
    """The partners and the rest; the organisation is Debian's own."""

    def __enter__(self):
        self.network()
        self.certify()
        self.start_servers()
        self.slapd, self.org = Directory(), Machine()
        self.configure_slapd()
        self.configure_exim()
        return self

    def __exit__(self, *unused):
        for server in self.servers.values():
            server.stop()
        for name in "exim4", "slapd":
            subprocess.run(["service", name, "stop"],
                           stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)

    def client(self, port):
        """As mail programs do: TLS before anything else."""
        smtp = super().client(port)
        smtp.starttls()
        smtp.ehlo("client.org.example")
        return smtp

    def reconfigure(self):
        """What an administrator types after a change below conf.d."""
        run("update-exim4.conf")
        run("service", "exim4", "restart")
        for port in 25, 587:
            world.wait_for_port(None, self.submission, port)

    def configure_slapd(self):
        subprocess.run(["debconf-set-selections"], input=SLAPD_ANSWERS,
                       text=True, check=True)
        run("dpkg-reconfigure", "-f", "noninteractive", "slapd",
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        # where rc scripts may run it has been started already
        run("service", "slapd", "restart")

    def configure_exim(self):
        """An organisation whose people can submit, before outgate."""
        conf = ETC / "update-exim4.conf.conf"
        text = conf.read_text()
        for name, value in (("use_split_config", "true"),
                            ("eximconfig_configtype", "smarthost"),
                            ("other_hostnames", "org.example"),
                            ("smarthost", OUTSIDE)):
            text = re.sub(rf"(?m)^dc_{name}=.*$", f"dc_{name}='{value}'",
                          text)
        conf.write_text(text)
        pathlib.Path("/etc/mailname").write_text("org.example\n")
        (ETC / "conf.d/main/000_localmacros").write_text(
            "MAIN_TLS_ENABLE = yes\n")
        (ETC / "passwd.client").write_text(
            f"{OUTSIDE}:{world.RELAY[0]}:{world.RELAY[1]}\n")
        world.certificate(self.ca, "mail.org.example", ETC / "exim")
        run("chgrp", "Debian-exim", ETC / "passwd.client", ETC / "exim.key")


def sections(page=PAGE):
    """The commands and the expected lines of each section of the page."""
    found = {}
    for part in page.read_text().split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        fences = re.findall(r"(?ms)^```\n(.*?)^```$", text)
        text = re.sub(r"(?ms)^```\w*\n.*?^```$", "", text)
        commands = [line[4:] for line in text.split("\n")
                    if line.startswith("    ")]
        # a list's second line is indented too, by two
        found[title] = "\n".join(commands) + "\n", "".join(fences)
    return found


def type_section(title, page=PAGE):
    """Type a section's commands: their exit status and what they printed."""
    commands = sections(page)[title][0].replace(" -W", f" -w {ADMIN_PASSWORD}")
    done = subprocess.run(
        ["bash", "-c", PRELUDE + commands], cwd=TOP, text=True,
        input=TYPED.get(title, ""), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=300)
    return done.returncode, done.stdout
