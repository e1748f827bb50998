#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions, retry times and refused logins: no user's gateway is another's.

Real Exim with outgate as installed, real slapd, real partner servers.
"""

import collections
import concurrent.futures
import pathlib
import re
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
import world as worlds
from world import (JO, MIA_GATEWAY, OTHER, OUTSIDE, PARTNER,
                   PARTNER_PASSWORDS, SAM, STAFF, World, unfolded)

JO_AWAY = "jo.doe@partner.example"
TEAM = "team@partner.example"
OUT = "someone@outside.example"
REFUSED = (f"550 5.7.8 {JO_AWAY}: outgatePassword: your outbound gateway's "
           "server refused this login and password; enter the right ones")

world = None


def setUpModule():
    global world
    world = World(conf="proof none\n")
    world.__enter__()
    world.seal_example()
    world.permit()


def tearDownModule():
    world.__exit__()


class Isolation(unittest.TestCase):
    """Jo, Mia and Sam share one smarthost."""

    def setUp(self):
        self.saved = {dn: world.gateway(dn) for dn in (JO, MIA_GATEWAY, SAM)}

    def tearDown(self):
        for dn, entry in self.saved.items():
            for name in ("outgateHost", "outgatePort", "outgateTLS",
                         "outgateLogin", "outgateAddress"):
                world.replace(dn, name, *entry.get(name.lower(), []))
        # sealed anew: what has been remembered of the old ones is over
        world.seal_example()
        world.empty_queue()
        world.forget()

    def send(self, login, sender, subject="", **options):
        reply = world.submit(login, sender, [OUT], self.id() + subject,
                             **options)
        self.assertRegex(reply, "^250 OK id=")
        return reply.partition("id=")[2]

    def arrived_as(self, subject="", count=1):
        return sorted(str(message["X-Arrived-As"]) for _, message in
                      world.arrived(self.id() + subject, count))

    def logins_at_partner(self):
        """How often somebody failed to log in there."""
        return world.servers[PARTNER].log().count("authenticator failed for")


class Sessions(Isolation):
    def setUp(self):
        super().setUp()
        world.servers[PARTNER].stop()

    def queued_then_run(self, senders):
        """All wait for one host; then it comes up and the queue is run."""
        for login, sender in senders:
            message = self.send(login, sender)
            self.assertIsNotNone(world.logged(f"{message} == "))
        world.servers[PARTNER].start()
        world.wait_for(PARTNER)
        time.sleep(1.1)
        world.run_queue("-q")
        return self.arrived_as(count=len(senders))

    def tearDown(self):
        if world.servers[PARTNER].process is None:
            world.servers[PARTNER].start()
            world.wait_for(PARTNER)
        super().tearDown()

    def test_F55_two_users_queued_for_one_host_and_port(self):
        self.assertEqual(
            self.queued_then_run([("jo", JO_AWAY), ("sam", TEAM)] * 3),
            ["jo.doe"] * 3 + ["sam.roe"] * 3)

    def test_F55_two_users_queued_for_one_host_and_another_port(self):
        self.assertEqual(
            self.queued_then_run([("jo", JO_AWAY), ("mia", TEAM)] * 3),
            ["jo.doe"] * 3 + ["mia.moe"] * 3)

    def test_F55_one_address_with_two_logins(self):
        self.assertEqual(
            self.queued_then_run([("sam", TEAM), ("mia", TEAM)] * 3),
            ["mia.moe"] * 3 + ["sam.roe"] * 3)

    def test_F55_over_starttls(self):
        world.replace(SAM, "outgateTLS", "starttls")
        world.seal(SAM, PARTNER_PASSWORDS["sam.roe"])
        self.assertEqual(
            self.queued_then_run([("sam", TEAM), ("mia", TEAM)] * 3),
            ["mia.moe"] * 3 + ["sam.roe"] * 3)

    def test_F55_every_message_has_a_session_of_its_own(self):
        before = world.servers[PARTNER].log().count("SMTP connection from")
        self.queued_then_run([("jo", JO_AWAY), ("jo", JO_AWAY)])
        log = world.servers[PARTNER].log()
        # one is wait_for's look whether the port is open
        self.assertEqual(log.count("SMTP connection from") - before >= 3, True)
        ids = re.findall(r"\[(\d+)\] \S+ <= jo.doe@", log)
        self.assertEqual(len(ids), len(set(ids)))


class Many(unittest.TestCase):
    USERS, MESSAGES = 50, 20

    def test_F56_50_users_times_20_messages_in_parallel(self):
        self.make_users()
        subjects = [(n, self.id()) for n in range(self.USERS)
                    for _ in range(self.MESSAGES)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for reply in pool.map(self.submit, subjects):
                self.assertRegex(reply, "^250 OK")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: world.run_queue("-q"), range(8)))
        total = self.USERS * self.MESSAGES
        arrived = world.arrived(self.id(), total)
        self.assertEqual(len(arrived), total)
        for server, message in arrived:
            self.assertEqual(server, PARTNER)
            self.assertEqual(message["X-Arrived-From"],
                             f"<{message['X-Arrived-As']}@partner.example>")
        counts = collections.Counter(
            str(message["X-Arrived-As"]) for _, message in arrived)
        self.assertEqual(set(counts.values()), {self.MESSAGES})

    def make_users(self):
        names = [f"user{n}" for n in range(self.USERS)]
        world.modify("".join(
            f"dn: uid={name},{STAFF}\nchangetype: add\n"
            "objectClass: inetOrgPerson\nobjectClass: outgateAccount\n"
            f"uid: {name}\ncn: {name}\nsn: {name}\n"
            f"outgateAddress: {name}@partner.example\n"
            f"outgateHost: smtp.partner.example\noutgateLogin: {name}\n\n"
            for name in names))
        world.servers[PARTNER].write("passwords", worlds.passwords(
            {**PARTNER_PASSWORDS, **{name: f"pw-{name}" for name in names}}))
        worlds.ORG_PASSWORDS.update({name: f"org-{name}" for name in names})
        world.org.write("passwords", worlds.passwords(worlds.ORG_PASSWORDS))
        for name in names:
            world.seal(f"uid={name},{STAFF}", f"pw-{name}")

    @staticmethod
    def submit(job):
        number, subject = job
        name = f"user{number}"
        return world.submit(name, f"{name}@partner.example", [OUT], subject)


class Refused(Isolation):
    """A 5xx to AUTH."""

    def test_F50_a_refused_login_leaves_the_others_alone(self):
        """F50: both queued for one host and port; one login is refused"""
        world.seal(JO, "wrong")
        world.servers[PARTNER].stop()
        bad = self.send("jo", JO_AWAY, ".bad")
        good = self.send("sam", TEAM)
        for message in bad, good:
            world.logged(f"{message} == ")
        world.servers[PARTNER].start()
        world.wait_for(PARTNER)
        time.sleep(1.1)
        world.run_queue("-q")
        self.assertEqual(self.arrived_as(), ["sam.roe"])
        self.assertEqual(len(world.bounces(self.id() + ".bad")), 1)
        self.assertEqual(world.queue(), "")

    def test_one_login_attempt_for_one_message(self):
        world.seal(JO, "wrong")
        before = self.logins_at_partner()
        self.send("jo", JO_AWAY)
        self.assertEqual(len(world.bounces(self.id())), 1)
        self.assertEqual(self.logins_at_partner(), before + 1)

    def test_the_bounce_comes_home_and_says_what_to_mend(self):
        world.seal(JO, "wrong")
        self.send("jo", JO_AWAY)
        bounce, = world.bounces(self.id())
        self.assertEqual(bounce["X-Arrived-For"], "jo@org.example")
        text = unfolded(bounce)
        self.assertIn(f"A message that you sent as {JO_AWAY} could not be "
                      "delivered", text)
        self.assertIn("refused your login and password (a reply of the class "
                      "5yz to AUTH)", text)
        self.assertIn("Enter the right login and password", text)
        self.assertNotIn("Incorrect authentication data", text)

    def test_a_refused_password_is_refused_at_submission(self):
        world.seal(JO, "wrong")
        self.send("jo", JO_AWAY)
        world.bounces(self.id())
        before = self.logins_at_partner()
        for _ in range(3):
            self.assertEqual(
                world.submit("jo", JO_AWAY, [OUT], self.id()), REFUSED)
        self.assertEqual(self.logins_at_partner(), before)

    def test_the_same_password_sealed_anew_is_not_tried_again(self):
        world.seal(JO, "wrong")
        self.send("jo", JO_AWAY)
        world.bounces(self.id())
        before = self.logins_at_partner()
        world.seal(JO, "wrong")
        self.send("jo", JO_AWAY, ".anew")
        bounce, = world.bounces(self.id() + ".anew")
        self.assertIn("refused this login and password", unfolded(bounce))
        self.assertEqual(self.logins_at_partner(), before)
        self.assertEqual(
            world.submit("jo", JO_AWAY, [OUT], self.id()), REFUSED)

    def test_the_right_password_is_used_at_once(self):
        world.seal(JO, "wrong")
        self.send("jo", JO_AWAY)
        world.bounces(self.id())
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        self.send("jo", JO_AWAY, ".right")
        self.assertEqual(self.arrived_as(".right"), ["jo.doe"])

    def test_messages_queued_before_the_refusal_come_back_untried(self):
        world.seal(JO, "wrong")
        world.servers[PARTNER].stop()
        for number in range(4):
            world.logged(f"{self.send('jo', JO_AWAY, f'.{number}')} == ")
        world.servers[PARTNER].start()
        world.wait_for(PARTNER)
        before = self.logins_at_partner()
        time.sleep(1.1)
        world.run_queue("-q")
        for number in range(4):
            self.assertEqual(
                len(world.bounces(f"{self.id()}.{number}")), 1)
        self.assertEqual(self.logins_at_partner(), before + 1)


class Held(Isolation):
    """Everything else that fails for one user's gateway."""

    def partner_says(self, acl):
        """Make the partner's server answer AUTH as this ACL does."""
        server = world.servers[PARTNER]
        conf = server.etc / "exim4.conf"
        plain = conf.read_text()
        conf.write_text(plain.replace(
            "acl_smtp_mail =", "acl_smtp_auth = acl_auth\nacl_smtp_mail ="
        ).replace("begin acl\n", f"begin acl\nacl_auth:\n{acl}  accept\n"))
        self.addCleanup(conf.write_text, plain)

    def other_mail_flows(self):
        """Sam's mail to the same host, in the same queue run."""
        world.servers[PARTNER].stop()
        good = self.send("sam", TEAM, ".sam")
        world.logged(f"{good} == ")
        world.servers[PARTNER].start()
        world.wait_for(PARTNER)
        time.sleep(1.1)
        return good

    def fails_alone(self, *log):
        """Jo's fails and is held; Sam's arrives in that run."""
        good = self.other_mail_flows()
        bad = self.send("jo", JO_AWAY)
        self.assertIsNotNone(world.logged(f"{bad} == ", *log),
                             world.org.log()[-1500:])
        world.run_queue("-q")
        self.assertEqual(self.arrived_as(".sam"), ["sam.roe"])
        self.assertIn(bad, world.queue())
        self.assertNotIn(good, world.queue())
        # held: no second attempt, also when retry times are ignored
        attempts = world.org.log().count(f"{bad} == ")
        world.run_queue()
        self.assertIsNotNone(world.logged(
            bad, "outgate: from=", "held for a while after a failure"))
        self.assertIsNotNone(world.logged(f"{bad} == ", "T=outgate_hold"))
        self.assertGreater(world.org.log().count(f"{bad} == "), attempts)
        return bad

    def test_F52_a_454_for_one_user(self):
        """F52: 454 to one user's AUTH; the other's mail goes in that run"""
        # Jo logs in over 465 as does Sam; the ACL cannot tell them apart
        # before AUTH, so Jo uses 587 here
        world.replace(JO, "outgatePort", "587")
        world.replace(JO, "outgateTLS", "starttls")
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        self.partner_says("  defer condition = ${if eq{$received_port}{587}}\n"
                          "    message = 4.7.0 too many logins\n")
        self.fails_alone("SMTP error from remote mail server after AUTH")

    def test_F53_implicit_tls_to_a_starttls_port(self):
        world.replace(JO, "outgatePort", "587")
        world.replace(SAM, "outgatePort", "587")
        world.replace(SAM, "outgateTLS", "starttls")
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        world.seal(SAM, PARTNER_PASSWORDS["sam.roe"])
        self.fails_alone("TLS session")

    def test_F53_both_in_one_run(self):
        """F53: the failure and the other's message in one and the same run"""
        world.replace(JO, "outgatePort", "587")
        world.replace(SAM, "outgatePort", "587")
        world.replace(SAM, "outgateTLS", "starttls")
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        world.seal(SAM, PARTNER_PASSWORDS["sam.roe"])
        world.servers[PARTNER].stop()
        for login, sender in [("jo", JO_AWAY), ("sam", TEAM)] * 3:
            world.logged(f"{self.send(login, sender)} == ")
        world.servers[PARTNER].start()
        world.wait_for(PARTNER)
        time.sleep(1.1)
        world.run_queue("-q")
        self.assertEqual(self.arrived_as(count=3), ["sam.roe"] * 3)

    def test_a_mended_setting_ends_the_hold(self):
        world.replace(JO, "outgatePort", "587")
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        bad = self.send("jo", JO_AWAY)
        world.logged(f"{bad} == ", "TLS session")
        world.replace(JO, "outgatePort")
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        world.run_queue()
        self.assertEqual(self.arrived_as(), ["jo.doe"])

    def test_the_hold_ends_by_itself(self):
        world.impostor(PARTNER)
        try:
            bad = self.send("jo", JO_AWAY)
            world.logged(f"{bad} == ", "TLS session")
        finally:
            world.restore(PARTNER)
        world.run_queue()
        self.assertIn(bad, world.queue())
        world.outgate_conf("proof none\nhold_s 1\n")
        try:
            time.sleep(1.1)
            world.run_queue()
            self.assertEqual(self.arrived_as(), ["jo.doe"])
        finally:
            world.outgate_conf()

    def test_an_unknown_host_name_delays_nobody_else(self):
        world.replace(JO, "outgateHost", "nosuch.partner.example")
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        bad = self.send("jo", JO_AWAY)
        world.logged(f"{bad} == ", "R=outgate_guard")
        self.send("sam", TEAM, ".sam")
        self.assertEqual(self.arrived_as(".sam"), ["sam.roe"])
        self.assertIn(bad, world.queue())


