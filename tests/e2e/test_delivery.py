#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What arrives where, as whom, and what becomes of queued messages.

Real Exim with outgate as installed, real slapd, real partner servers.
"""

import pathlib
import re
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
from world import (JO, MIA_GATEWAY, ORG_ADDRESS, OTHER, OUTSIDE, PARTNER,
                   PARTNER_PASSWORDS, SAM, World, unfolded)

JO_AWAY = "jo.doe@partner.example"
TEAM = "team@partner.example"
OUT = "someone@outside.example"
ORG = "mail.org.example"

world = None


def setUpModule():
    global world
    world = World(conf="proof none\n")
    world.__enter__()
    world.seal_example()
    world.proof_key()
    world.permit()


def tearDownModule():
    world.__exit__()


class Delivery(unittest.TestCase):
    def setUp(self):
        world.permit()
        self.saved = {dn: world.gateway(dn) for dn in (JO, MIA_GATEWAY, SAM)}

    def tearDown(self):
        for dn, entry in self.saved.items():
            for name in ("outgateHost", "outgatePort", "outgateTLS",
                         "outgateLogin", "outgateAddress", "outgatePassword",
                         "outgateProof"):
                world.replace(dn, name, *entry.get(name.lower(), []))
        world.empty_queue()
        world.forget()

    def send(self, login, sender, recipients=(OUT,), **options):
        reply = world.submit(login, sender, recipients, self.id(), **options)
        self.assertRegex(reply, "^250 OK id=")
        return reply.partition("id=")[2]

    def deferred(self, message_id, *texts):
        self.assertIsNotNone(
            world.logged(f"{message_id} == ", " defer ", *texts),
            world.org.log()[-2000:])

    def arrival(self, count=1):
        """Exactly so many copies: (server, message) of the first."""
        arrived = world.arrived(self.id(), count)
        self.assertEqual(len(arrived), count, world.org.log()[-2000:])
        return arrived[0]

    def nowhere(self):
        self.assertEqual(world.arrived_now(self.id()), [])

    @staticmethod
    def dialled():
        """How often the organisation has called a partner's server."""
        return sum(world.servers[name].log().count(
            f"SMTP connection from [{ORG_ADDRESS}]")
            for name in (PARTNER, OTHER))


class Sent(Delivery):
    def test_the_gateway_gets_it_with_its_users_login_there(self):
        self.send("jo", f"Jo <{JO_AWAY}>")
        server, message = self.arrival()
        self.assertEqual(server, PARTNER)
        self.assertEqual(message["X-Arrived-As"], "jo.doe")
        self.assertEqual(message["X-Arrived-At"], f"{PARTNER} port 465")
        self.assertEqual(message["X-Arrived-Tls"], "yes")

    def test_the_envelope_sender_on_the_wire_is_the_from_address(self):
        self.send("jo", JO_AWAY)
        self.assertEqual(self.arrival()[1]["X-Arrived-From"], f"<{JO_AWAY}>")

    def test_no_sender_header_leaves_by_the_gateway(self):
        self.send("jo", JO_AWAY, headers=["Sender: kim@org.example"])
        self.assertNotIn("Sender", self.arrival()[1])

    def test_nothing_tells_the_partner_the_login_here(self):
        self.send("jo", JO_AWAY)
        self.arrival()
        log = world.servers[PARTNER].log()
        self.assertNotIn("AUTH=jo", log)

    def test_the_server_name_is_sent_before_tls(self):
        self.send("jo", JO_AWAY)
        self.assertEqual(self.arrival()[1]["X-Arrived-Sni"], PARTNER)

    def test_starttls_on_587_serves_as_well(self):
        self.send("mia", TEAM)
        server, message = self.arrival()
        self.assertEqual(message["X-Arrived-At"], f"{PARTNER} port 587")
        self.assertEqual(message["X-Arrived-Tls"], "yes")
        self.assertEqual(message["X-Arrived-As"], "mia.moe")

    def test_two_users_with_one_address_each_use_their_own_login(self):
        self.send("mia", TEAM)
        self.send("sam", TEAM)
        self.arrival(2)
        self.assertEqual(
            sorted(str(message["X-Arrived-As"])
                   for _, message in world.arrived(self.id())),
            ["mia.moe", "sam.roe"])

    def test_internal_recipients_go_through_the_gateway_too(self):
        self.send("jo", JO_AWAY, [OUT, "kim@org.example"])
        self.arrival(2)
        arrived = world.arrived(self.id(), 2)
        self.assertEqual({server for server, _ in arrived}, {PARTNER})
        self.assertEqual(
            sorted(str(m["X-Arrived-For"]) for _, m in arrived),
            ["kim@org.example", OUT])

    def test_the_org_route_names_the_user_in_sender(self):
        world.permit("FALSE")
        self.send("jo", JO_AWAY)
        server, message = self.arrival()
        self.assertEqual(server, OUTSIDE)
        self.assertEqual(message["Sender"], "jo@org.example")
        self.assertEqual(message["X-Arrived-As"], "org-relay")

    def test_the_permission_counts_from_the_next_message_on(self):
        world.permit("FALSE")
        self.send("jo", JO_AWAY)
        self.assertEqual(self.arrival()[0], OUTSIDE)
        world.permit()
        reply = world.submit("jo", JO_AWAY, [OUT], self.id() + ".next")
        self.assertRegex(reply, "^250 OK")
        self.assertEqual(world.arrived(self.id() + ".next")[0][0], PARTNER)

    def test_F57_250_recipients_are_one_users_in_every_transaction(self):
        """F57: 250 recipients in three transactions, all the same user's"""
        recipients = [f"r{n}@outside.example" for n in range(250)]
        before = world.servers[PARTNER].log().count(" A=server_plain:jo.doe ")
        self.send("jo", JO_AWAY, recipients)
        arrived = world.arrived(self.id(), len(recipients))
        self.assertEqual({(server, str(message["X-Arrived-As"]))
                          for server, message in arrived},
                         {(PARTNER, "jo.doe")})
        self.assertEqual(
            sorted(str(message["X-Arrived-For"]) for _, message in arrived),
            sorted(recipients))
        log = world.servers[PARTNER].log()
        self.assertEqual(log.count(" A=server_plain:jo.doe ") - before, 3)

    def test_a_second_gateway_leads_to_its_own_server(self):
        second = f"cn=other,{JO}"
        world.modify(
            f"dn: {second}\nchangetype: add\nobjectClass: outgateEntry\n"
            "cn: other\noutgateAddress: jo@other.example\n"
            "outgateHost: smtp.other.example\noutgateLogin: jo.doe\n")
        try:
            world.seal(second, PARTNER_PASSWORDS["jo.doe"])
            self.send("jo", "jo@other.example")
            self.assertEqual(self.arrival()[0], OTHER)
        finally:
            world.modify(f"dn: {second}\nchangetype: delete\n")


