#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole journey: a permission, a form, a proof, a message, and its end.

One test, in the order in which people do it.  Nobody here but the
administrator has any right beyond the own entry; the browser is a real one,
the password is typed in clear, slapd seals it, the agent runs as a service.
"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap

if __name__ == "__main__":
    sandbox.enter()

import selfservice
import world as fixture
from agent import AgentWorld, proof_in, today
from sandbox import run
from selfservice import KIM, Browser, PhpLdapAdmin
from slapd import check
from world import OUTSIDE, PARTNER, TOP

STUDENTS = KIM.partition(",")[2]
PAT = "uid=pat,ou=staff,ou=people,dc=org,dc=example", "pat-secret"
AWAY = "kim.poe@partner.example"
LOGIN, PASSWORD = "kim.poe", "kim's pass{word} there"
OUT = "someone@outside.example"
FORM = "Send as another address"
UPDATE = "input[value='Update Object']"
FIELD = "#new_values_outgate{}_0".format


class Organisation(AgentWorld):
    """slapd seals what is typed, and tells the agent of changes."""

    def start_org(self):
        super().start_org()
        certificates = pathlib.Path("/etc/ldap/outgate-seal")
        run("install", "-d", "-m", "0755", certificates)
        run("install", "-m", "0644",
            *pathlib.Path("/etc/outgate/seal").glob("*.crt"), certificates)
        text = (TOP / "ldap-schema/openldap-plugin.ldif").read_text()
        check(self.slapd.modify(text.replace("{1}mdb", self.database()),
                                self.slapd.config), "openldap-plugin.ldif")
        self.tell_changes()


def setUpModule():
    global world, agent, site, browser
    fixture.PARTNER_PASSWORDS[LOGIN] = PASSWORD
    world = Organisation()
    world.__enter__()
    unittest.addModuleCleanup(world.__exit__)
    agent = world.start_agent()
    unittest.addModuleCleanup(end_agent)
    site = PhpLdapAdmin(world.slapd)
    unittest.addModuleCleanup(site.stop)
    browser = Browser()
    unittest.addModuleCleanup(browser.quit)


def end_agent():
    agent.terminate()
    agent.wait(fixture.WAIT_S)


class Journey(unittest.TestCase):
    def permission(self, value):
        """What the administrator of gateways may do, by permit.ldif."""
        text = (TOP / "ldap-schema/permit.ldif").read_text().replace(
            "ou=staff,ou=people,dc=org,dc=example", STUDENTS)
        if value == "FALSE":
            head, _, rest = text.rpartition("changetype: modify\n")
            text = head + "changetype: modify\n" + rest.partition("-\n")[2]
            text = text.replace(": TRUE", ": FALSE")
        check(world.slapd.modify(text, PAT), text)

    def log_in(self):
        browser.open(site.url)
        browser.link("login")
        browser.type("#login", "kim")
        browser.type("#password", "kim-secret")
        browser.click("input[name=submit]")
        browser.expect("Logged in as")

    def form(self):
        browser.open(site.url)
        browser.link("uid=kim")
        # asked for the first time only
        browser.wait(lambda: "Select a template" in browser.text() or
                     browser.sees(UPDATE), "the entry")
        if not browser.sees(UPDATE):
            browser.label(FORM)
        browser.find(UPDATE)

    def save(self):
        browser.click(UPDATE)
        browser.expect("Your settings have been saved.")

    def shown(self, status):
        """The agent writes the status, and Kim can read it in the form."""
        self.assertEqual(world.wait_status(KIM, f"^{status}$"), status)
        self.form()
        self.assertEqual(browser.value(FIELD("status")), status)

    def sent(self, subject):
        reply = world.submit("kim", AWAY, [OUT], subject)
        self.assertRegex(reply, "^250 ")
        arrived, = world.arrived(subject)
        return arrived

    def test_the_whole_journey(self):
        """From the permission to a message by the gateway, and back"""
        server, _ = self.sent("before anything")
        self.assertEqual(server, OUTSIDE)

        self.permission("TRUE")
        self.log_in()
        self.form()
        for name, value in (("address", AWAY), ("host", PARTNER),
                            ("login", LOGIN), ("password", PASSWORD)):
            browser.type(FIELD(name), value)
        self.save()
        stored, = world.gateway(KIM)["outgatepassword"]
        self.assertRegex(stored, r"^\{CMS\}[A-Za-z0-9+/]+=*$")

        self.shown(f"waiting for your proof: see the mail sent to {AWAY} on "
                   f"{today()}")
        self.assertRegex(world.submit("kim", AWAY, [OUT], "too early"),
                         "^550 .*outgateProof")
        mail, = world.mails(AWAY)
        self.assertEqual(mail["X-Arrived-For"], AWAY)

        browser.type(FIELD("proof"), proof_in(mail))
        self.save()
        self.shown("ready")

        server, message = self.sent("by the gateway")
        self.assertEqual((server, message["X-Arrived-As"],
                          message["X-Arrived-From"], message["From"]),
                         (PARTNER, LOGIN, f"<{AWAY}>", AWAY))
        self.assertIsNone(message["Sender"])

        self.permission("FALSE")
        server, message = self.sent("on behalf of")
        self.assertEqual((server, message["Sender"]),
                         (OUTSIDE, "kim@org.example"))
        self.shown("not permitted: ask your administrator")


if __name__ == "__main__":
    tap.main()
