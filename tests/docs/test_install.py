#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/install-debian.md, typed as it stands.

Debian's own slapd and Exim, as their packages configure them, in a sandbox;
each section of the page is one script, run in the page's order.  What follows a
section in a fence is what it must have printed.
"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))

import sandbox
import tap
import world
from sandbox import run
from world import OUTSIDE, PARTNER, PARTNER_PASSWORDS, World

PAGE = TOP / "docs/install-debian.md"
ADMIN_PASSWORD = "admin-secret"

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

site = None


class Site(World):
    """The partners and the rest; the organisation is Debian's own."""

    def __enter__(self):
        self.network()
        self.certify()
        self.start_servers()
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

    def configure_slapd(self):
        subprocess.run(["debconf-set-selections"], input=SLAPD_ANSWERS,
                       text=True, check=True)
        run("dpkg-reconfigure", "-f", "noninteractive", "slapd",
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        # where rc scripts may run it has been started already
        run("service", "slapd", "restart")

    def configure_exim(self):
        """An organisation whose people can submit, before outgate."""
        conf = pathlib.Path("/etc/exim4/update-exim4.conf.conf")
        text = conf.read_text()
        for name, value in (("use_split_config", "true"),
                            ("eximconfig_configtype", "smarthost"),
                            ("other_hostnames", "org.example"),
                            ("smarthost", OUTSIDE)):
            text = re.sub(rf"(?m)^dc_{name}=.*$", f"dc_{name}='{value}'",
                          text)
        conf.write_text(text)
        pathlib.Path("/etc/mailname").write_text("org.example\n")
        etc = pathlib.Path("/etc/exim4")
        (etc / "conf.d/main/000_localmacros").write_text(
            "MAIN_TLS_ENABLE = yes\n")
        (etc / "passwd.client").write_text(
            f"{OUTSIDE}:{world.RELAY[0]}:{world.RELAY[1]}\n")
        world.certificate(self.ca, "mail.org.example", etc / "exim")
        run("chgrp", "Debian-exim", etc / "passwd.client", etc / "exim.key")


def sections():
    """The commands and the expected lines of each section of the page."""
    found = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        fences = re.findall(r"(?ms)^```\n(.*?)^```$", text)
        text = re.sub(r"(?ms)^```\n.*?^```$", "", text)
        commands = [line[4:] for line in text.split("\n")
                    if line.startswith("    ")]
        # a list's second line is indented too, by two
        found[title] = "\n".join(commands) + "\n", "".join(fences)
    return found


def mainlog():
    path = pathlib.Path("/var/log/exim4/mainlog")
    return path.read_text() if path.exists() else ""


def setUpModule():
    global site
    site = Site()
    site.__enter__()


def tearDownModule():
    site.__exit__()


class OwnExim(unittest.TestCase):
    """The configuration of docs/install-exim.md is one that Exim takes."""

    @classmethod
    def setUpClass(cls):
        run("make", "-s", "-C", TOP, "install")
        run("cp", "/usr/share/outgate/exim-config/outgate.include",
            "/etc/exim4/outgate.include")
        page = (TOP / "docs/install-exim.md").read_text()
        cls.conf = pathlib.Path("/etc/exim4/exim4.conf")
        cls.conf.write_text(re.search(
            r"(?ms)^```exim\n(.*?)^```$", page).group(1))

    @classmethod
    def tearDownClass(cls):
        cls.conf.unlink()

    def exim(self, *words):
        return run("exim4", "-C", self.conf, *words)

    def test_our_routers_are_the_first(self):
        self.assertEqual(self.exim("-bP", "router_list").split(), [
            "outgate_unscanned", "outgate_refusal", "outgate_held",
            "outgate_gateway", "outgate_guard", "local", "outside"])

    def test_our_retry_rules_are_the_first(self):
        text = self.exim("-bP", "config")
        rules = text[text.index("begin retry"):].split("\n")[1:]
        rules = [rule for rule in rules if not rule.startswith("#")]
        self.assertTrue(rules[0].strip().startswith("+outgate_"), rules[0])

    def test_the_authenticators_know_both_kinds_of_password(self):
        text = self.exim("-bP", "authenticator", "outgate_plain")
        self.assertIn("outgate_password", text)
        self.assertIn("/etc/exim4/passwd.client", text)

    def test_the_server_authenticator_is_there(self):
        self.assertIn("server_plain", self.exim("-bP", "authenticator_list"))


class Page(unittest.TestCase):
    """The tests run in this order, each on what the ones before left."""

    def type(self, title):
        commands, expected = sections()[title]
        commands = commands.replace(" -W", f" -w {ADMIN_PASSWORD}")
        done = subprocess.run(
            ["bash", "-c", PRELUDE + commands], cwd=TOP, text=True,
            input=TYPED.get(title, ""), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + mainlog())
        for line in expected.splitlines():
            # dates and message ids differ
            line = re.sub(r"^\d{4}-\S+ \S+ \S+ ", "", line)
            self.assertIn(line, done.stdout)
        return done.stdout

    def test_1_what_must_be_there(self):
        self.type("What must be there")

    def test_2_build_and_install(self):
        self.type("Build and install")

    def test_3_directory(self):
        self.type("Directory")

    def test_4_settings_and_keys(self):
        self.type("Settings and keys")

    def test_5_exim(self):
        self.type("Exim")

    def test_6_permission(self):
        self.type("Permission")

    def test_7_the_first_gateway(self):
        self.type("The first gateway")

    def test_8_trying_it(self):
        self.type("Trying it")
        found = world.wait(site.everything, bool)
        self.assertEqual([name for name, _ in found], [PARTNER])
        message = found[0][1]
        self.assertEqual(message["X-Arrived-As"], "jo.doe")
        self.assertEqual(message["X-Arrived-From"],
                         "<jo.doe@partner.example>")
        self.assertNotIn("Sender", message)

    def test_9_taking_it_out_again(self):
        self.type("Taking it out again")


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
