#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/install-debian.md, typed as it stands.

Debian's own slapd and Exim, as their packages configure them, in a sandbox;
each section of the page is one script, run in the page's order.  What follows a
section in a fence is what it must have printed.
"""

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
from debian import Site, sections, type_section
from sandbox import run
from world import PARTNER, PARTNER_PASSWORDS

site = None


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
            "outgate_loop", "outgate_gateway", "outgate_nowhere",
            "outgate_guard", "local", "outside"])

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
        code, printed = type_section(title)
        self.assertEqual(code, 0, printed + site.org.log())
        expected = sections()[title][1]
        for line in expected.splitlines():
            # dates and message ids differ
            line = re.sub(r"^\d{4}-\S+ \S+ \S+ ", "", line)
            self.assertIn(line, printed)

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

    def test_7_typed_by_the_user(self):
        # the plug-in in Debian's slapd, which runs as a user of its own
        jo = "uid=jo,ou=staff,ou=people,dc=org,dc=example"
        ldif = "\n".join([
            f"dn: {jo}", "changetype: modify", "replace: outgatePassword",
            f"outgatePassword: {PARTNER_PASSWORDS['jo.doe']}", ""])
        subprocess.run(
            ["ldapmodify", "-x", "-H", "ldapi:///", "-D", jo, "-w",
             "jo-secret"], input=ldif, text=True, check=True,
            stdout=subprocess.DEVNULL)
        found = run("slapcat", "-a", "(uid=jo)", "-o", "ldif-wrap=no")
        self.assertIn("\noutgatePassword: {CMS}", found)

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
