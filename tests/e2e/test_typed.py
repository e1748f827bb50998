#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A password is typed into the directory, and mail goes by the gateway.

slapd with the plug-in as installed and as openldap-plugin.ldif loads it, real
Exim, a real partner server: what slapd has sealed, Exim's delivery opens, also
after a change of keys.
"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
from sandbox import run
from slapd import check
from world import (JO, MIA_GATEWAY, PARTNER, PARTNER_PASSWORDS, TOP, World,
                   unfolded, wait)

JO_AWAY = "jo.doe@partner.example"
TEAM = "team@partner.example"
OUT = "someone@outside.example"
SEAL = pathlib.Path("/etc/outgate/seal")
CERTIFICATES = pathlib.Path("/etc/ldap/outgate-seal")
USERS = {JO: (JO, "jo-secret"),
         MIA_GATEWAY: (MIA_GATEWAY.partition(",")[2], "mia-secret")}

world = None


def setUpModule():
    global world
    world = World(conf="proof none\n")
    world.__enter__()
    world.permit()
    publish()
    text = (TOP / "ldap-schema/openldap-plugin.ldif").read_text()
    check(world.slapd.modify(text.replace("{1}mdb", world.database()),
                             world.slapd.config), "openldap-plugin.ldif")


def tearDownModule():
    world.__exit__()


def publish():
    """The directory server gets the certificates that are there now."""
    run("rm", "-rf", CERTIFICATES)
    run("install", "-d", "-m", "0755", CERTIFICATES)
    run("install", "-m", "0644", *SEAL.glob("*.crt"), CERTIFICATES)


def change(dn, *lines):
    check(world.slapd.modify("\n".join([
        f"dn: {dn}", "changetype: modify", *lines, "-", ""]), USERS[dn]), dn)


def type_in(dn, password):
    change(dn, "replace: outgatePassword", f"outgatePassword: {password}")


def status(dn):
    return world.gateway(dn).get("outgatestatus", [])


class Typed(unittest.TestCase):
    def setUp(self):
        type_in(JO, PARTNER_PASSWORDS["jo.doe"])

    def tearDown(self):
        world.replace(JO, "outgateLogin", "jo.doe")
        world.replace(JO, "outgateStatus")
        world.empty_queue()
        world.forget()

    def send(self, login, sender):
        return world.submit(login, sender, [OUT], self.id())

    def arrives(self, sender, login, as_whom):
        """At the partner's, with this login there."""
        self.assertRegex(self.send(login, sender), "^250 ")
        arrived = world.arrived(self.id())
        self.assertEqual(len(arrived), 1, world.org.log()[-2000:])
        server, message = arrived[0]
        self.assertEqual(server, PARTNER)
        self.assertEqual(message["X-Arrived-As"], as_whom)

    def test_typed_by_its_user(self):
        """the user types it into his own entry"""
        self.assertTrue(
            world.gateway(JO)["outgatepassword"][0].startswith("{CMS}"))
        self.arrives(JO_AWAY, "jo", "jo.doe")

    def test_typed_in_a_gateway_below(self):
        """the user types it into a gateway below his entry"""
        type_in(MIA_GATEWAY, PARTNER_PASSWORDS["mia.moe"])
        self.arrives(TEAM, "mia", "mia.moe")

    def test_login_changed(self):
        """with another login it has to be typed again, which users are told"""
        change(JO, "replace: outgateLogin", "outgateLogin: sam.roe")
        self.assertEqual(
            wait(lambda: status(JO), bool),
            ["retype the password: the login was changed"])
        self.assertRegex(self.send("jo", JO_AWAY), "^250 ")
        bounces = world.bounces(self.id())
        self.assertEqual(len(bounces), 1, world.org.log()[-2000:])
        self.assertIn("outgatePassword", unfolded(bounces[0]))

    def test_login_changed_with_its_password(self):
        """both in one change"""
        change(JO, "replace: outgateLogin", "outgateLogin: sam.roe", "-",
               "replace: outgatePassword",
               f"outgatePassword: {PARTNER_PASSWORDS['sam.roe']}")
        self.arrives(JO_AWAY, "jo", "sam.roe")
        self.assertEqual(status(JO), [])

    def test_key_change(self):
        """after a change of keys, as in docs/sealing.md, mail goes on"""
        old = [path for path in SEAL.iterdir()]
        run("outgate", "keygen", "--group", "Debian-exim", "--name", "new")
        publish()
        self.apply_reseal()
        self.assertIn("opens 1, 0 of them alone",
                      run("outgate", "reseal", "--count"))
        for path in old:
            path.unlink()
        publish()
        self.arrives(JO_AWAY, "jo", "jo.doe")
        self.apply_reseal()
        self.assertIn("new\topens 1, 1 of them alone\n",
                      run("outgate", "reseal", "--count"))

    def apply_reseal(self):
        world.replace(MIA_GATEWAY, "outgatePassword")
        ldif = run("sh", "-c", "outgate reseal 2>/dev/null")
        self.assertIn("outgatePassword: {CMS}", ldif)
        world.modify(ldif)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