class Secrets(Delivery):
    """Passwords that Exim's authenticators could spoil arrive whole."""

    def carry(self, login, password):
        table = {**PARTNER_PASSWORDS, login: password}
        server = world.servers[PARTNER]
        # lsearch wants keys quoted and no more
        server.write("passwords", "".join(
            f'"{name}": {word}\n' for name, word in table.items()))
        world.replace(JO, "outgateLogin", login)
        world.seal(JO, password)
        try:
            self.send("jo", JO_AWAY)
            self.assertEqual(self.arrival()[1]["X-Arrived-As"], login)
        finally:
            world.write_server_passwords(server)

    def test_a_password_of_exims_special_characters(self):
        self.carry("jo.doe", "a:b{c}$d\\e^f;g h^^i")

    def test_a_password_that_begins_with_a_caret(self):
        self.carry("jo.doe", "^secret")

    def test_a_login_that_begins_with_a_caret(self):
        self.carry("^jo", "secret")

    def test_a_password_in_utf_8(self):
        self.carry("jo.doe", "pässwörd-€")


class Queued(Delivery):
    """The partner is away at first; something changes; the queue is run."""

    def setUp(self):
        super().setUp()
        world.servers[PARTNER].stop()
        self.down = True

    def tearDown(self):
        self.up()
        super().tearDown()

    def up(self):
        if self.down:
            world.servers[PARTNER].start()
            world.wait_for(PARTNER)
            self.down = False

    def wait_in_queue(self):
        self.deferred(self.send("jo", JO_AWAY), "R=outgate_gateway",
                      "T=outgate_implicit")

    def bounced(self, text):
        """The bounce came home to the org mailbox, nobody was called."""
        self.up()
        before = self.dialled()
        world.run_queue()
        bounce = world.bounces(self.id())
        self.assertEqual(len(bounce), 1, world.org.log()[-2000:])
        self.assertEqual(bounce[0]["X-Arrived-For"], "jo@org.example")
        self.assertIn(text, unfolded(bounce[0]))
        self.assertEqual(self.dialled(), before)
        self.nowhere()
        self.assertEqual(world.queue(), "")

    def test_a_server_that_comes_back_gets_it(self):
        self.wait_in_queue()
        self.up()
        before = self.dialled()
        world.run_queue()
        self.assertEqual(self.arrival()[0], PARTNER)
        self.assertEqual(self.dialled(), before + 1)

    def test_F70_a_permission_withdrawn_while_it_waits_brings_it_back(self):
        self.wait_in_queue()
        world.permit("FALSE")
        self.bounced(f"{JO_AWAY}: outbound gateways are not enabled for your "
                     "account; ask your administrator")

    def waits_with_a_proof(self, life_s):
        """Proofs are required from here on; Jo's lives so long."""
        world.replace(JO, "outgateProof",
                      world.proof(JO, JO_AWAY, life_s=life_s))
        world.outgate_conf("")
        self.addCleanup(world.outgate_conf)
        self.wait_in_queue()

    def test_F71_a_proof_removed_while_it_waits_brings_it_back(self):
        self.waits_with_a_proof(life_s=3600)
        world.replace(JO, "outgateProof")
        self.bounced(f"{JO_AWAY}: outgateProof: no valid proof")

    def test_F71_a_proof_expired_while_it_waits_brings_it_back(self):
        self.waits_with_a_proof(life_s=3)
        time.sleep(3)
        self.bounced(f"{JO_AWAY}: outgateProof: no valid proof")

    def test_F71_with_its_proof_it_is_delivered(self):
        self.waits_with_a_proof(life_s=3600)
        self.up()
        world.run_queue()
        self.assertEqual(self.arrival()[0], PARTNER)

    def test_a_removed_gateway_brings_it_back(self):
        self.wait_in_queue()
        world.replace(JO, "outgateAddress", "other@partner.example")
        self.bounced(f"{JO_AWAY}: none of your outbound gateways serves this "
                     "address")

    def test_F72_another_host_brings_it_back(self):
        """F72: a host that the password is not sealed for: it comes back"""
        self.wait_in_queue()
        world.replace(JO, "outgateHost", OTHER)
        self.bounced(f"{JO_AWAY}: outgatePassword: the stored password does "
                     "not fit the outbound gateway's settings any more")

    def test_another_users_sealed_password_brings_it_back(self):
        self.wait_in_queue()
        world.replace(JO, "outgatePassword",
                      world.gateway(SAM)["outgatepassword"][0])
        self.bounced("the stored password does not fit")

    def test_F73_a_new_password_is_used_at_the_next_attempt(self):
        world.seal(JO, "outdated")
        self.wait_in_queue()
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        self.up()
        world.run_queue()
        self.assertEqual(self.arrival()[1]["X-Arrived-As"], "jo.doe")

    def test_a_mended_host_is_used_at_the_next_attempt(self):
        self.wait_in_queue()
        world.replace(JO, "outgateHost", OTHER)
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        world.run_queue()
        self.assertEqual(self.arrival()[0], OTHER)

    def test_while_the_directory_is_down_it_waits(self):
        self.wait_in_queue()
        self.up()
        world.slapd.halt()
        try:
            world.run_queue()
            self.nowhere()
            self.assertIn("jo@org.example", world.queue())
        finally:
            world.slapd.start()
        world.run_queue()
        self.assertEqual(self.arrival()[0], PARTNER)

    def test_without_a_key_it_waits(self):
        self.wait_in_queue()
        self.up()
        key = next(pathlib.Path("/etc/outgate/seal").glob("*.key"))
        mode = key.stat().st_mode
        key.chmod(0o644)
        try:
            world.run_queue()
            self.nowhere()
            self.assertIn("jo@org.example", world.queue())
        finally:
            key.chmod(mode)
        world.run_queue()
        self.assertEqual(self.arrival()[0], PARTNER)