class Days(Isolation):
    """Failures that last: by the clock of the delivering host."""

    def setUp(self):
        super().setUp()
        # time must not run back, so nothing is delivered in the present
        world.queue_only(True)
        self.addCleanup(world.queue_only, False)

    def at(self, days, *words):
        """Run exim4 as if some days had passed."""
        world.org.command(*words, faketime=f"+{days}d")
        world.deliver_bounces()

    def test_F51_535_for_days(self):
        """F51: a login refused for days; the other's new mail is delivered"""
        world.seal(JO, "wrong")
        self.send("jo", JO_AWAY)
        for days in 0.1, 1, 2, 3:
            self.at(days, "-q")
        self.assertEqual(len(world.bounces(self.id())), 1)
        self.send("sam", TEAM, ".sam")
        self.at(3.1, "-q")
        self.assertEqual(self.arrived_as(".sam"), ["sam.roe"])

    def test_F51_a_tls_failure_for_days_bounces_no_innocent(self):
        world.replace(JO, "outgatePort", "587")
        world.replace(SAM, "outgatePort", "587")
        world.replace(SAM, "outgateTLS", "starttls")
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        world.seal(SAM, PARTNER_PASSWORDS["sam.roe"])
        bad = self.send("jo", JO_AWAY)
        for days in 0, 0.5, 1, 1.5:
            self.at(days, "-q")
            self.assertIn(bad, world.queue())
        self.at(3, "-q")
        self.assertEqual(len(world.bounces(self.id())), 1)
        self.send("sam", TEAM, ".sam")
        self.at(3.1, "-q")
        self.assertEqual(self.arrived_as(".sam"), ["sam.roe"])

    def test_a_gateway_that_is_down_bounces_after_two_days_not_before(self):
        world.servers[PARTNER].stop()
        try:
            bad = self.send("jo", JO_AWAY)
            for days in 0, 1, 1.9:
                self.at(days, "-q")
                self.assertIn(bad, world.queue())
            self.at(2.1, "-q")
            bounce, = world.bounces(self.id())
            self.assertIn("could not take the message, for 50 hours",
                          unfolded(bounce))
            self.assertEqual(bounce["X-Arrived-For"], "jo@org.example")
        finally:
            world.servers[PARTNER].start()
            world.wait_for(PARTNER)

    def test_a_new_message_to_a_long_dead_gateway_waits_its_two_days(self):
        world.servers[PARTNER].stop()
        try:
            self.send("jo", JO_AWAY)
            for days in 0, 1, 3:
                self.at(days, "-q")
            world.bounces(self.id())
            new = self.send("sam", TEAM, ".sam")
            # the present is three days ahead for Exim: old, but not over
            self.at(1.9, "-qff")
            self.assertIn(new, world.queue())
        finally:
            world.servers[PARTNER].start()
            world.wait_for(PARTNER)

    def test_a_delay_is_told_after_an_hour(self):
        world.servers[PARTNER].stop()
        try:
            self.send("jo", JO_AWAY)
            self.at(0.03, "-qff")
            self.assertEqual(world.warnings_now(self.id()), [])
            self.at(0.05, "-qff")
            self.assertEqual(len(world.warnings(self.id())), 1)
        finally:
            world.servers[PARTNER].start()
            world.wait_for(PARTNER)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
