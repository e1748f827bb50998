#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every row of the decision table as the client sees it: the exact reply.

Real Exim with outgate as installed, real slapd, real partner servers.
"""

import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
from world import (BUILD, JO, OUTSIDE, ORG_PASSWORDS, PARTNER, SAM, STAFF,
                   World)

JO_AWAY = "jo.doe@partner.example"
OUT = "someone@outside.example"
DIRECTORY = ("451 4.4.3 your account's settings cannot be read at the "
             "moment; try again later")
AMBIGUOUS = ("550 5.6.0 the From header is ambiguous; send with exactly one "
             "plain address there")

NUL_OCTETS = (f"550 5.6.0 {JO_AWAY}: this message contains NUL octets, which "
              "your outbound gateway's server may misread; send it without "
              "them")

world = None


def setUpModule():
    global world
    world = World(conf="proof none\n")
    world.__enter__()
    world.seal_example()


def tearDownModule():
    world.__exit__()


class Decision(unittest.TestCase):
    """Starts from: Jo has a complete gateway, and it is permitted."""

    def setUp(self):
        world.outgate_conf()
        world.permit()
        self.saved = world.gateway(JO)

    def tearDown(self):
        for name in ("outgateHost", "outgatePort", "outgateTLS",
                     "outgateLogin", "outgateAddress", "outgatePassword",
                     "outgateEnabled", "outgateProof"):
            world.replace(JO, name, *self.saved.get(name.lower(), []))

    def reply(self, sender=JO_AWAY, login="jo", **options):
        return world.submit(login, sender, [OUT], self.id(), **options)

    def refused(self, text, **options):
        self.assertEqual(self.reply(**options), text)
        self.assertEqual(world.queue(), "")

    def way(self, sender=JO_AWAY, login="jo", **options):
        """Accepted: by which server did it go?"""
        reply = self.reply(sender, login, **options)
        self.assertRegex(reply, "^250 OK id=")
        arrived = world.arrived(self.id())
        self.assertEqual(len(arrived), 1)
        return arrived[0][0]

    def logged(self, words):
        line = world.logged(words)
        self.assertIsNotNone(line, f"no '{words}' in the log")
        return line


class Accepted(Decision):
    def test_row_01_mail_from_another_host_takes_the_org_route(self):
        reply = world.submit("jo", JO_AWAY, ["kim@org.example"], self.id(),
                             auth=False, envelope="x@outside.example")
        self.assertRegex(reply, "^250 OK")
        self.assertEqual(world.arrived(self.id())[0][0], "mail.org.example")

    def test_row_01_local_sendmail_takes_the_org_route(self):
        world.org.command("-f", "jo@org.example", OUT, text=(
            f"From: {JO_AWAY}\nSubject: {self.id()}\n\nText.\n"))
        self.assertEqual(world.arrived(self.id())[0][0], OUTSIDE)

    def test_row_02_an_empty_sender_takes_the_org_route(self):
        self.assertEqual(self.way(envelope=""), OUTSIDE)
        self.logged("way=org why=null-sender login=jo")

    def test_row_03_an_unreadable_from_takes_the_org_route(self):
        self.assertEqual(self.way("a@x.example, b@y.example"), OUTSIDE)
        self.logged("way=org why=unreadable-from login=jo")

    def test_row_05_an_internal_from_takes_the_org_route(self):
        self.assertEqual(self.way("Jo <jo@org.example>"), OUTSIDE)
        self.logged("way=org why=internal-from login=jo from=jo@org.example")

    def test_row_05_an_internal_from_makes_no_look_up(self):
        before = world.operations()
        self.way("Jo <jo@org.example>")
        self.assertEqual(world.operations(), before + 1)

    def test_an_external_from_makes_look_ups(self):
        """The counter of the test above does count."""
        before = world.operations()
        self.assertEqual(self.way(), PARTNER)
        self.assertGreater(world.operations(), before + 1)

    def test_row_07_a_login_without_an_entry_takes_the_org_route(self):
        self.assertEqual(self.way(login="nobody"), OUTSIDE)
        self.logged("way=org why=no-entry login=nobody")

    def test_row_08_an_address_of_nobodys_takes_the_org_route(self):
        self.assertEqual(self.way("jo@elsewhere.example"), OUTSIDE)
        self.logged("way=org why=unlisted login=jo from=jo@elsewhere.example")

    def test_row_08_somebody_elses_address_takes_the_org_route(self):
        self.assertEqual(self.way(login="sam"), OUTSIDE)
        self.logged(f"way=org why=unlisted login=sam from={JO_AWAY}")

    def test_row_08_a_disabled_gateway_serves_nothing(self):
        world.replace(JO, "outgateEnabled", "FALSE")
        self.assertEqual(self.way(), OUTSIDE)

    def test_row_09_without_permission_it_takes_the_org_route(self):
        world.permit("FALSE")
        self.assertEqual(self.way(), OUTSIDE)
        self.logged(f"way=org why=forbidden login=jo from={JO_AWAY}")

    def test_row_15_with_every_gate_open_it_takes_the_gateway(self):
        self.assertEqual(self.way(), PARTNER)
        self.logged(f"way=gateway why=gateway login=jo from={JO_AWAY} "
                    "host=smtp.partner.example port=465 tls=implicit")

    def test_row_15_the_address_is_compared_without_case(self):
        self.assertEqual(self.way("Jo.Doe@PARTNER.example"), PARTNER)

    def test_one_log_line_for_one_submission(self):
        before = world.org.log().count(" outgate: way=")
        self.way()
        self.assertEqual(world.org.log().count(" outgate: way="), before + 1)


class Refused(Decision):
    def test_row_04_two_addresses_one_of_them_a_gateways(self):
        self.refused(AMBIGUOUS, sender=f"{JO_AWAY}, x@y.example")

    def test_row_04_two_from_lines_one_of_them_a_gateways(self):
        self.refused(AMBIGUOUS, sender="x@y.example",
                     headers=[f"From: {JO_AWAY}"])

    def test_row_08_an_address_of_nobodys_where_that_is_refused(self):
        world.outgate_conf("proof none\nunlisted refuse\n")
        self.refused(
            "550 5.7.1 jo@elsewhere.example: none of your outbound gateways "
            "serves this address; add it to one or send as another address",
            sender="jo@elsewhere.example")

    def test_row_09_without_permission_where_that_is_refused(self):
        world.outgate_conf("proof none\nforbidden refuse\n")
        world.permit("FALSE")
        self.refused(
            f"550 5.7.1 {JO_AWAY}: outbound gateways are not enabled for "
            "your account; ask your administrator")

    def test_row_10_a_gateway_without_a_server(self):
        world.replace(JO, "outgateHost")
        self.refused(f"550 5.7.1 {JO_AWAY}: outgateHost: is missing")

    def test_row_10_a_server_by_its_address(self):
        world.replace(JO, "outgateHost", "127.0.0.1")
        self.refused(f"550 5.7.1 {JO_AWAY}: outgateHost: is not a host name "
                     "like smtp.partner.example")

    def test_row_10_a_gateway_without_a_login(self):
        world.replace(JO, "outgateLogin")
        self.refused(f"550 5.7.1 {JO_AWAY}: outgateLogin: is missing")

    def test_row_10_a_third_tls_mode(self):
        world.replace(JO, "outgateTLS", "none")
        self.refused(f"550 5.7.1 {JO_AWAY}: outgateTLS: is neither implicit "
                     "nor starttls")

    def test_row_10_two_gateways_for_one_address(self):
        second = f"cn=second,{JO}"
        world.modify(f"dn: {second}\nchangetype: add\n"
                     "objectClass: outgateEntry\ncn: second\n"
                     f"outgateAddress: {JO_AWAY}\n")
        try:
            self.refused(
                f"550 5.7.1 {JO_AWAY}: outgateAddress: several of your "
                "outbound gateways serve this address; remove it from all "
                "but one")
        finally:
            world.modify(f"dn: {second}\nchangetype: delete\n")

    def test_row_11_port_25(self):
        world.replace(JO, "outgatePort", "25")
        self.refused(f"550 5.7.1 {JO_AWAY}: outgatePort: this port is not "
                     "allowed for outbound gateways")

    def test_row_11_a_server_the_administrator_does_not_allow(self):
        world.replace(STAFF, "outgateAllowedHost", "*.elsewhere.example")
        try:
            self.refused(
                f"550 5.7.1 {JO_AWAY}: outgateHost: this server is not "
                "allowed for outbound gateways; ask your administrator")
        finally:
            world.replace(STAFF, "outgateAllowedHost")

    def test_row_13_no_password(self):
        world.replace(JO, "outgatePassword")
        self.refused(f"550 5.7.8 {JO_AWAY}: outgatePassword: your outbound "
                     "gateway has no password")

    def test_row_13_a_password_in_clear(self):
        world.replace(JO, "outgatePassword", "in-clear")
        self.refused(f"550 5.7.8 {JO_AWAY}: outgatePassword: the stored "
                     "password cannot be used; enter it again")


    def test_row_14_a_nul_octet_in_the_text(self):
        self.assertEqual(self.octets(JO_AWAY), NUL_OCTETS)
        self.logged(f"way=refuse why=nul-octets login=jo from={JO_AWAY}")
        self.assertEqual(world.queue(), "")

    def test_row_05_a_nul_octet_is_no_matter_on_the_org_route(self):
        self.assertRegex(self.octets("jo@org.example"), "^250 OK id=")

    def octets(self, sender):
        return world.submit_raw("jo", [OUT], f"From: {sender}\r\nSubject: "
                                f"{self.id()}\r\n\r\na\0b\r\n")


class Unanswered(Decision):
    def test_row_06_the_directory_is_down(self):
        world.slapd.halt()
        try:
            self.refused(DIRECTORY)
            self.assertEqual(self.way("jo@org.example"), OUTSIDE)
        finally:
            world.slapd.start()
        self.logged("way=defer why=directory login=jo")

    def test_row_06_two_entries_for_one_login(self):
        twin = f"uid=jo,ou=students,ou=people,dc=org,dc=example"
        world.modify(f"dn: {twin}\nchangetype: add\n"
                     "objectClass: inetOrgPerson\nuid: jo\ncn: Jo\nsn: Jo\n")
        try:
            self.refused(DIRECTORY)
        finally:
            world.modify(f"dn: {twin}\nchangetype: delete\n")

    def test_row_06_an_unreadable_from_while_the_directory_is_down(self):
        world.slapd.halt()
        try:
            self.refused(DIRECTORY, sender="a@x.example, b@y.example")
        finally:
            world.slapd.start()

    def test_settings_with_an_unknown_key_accept_nothing(self):
        world.outgate_conf("prof none\n")
        self.refused("451 4.3.5 this server's settings for outbound gateways "
                     "cannot be read; try again later",
                     sender="jo@org.example")
        self.logged("outgate: /etc/outgate/outgate.conf:5: "
                    "unknown key 'prof'")

    def test_settings_that_others_may_write_accept_nothing(self):
        conf = pathlib.Path("/etc/outgate/outgate.conf")
        conf.chmod(0o666)
        try:
            self.refused("451 4.3.5 this server's settings for outbound "
                         "gateways cannot be read; try again later")
        finally:
            conf.chmod(0o644)
        self.logged("outgate.conf: mode 0666 lets group or others write")

    def test_without_settings_inbound_mail_flows(self):
        world.outgate_conf("prof none\n")
        reply = world.submit("jo", "x@outside.example", ["kim@org.example"],
                             self.id(), auth=False,
                             envelope="x@outside.example")
        self.assertRegex(reply, "^250 OK")


class Proof(Decision):
    """Row 12: proof is required, and what becomes of good and bad ones."""

    UNPROVED = (f"550 5.7.1 {JO_AWAY}: outgateProof: no valid proof that "
                "this address is yours; paste the one mailed to it")

    @classmethod
    def setUpClass(cls):
        world.proof_key()

    def setUp(self):
        super().setUp()
        world.outgate_conf("")

    @staticmethod
    def proof(**changed):
        return world.proof(JO, JO_AWAY, **changed)

    def test_row_12_no_proof(self):
        self.refused(self.UNPROVED)

    def test_row_12_a_proof_that_is_none(self):
        world.replace(JO, "outgateProof", "please")
        self.refused(self.UNPROVED)

    def test_row_12_another_users_proof(self):
        world.replace(JO, "outgateProof", self.proof(sub=world.owner(SAM)))
        self.refused(self.UNPROVED)

    def test_row_12_a_proof_for_another_server(self):
        world.replace(JO, "outgateProof",
                      self.proof(gw="smtp.other.example:465"))
        self.refused(self.UNPROVED)

    def test_row_12_an_expired_proof(self):
        world.replace(JO, "outgateProof", self.proof(life_s=-30))
        self.refused(self.UNPROVED)

    def test_row_12_with_a_proof_it_takes_the_gateway(self):
        world.replace(JO, "outgateProof", "please", self.proof())
        self.assertEqual(self.way(), PARTNER)


class Explained(Decision):
    """outgate explain says the same of the same message."""

    def explain(self, text, login="jo"):
        done = subprocess.run(
            [BUILD / "outgate", "explain", "--json", "--login", login],
            input=text, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        return done.returncode, json.loads(done.stdout or "null")

    def test_a_gateway(self):
        self.assertEqual(
            self.explain(f"From: Jo <{JO_AWAY}>\n\nText.\n"), (0, {
                "way": "gateway", "reason": "gateway", "from": JO_AWAY,
                "host": "smtp.partner.example", "port": 465,
                "tls": "implicit",
                "text": "every condition for the user's gateway is met"}))

    def test_the_org_route(self):
        self.assertEqual(self.explain("From: jo@org.example\n\n"), (0, {
            "way": "org", "reason": "internal-from",
            "from": "jo@org.example", "host": None, "port": None,
            "tls": None,
            "text": "the From address is the organisation's own"}))

    def test_a_refusal(self):
        world.replace(JO, "outgateLogin")
        code, said = self.explain(f"From: {JO_AWAY}\n\n")
        self.assertEqual((code, said["way"], said["reason"], said["text"]), (
            0, "refuse", "bad-gateway",
            f"550 5.7.1 {JO_AWAY}: outgateLogin: is missing"))

    def test_a_nul_octet_behind_the_header(self):
        code, said = self.explain(f"From: {JO_AWAY}\n\na\0b\n")
        self.assertEqual((code, said["way"], said["reason"], said["text"]), (
            0, "refuse", "nul-octets", NUL_OCTETS))

    def test_the_directory_is_down(self):
        world.slapd.halt()
        try:
            code, said = self.explain(f"From: {JO_AWAY}\n\n")
        finally:
            world.slapd.start()
        self.assertEqual((code, said["way"], said["reason"], said["text"]), (
            75, "defer", "directory", DIRECTORY))

    def test_bad_settings(self):
        world.outgate_conf("prof none\n")
        self.assertEqual(self.explain("From: x@y.example\n\n"), (78, None))


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