class Guarded(Delivery):
    def test_a_submission_the_module_has_not_seen_is_held(self):
        include = world.org.etc / "outgate.include"
        whole = include.read_text()
        include.write_text(re.sub("(?m)^local_scan_path.*$", "", whole))
        world.restart_org()
        try:
            self.deferred(self.send("jo", "jo@org.example"),
                          "R=outgate_unscanned T=outgate_hold")
            self.nowhere()
            self.assertIn("jo@org.example", world.queue())
        finally:
            include.write_text(whole)
            world.restart_org()

    def test_a_verdict_of_another_version_is_held(self):
        world.servers[PARTNER].stop()
        try:
            self.deferred(self.send("jo", JO_AWAY), "T=outgate_implicit")
            for header in (world.org.folder / "spool/input").rglob("*-H"):
                text = header.read_bytes()
                header.write_bytes(text.replace(b" og=1 ", b" og=2 "))
        finally:
            world.servers[PARTNER].start()
            world.wait_for(PARTNER)
        world.run_queue()
        self.nowhere()
        self.assertIn("jo@org.example", world.queue())

    def test_a_password_is_not_shown_to_an_unverified_server(self):
        world.impostor(PARTNER)
        try:
            self.deferred(self.send("jo", JO_AWAY), "T=outgate_implicit")
            self.assertNotIn("AUTH", world.servers[PARTNER].log())
            self.nowhere()
        finally:
            world.restore(PARTNER)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
