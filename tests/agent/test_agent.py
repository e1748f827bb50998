#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""outgate agent: proofs by mail, and one sentence for each gateway's user.

Real slapd with its access rules, real Exims; the agent as installed, as a user
of its own, run as cron would.
"""

import base64
import contextlib
import email.utils
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
from agent import (JO_AWAY, JO_BIND, KEY, STATE, TEAM, USER, AgentWorld, Case,
                   proof_in, today)
from sandbox import run
from slapd import check
from world import (BUILD, JO, MIA_GATEWAY, OUTSIDE, PARTNER,
                   PARTNER_PASSWORDS, SAM, STAFF, wait)

MIA = MIA_GATEWAY.partition(",")[2]

world = None


def setUpModule():
    global world
    world = Case.world = AgentWorld()
    world.__enter__()


def tearDownModule():
    world.__exit__()


class Proof(Case):
    def test_a_proof_is_mailed_pasted_and_taken_and_the_message_leaves(self):
        self.assertIn("outgateProof", world.submit(
            "jo", JO_AWAY, ["x@outside.example"], "before"))
        world.once()
        self.is_waiting()
        mail, = world.mails()
        self.assertEqual(mail["X-Arrived-For"], JO_AWAY)
        self.pasted(proof_in(mail))
        world.once()
        self.assertEqual(world.status(JO), "ready")
        reply = world.submit("jo", JO_AWAY, ["x@outside.example"], "after")
        self.assertTrue(reply.startswith("250"), reply)
        (server, message), = world.arrived("after")
        self.assertEqual((server, message["X-Arrived-As"]),
                         (PARTNER, "jo.doe"))

    def test_a_gateway_below_its_user_is_served_as_well(self):
        self.reset(MIA_GATEWAY)
        world.once()
        self.is_waiting(MIA_GATEWAY, TEAM)
        mail, = world.mails(TEAM)
        self.pasted(proof_in(mail), MIA_GATEWAY, (MIA, "mia-secret"))
        world.once()
        self.assertEqual(world.status(MIA_GATEWAY), "ready")

    def test_the_mail_says_who_why_and_what_to_do(self):
        world.once()
        mail, = world.mails()
        text = " ".join(mail.get_content().split())
        for words in ("jo at org.example wants to send mail as " + JO_AWAY,
                      "by way of smtp.partner.example",
                      "paste it into the field for the proof (outgateProof)",
                      "Do not forward this message",
                      "If such messages annoy you, write to "
                      "postmaster@org.example",
                      f"It is valid until {today(400)}"):
            self.assertIn(words, text)

    def test_the_mail_is_plain_and_nobody_answers_it(self):
        world.once()
        mail, = world.mails()
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")
        self.assertEqual(mail["From"], "postmaster@org.example")
        self.assertEqual(mail["To"], JO_AWAY)
        self.assertEqual(mail["Content-Type"],
                         'text/plain; charset="us-ascii"')
        self.assertEqual(mail["Content-Transfer-Encoding"], "7bit")
        self.assertRegex(mail["Message-ID"],
                         r"^<[0-9a-f]{16}\.[0-9a-f]{16}@org\.example>$")
        at = email.utils.parsedate_to_datetime(mail["Date"]).timestamp()
        self.assertLess(abs(at - time.time()), 3600)
        self.assertIsNone(mail["Sender"])
        self.assertTrue(all(len(line) < 998 for line in
                            mail.as_bytes().splitlines()))

    def test_neither_log_nor_state_has_the_proof_or_the_address(self):
        said = world.once()
        proof = proof_in(world.mails()[0])
        self.assertNotIn(proof, said + world.org.log())
        for path in STATE.rglob("*"):
            self.assertNotIn("jo", path.name.replace("jo_", ""))
            if path.is_file():
                self.assertNotIn(b"partner", path.read_bytes())

    def test_without_proofs_none_is_mailed(self):
        world.outgate_conf("proof none\n")
        world.once()
        self.assertEqual(world.status(JO), "ready")
        self.assertEqual(world.mails_now(), [])

    def test_a_host_that_is_changed_needs_another_proof(self):
        world.once()
        first = proof_in(world.mails()[0])
        self.pasted(first)
        self.replace("outgateHost", "smtp.other.example")
        world.once(faketime="+25h")
        self.is_waiting(day=today(25 / 24))
        second = proof_in(world.mails(count=2)[1])
        self.assertNotEqual(first, second)

    def test_the_proof_of_one_user_is_none_for_another(self):
        self.reset(MIA_GATEWAY)
        world.once()
        stolen = proof_in(world.mails(TEAM)[0])
        self.reset(SAM)
        self.pasted(stolen, SAM, (SAM, "sam-secret"))
        world.once()
        self.has("^waiting for your proof", SAM)

    def test_a_proof_outlives_the_removal_of_its_address(self):
        # allowed until its end, as docs/security.md says
        world.once()
        proof = proof_in(world.mails()[0])
        self.replace("outgateAddress")
        world.once()
        self.assertEqual(world.status(JO), "outgateAddress is missing")
        self.replace("outgateAddress", JO_AWAY)
        self.pasted(proof)
        world.once()
        self.assertEqual(world.status(JO), "ready")
        self.assertEqual(len(world.mails()), 1)

    def test_an_address_in_capitals_is_the_same_claim(self):
        world.once()
        self.replace("outgateAddress", "Jo.Doe@Partner.EXAMPLE")
        self.pasted(proof_in(world.mails()[0]))
        world.once()
        self.assertEqual(world.status(JO), "ready")

    def test_a_proof_that_ends_soon_is_renewed_in_time(self):
        self.pasted(world.proof(JO, JO_AWAY, life_s=20 * 86400))
        world.once()
        self.assertEqual(
            world.status(JO), "ready, but your proof ends soon: paste the "
            f"new one that was mailed to {JO_AWAY} on {today()}")
        self.pasted(proof_in(world.mails()[0]))
        world.once()
        self.assertEqual(world.status(JO), "ready")

    def test_a_proof_that_lasts_is_not(self):
        self.pasted(world.proof(JO, JO_AWAY, life_s=40 * 86400))
        world.once()
        self.assertEqual(world.status(JO), "ready")
        world.settle()
        self.assertEqual(world.mails_now(), [])


@tap.tables
class Damaged(Case):
    @tap.rows([
        ("the end of a proof is missing", lambda p: p[:-5],
         "^your proof was not copied whole: see the mail sent to "),
        ("the beginning of a proof is missing", lambda p: p[3:],
         "^your proof was not copied whole: "),
        ("another letter in a proof", lambda p: p.replace("J", "K", 1),
         "^your proof was not copied whole: "),
        ("a proof that was wrapped by the mail program",
         lambda p: "\n".join(p[i:i + 76] for i in range(0, len(p), 76)),
         "^your proof has blanks or line breaks in it: paste it as one "),
        ("a proof with a blank at its end", lambda p: p + " ",
         "^your proof has blanks or line breaks in it: "),
        ("a word in the place of a proof", lambda p: "done",
         "^your proof was not copied whole: "),
    ])
    def damaged(self, change, pattern):
        world.once()
        self.pasted(change(proof_in(world.mails()[0])))
        world.once()
        self.has(pattern)
        world.settle()
        self.assertEqual(len(world.mails_now()), 1)
        self.assertIn("outgateProof", world.submit(
            "jo", JO_AWAY, ["x@outside.example"], "damaged"))


class Limits(Case):
    def test_no_second_mail_whatever_is_run_again(self):
        world.once()
        for _ in range(3):
            world.once()
        # all is due again: what is done is known by the notes of the mails
        world.once(faketime="+2h")
        self.replace("outgateLogin", "somebody")
        world.once()
        world.settle()
        self.assertEqual(len(world.mails_now()), 1)
        self.is_waiting()

    def test_nobody_is_reminded(self):
        world.once()
        for day in 2, 9, 100, 369:
            world.once(faketime=f"+{day}d")
        world.settle()
        self.assertEqual(len(world.mails_now()), 1)
        self.is_waiting()
        world.once(faketime="+371d")
        self.assertEqual(len(world.mails(count=2)), 2)

    def test_who_removes_the_status_gets_the_mail_again_a_day_later(self):
        world.once()
        check(world.slapd.modify(
            f"dn: {JO}\nchangetype: modify\ndelete: outgateStatus\n",
            JO_BIND), "remove the status")
        world.once()
        self.is_waiting()
        self.replace("outgateStatus")
        world.once(faketime="+23h")
        self.is_waiting()
        world.settle()
        self.assertEqual(len(world.mails_now()), 1)
        self.replace("outgateStatus")
        world.once(faketime="+25h")
        self.assertEqual(len(world.mails(count=2)), 2)
        self.is_waiting(day=today(25 / 24))

    def test_one_mail_an_address_and_day_whoever_claims_it(self):
        self.reset(MIA_GATEWAY)
        self.reset(SAM)
        self.replace("outgateAddress", TEAM.upper(), dn=SAM)
        self.replace("outgateEnabled", "FALSE")
        world.once()
        world.settle()
        self.assertEqual(len(world.mails_now()), 1)
        statuses = sorted([world.status(MIA_GATEWAY), world.status(SAM)])
        self.assertRegex(statuses[0], "it will be mailed to .* on "
                         + today(1))
        self.assertRegex(statuses[1], "see the mail sent to")
        world.once(faketime="+25h")
        self.assertEqual(len(world.mails(count=2)), 2)

    def test_five_mails_a_user_and_day_whatever_he_changes(self):
        addresses = [f"a{n}@partner.example" for n in range(8)]
        self.replace("outgateAddress", *addresses)
        world.once()
        world.settle()
        self.assertEqual(len(world.mails_now()), 5)
        self.replace("outgateAddress", "b1@partner.example")
        self.replace("outgatePort", "587")
        self.replace("outgateTLS", "starttls")
        world.once()
        world.settle()
        self.assertEqual(len(world.mails_now()), 5)
        self.has("it will be mailed to b1@partner.example on " + today(1))
        self.replace("outgateAddress", *addresses)
        world.once(faketime="+25h")
        world.settle()
        self.assertEqual(len(world.mails_now()), 10)

    def test_four_agents_at_once_mail_what_one_would(self):
        addresses = [f"c{n}@partner.example" for n in range(4)]
        self.replace("outgateAddress", *addresses)
        self.reset(MIA_GATEWAY)
        agents = [subprocess.Popen(
            world.command("/usr/bin/outgate", "agent", "--once"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL) for _ in range(4)]
        self.assertEqual([agent.wait(120) for agent in agents], [0] * 4)
        world.settle()
        to = sorted(mail["To"] for mail in world.mails_now())
        self.assertEqual(to, sorted([*addresses, TEAM]))
        self.is_waiting(address="c0@partner.example")

    def test_a_server_that_takes_no_mail_is_asked_again_soon(self):
        world.org.stop()
        try:
            world.once()
            self.assertEqual(
                world.status(JO), "waiting for your proof: it will be "
                f"mailed to {JO_AWAY} soon")
        finally:
            world.restart_org()
        world.once(faketime="+6m")
        self.is_waiting()
        self.assertEqual(len(world.mails()), 1)

    def test_notes_that_find_no_room_cost_no_mail(self):
        mailed = []
        for files in range(4, 14):
            self.replace("outgateStatus")
            with self.room(files):
                self.once_somehow()
                world.settle()
                mailed.append(len(world.mails_now()))
                run("mount", "-o", "remount,nr_inodes=100", STATE)
                world.once()
                self.assertEqual(len(world.mails()), 1, files)
            world.drop_mails()
        # there was too little room, and there was enough
        self.assertEqual((mailed[0], mailed[-1]), (0, 1))

    @contextlib.contextmanager
    def room(self, files):
        """So many files have room where the agent keeps its notes."""
        run("mount", "-t", "tmpfs", "-o", f"mode=755,nr_inodes={files}",
            "notes", STATE)
        try:
            shutil.chown(STATE, USER, USER)
            yield
        finally:
            run("umount", STATE)

    def once_somehow(self):
        subprocess.run(world.command("/usr/bin/outgate", "agent", "--once"),
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=300)

    def test_an_address_that_is_refused_is_told_and_left_for_a_day(self):
        world.outgate_conf("proof_key p1\nagent_smtp 203.0.113.10:587\n")
        # the partner's server has TLS, and wants a login before RCPT
        world.outgate_conf("proof_key p1\nagent_smtp "
                           "smtp.partner.example:587\n")
        world.once()
        self.assertEqual(
            world.status(JO), f"your proof cannot be mailed to {JO_AWAY}: "
            "is the address right?")
        world.outgate_conf()
        world.once(faketime="+2h")
        world.settle()
        self.assertEqual(world.mails_now(), [])
        world.once(faketime="+25h")
        self.assertEqual(len(world.mails()), 1)

    def test_a_mail_leaves_this_machine_by_verified_tls_only(self):
        world.outgate_conf("proof_key p1\nagent_smtp 203.0.113.30:25\n")
        said = world.once()
        self.assertRegex(said, "not mailed: ")
        self.assertEqual(world.mails_now(), [])
        self.has("will be mailed .* soon")


@tap.tables
class Text(Case):
    def site(self, text):
        path = pathlib.Path("/etc/outgate/proof.txt")
        path.write_bytes(text)
        world.outgate_conf(f"proof_key p1\nagent_text {path}\n"
                           "agent_sender help@org.example\n")

    def test_a_site_may_use_its_own_text(self):
        self.site("Subject: Nachweis für niemanden\n\n".replace(
            "ü", "ue").encode() + "Für @user@ an @host@:@port@, bis @ends@, "
            "Fragen an x@y und @sender@, @nothing@:\n@proof@\n.\n".encode())
        world.once()
        found = wait(lambda: [message for message in
                              world.servers[OUTSIDE].received()
                              if message["To"] == JO_AWAY], bool)
        mail = found[0]
        self.assertEqual(mail["From"], "help@org.example")
        self.assertEqual(mail["X-Arrived-From"], "<help@org.example>")
        self.assertEqual(mail["Subject"], "Nachweis fuer niemanden")
        self.assertIn("utf-8", mail["Content-Type"])
        lines = mail.get_content().splitlines()
        self.assertEqual(
            lines[0], "Für jo an smtp.partner.example:465, bis "
            f"{today(400)}, Fragen an x@y und help@org.example, @nothing@:")
        self.assertEqual(lines[2], ".")
        self.pasted(proof_in(mail))
        world.once()
        self.assertEqual(world.status(JO), "ready")

    @tap.rows([
        ("a text without a subject", b"Hello\n\n@proof@\n",
         "does not begin with"),
        ("a text with a second header line",
         b"Subject: x\nBcc: all@org.example\n\n@proof@\n",
         "does not begin with"),
        ("a text without a proof", b"Subject: x\n\nHello\n", "not one line"),
        ("a text with a proof within a line",
         b"Subject: x\n\nHere: @proof@\n", "not one line"),
        ("a text with two proofs", b"Subject: x\n\n@proof@\n@proof@\n",
         "not one line"),
        ("a text with a carriage return", b"Subject: x\n\n@proof@\nx\r\n",
         "control character"),
        ("a text with a long line", b"Subject: x\n\n@proof@\n" + 501 * b"x",
         "500 octets"),
        ("a text with a NUL", b"Subject: x\n\n@proof@\n\0x\n", "NUL"),
    ])
    def text_is_refused(self, text, why):
        self.site(text)
        self.assertRegex(world.once(code=78), why)


@tap.tables
class Sentences(Case):
    @tap.rows([
        ("no permission", [("outgateAllowed", ["FALSE"], STAFF)],
         "not permitted: ask your administrator"),
        ("no address", [("outgateAddress", [])],
         "outgateAddress is missing"),
        ("no host", [("outgateHost", [])], "outgateHost is missing"),
        ("no login", [("outgateLogin", [])], "outgateLogin is missing"),
        ("a host that is an address", [("outgateHost", ["192.0.2.1"])],
         "outgateHost is not a host name like smtp.partner.example"),
        ("a host of one label", [("outgateHost", ["localhost"])],
         "outgateHost is not a host name like smtp.partner.example"),
        ("a port beyond the last", [("outgatePort", ["70000"])],
         "outgatePort is not a number from 1 to 65535"),
        ("a port that is not allowed", [("outgatePort", ["25"])],
         "outgatePort: this port is not allowed for outbound gateways"),
        ("a TLS mode that is none", [("outgateTLS", ["none"])],
         "outgateTLS is neither implicit nor starttls"),
        ("a host that is not allowed",
         [("outgateAllowedHost", ["*.other.example"], STAFF)],
         "outgateHost: this server is not allowed for outbound gateways; "
         "ask your administrator"),
        ("a host of the organisation's own",
         [("outgateHost", ["mail.org.example"])],
         "outgateHost: this server is not allowed for outbound gateways; "
         "ask your administrator"),
        ("an address of the organisation's own",
         [("outgateAddress", ["jo@sub.org.example"])],
         "outgateAddress: the organisation's own addresses need no gateway"),
        ("an address that is none", [("outgateAddress", ["jo"])],
         "outgateAddress: a value is not a plain address like "
         "jo.doe@partner.example"),
        ("one address that is none beside a good one",
         [("outgateAddress", [JO_AWAY, "jo@partner"])],
         "outgateAddress: a value is not a plain address like "
         "jo.doe@partner.example"),
        ("a gateway that is switched off", [("outgateEnabled", ["FALSE"])],
         "switched off by outgateEnabled"),
    ])
    def nothing_is_mailed(self, changes, sentence):
        for attribute, values, *dn in changes:
            self.replace(attribute, *values, dn=dn[0] if dn else JO)
        world.once()
        self.assertEqual(world.status(JO), sentence)
        world.settle()
        self.assertEqual(
            [mail for mail in world.mails_now()
             if mail["To"] != JO_AWAY or len(changes[0][1]) < 2], [])

    def test_two_gateways_with_one_address(self):
        self.reset(MIA_GATEWAY)
        dn = f"cn=second,{MIA}"
        world.modify(f"dn: {dn}\nchangetype: add\nobjectClass: outgateEntry\n"
                     f"cn: second\noutgateAddress: {TEAM}\n")
        try:
            world.once()
            for which in MIA_GATEWAY, dn:
                self.has("^outgateAddress: several of your outbound gateways "
                         "serve this address; remove it from all but one$",
                         which)
        finally:
            world.modify(f"dn: {dn}\nchangetype: delete\n")

    def test_a_gateway_below_nobody(self):
        dn = f"cn=lost,{STAFF}"
        world.modify(f"dn: {dn}\nchangetype: add\nobjectClass: outgateEntry\n"
                     "cn: lost\noutgateAddress: lost@partner.example\n")
        try:
            world.once()
            self.has("^this gateway belongs to no user$", dn)
        finally:
            world.modify(f"dn: {dn}\nchangetype: delete\n")

    def test_a_name_with_control_characters_forges_no_line_of_the_log(self):
        name = "x\nforged: by Mia\r\x1b[2J\x7f"
        dn = base64.b64encode(f"cn={name},{MIA}".encode()).decode()
        cn = base64.b64encode(name.encode()).decode()
        world.modify(f"dn:: {dn}\nchangetype: add\nobjectClass: "
                     f"outgateEntry\ncn:: {cn}\n"
                     "outgateAddress: forged@partner.example\n")
        try:
            said = world.once()
        finally:
            world.modify(f"dn:: {dn}\nchangetype: delete\n")
        line, = [line for line in said.split("\n") if "forged: " in line]
        self.assertRegex(line, r"^outgate: cn=x\?forged: by Mia\?\?\[2J\?,")
        self.assertRegex(said, r"\A([ -~]*\n)*\Z")

    def test_the_status_is_written_only_when_it_changes(self):
        world.once()
        before = self.version()
        for shift in None, "+2h", "+2d":
            world.once(faketime=shift)
        self.assertEqual(self.version(), before)
        self.replace("outgateHost")
        world.once()
        self.assertNotEqual(self.version(), before)

    def version(self):
        return world.slapd.search(
            "(objectClass=*)", "entryCSN", base=JO, scope="base",
            bind=world.slapd.root).entries[0]["entrycsn"]

    def test_what_has_not_changed_is_not_looked_at(self):
        world.once()
        world.once()
        before = world.operations()
        world.once()
        # the two lists, one look at each gateway, and the question that
        # counts them
        gateways = len(world.slapd.search(
            "(|(objectClass=outgateAccount)(objectClass=outgateEntry))",
            "1.1", bind=world.slapd.root).entries)
        self.assertLessEqual(world.operations() - before, 4 + gateways)

    def test_an_entry_that_is_too_large_is_its_own_users_matter(self):
        self.reset(MIA_GATEWAY)
        self.pasted_often(1100)
        world.once()
        self.assertEqual(world.status(JO), "this gateway's entry is too large")
        self.is_waiting(MIA_GATEWAY, TEAM)
        before = self.version()
        for shift in None, "+2h":
            world.once(faketime=shift)
        self.assertEqual(self.version(), before)
        self.replace("outgateProof")
        world.once()
        self.is_waiting()

    def pasted_often(self, count):
        """As many proofs, each of 1005 octets, as Jo himself can store."""
        self.addCleanup(self.replace, "outgateProof")
        check(world.slapd.modify(
            f"dn: {JO}\nchangetype: modify\nreplace: outgateProof\n"
            + "".join(f"outgateProof: {n:05}{1000 * 'x'}\n"
                      for n in range(count)), JO_BIND), "paste often")

    def test_a_permission_that_changes_is_noticed_at_once(self):
        # twice: what has just been told something is looked at anyway
        world.once()
        world.once()
        self.replace("outgateAllowed", "FALSE", dn=STAFF)
        world.once()
        self.has("^not permitted")
        world.once()
        self.replace("outgateAllowed", "TRUE", dn=STAFF)
        world.once()
        self.is_waiting()


class Input(Case):
    """Whatever a server lets somebody store gets a sentence."""

    FIELDS = {"address": "Address", "host": "Host", "tls": "TLS",
              "login": "Login"}

    def vectors(self):
        """(attribute, octets, what is expected) of the files of values."""
        folder = pathlib.Path(__file__).resolve().parents[1] / "data"
        for row in json.loads((folder / "ldap.json").read_text()):
            if row["attr"] in self.FIELDS:
                yield (self.FIELDS[row["attr"]], bytes.fromhex(
                    row["value_hex"]) if row.get("value_hex") else
                    (row["value"] or "").encode(), row["expect"])
        for row in json.loads((folder / "host.json").read_text()):
            # the others are refused for their port
            if row["port"] in (465, 587):
                yield "Host", (row["host"] or "").encode(), row["expect"]

    def test_every_value_of_the_vectors_gets_a_sentence(self):
        world.outgate_conf("proof none\norg_domain org.test\n")
        stored = {}
        try:
            for number, (name, octets, expect) in enumerate(self.vectors()):
                dn = f"cn=v{number},{MIA}"
                if self.add(dn, name, octets):
                    stored[dn] = name, octets, expect
            self.assertGreater(len(stored), 40)
            said = world.once()
            for dn, (name, octets, expect) in stored.items():
                self.assertRegex(world.status(dn) or "", r"\A[ -~]{5,256}\Z",
                                 octets)
                if expect == "refuse" and name != "Login":
                    self.assertRegex(world.status(dn), f"^outgate{name}",
                                     octets)
            # nor does any of it forge a line of the log
            self.assertTrue(all(line.startswith("outgate: ")
                                for line in said.splitlines()), said)
        finally:
            for dn in stored:
                world.modify(f"dn: {dn}\nchangetype: delete\n")

    def add(self, dn, name, octets):
        cn = dn[3:dn.index(",")]
        values = {"Address": f"{cn}@partner.example".encode(),
                  "Host": PARTNER.encode(), "Login": b"mia.moe"}
        values[name] = octets
        lines = [f"dn: {dn}", "changetype: add", "objectClass: outgateEntry",
                 f"cn: {cn}"]
        lines += [f"outgate{name}:: {base64.b64encode(value).decode()}"
                  for name, value in values.items()]
        return world.slapd.modify("\n".join(lines) + "\n",
                                  world.slapd.root).code == 0


class Passwords(Case):
    def setUp(self):
        super().setUp()
        world.outgate_conf("proof none\n")

    def test_no_password(self):
        self.replace("outgatePassword")
        world.once()
        self.has("^outgatePassword: your outbound gateway has no password$")

    def test_a_password_that_is_not_sealed(self):
        self.replace("outgatePassword", "hunter2")
        said = world.once()
        self.has("^the password is not sealed: ")
        self.assertNotIn("hunter2", said + world.status(JO))

    def test_a_sealed_value_that_is_damaged(self):
        self.replace("outgatePassword", "{CMS}AAAA")
        world.once()
        self.has("the stored password cannot be used; enter it again")

    def test_a_password_of_another_user(self):
        # the same host, port, TLS mode and login, sealed for Sam
        self.replace("outgatePassword",
                     Case.saved[SAM]["outgatepassword"][0])
        self.replace("outgateLogin", "sam.roe")
        world.once()
        self.has("^retype the password: it was entered for somebody else$")

    def change(self, attribute, value, sentence):
        self.replace(attribute, value)
        world.once()
        self.assertEqual(world.status(JO), f"retype the password: {sentence}")

    def test_the_host_was_changed(self):
        self.change("outgateHost", "smtp.other.example",
                    "the server's name was changed")

    def test_the_port_was_changed(self):
        self.change("outgatePort", "587", "the port was changed")

    def test_the_tls_mode_was_changed(self):
        self.replace("outgatePort", "465")
        self.change("outgateTLS", "starttls", "the TLS mode was changed")

    def test_the_login_was_changed(self):
        self.change("outgateLogin", "somebody", "the login was changed")

    def test_a_key_that_is_gone(self):
        seals = pathlib.Path("/etc/outgate/seal")
        kept = seals.rename("/etc/outgate/seal.kept")
        sandbox.run(BUILD / "outgate", "keygen", "--group", "Debian-exim",
                    "--name", "other")
        try:
            world.once()
            self.has("^the password cannot be opened here: retype it")
        finally:
            shutil.rmtree(seals)
            kept.rename(seals)


class Start(Case):
    """What an administrator is told before anything happens."""

    def refused(self, conf, why, code=78):
        world.outgate_conf(conf)
        self.assertRegex(world.once(code=code), why)
        self.assertIsNone(world.status(JO))

    def test_proofs_without_a_key(self):
        self.refused("", "proof_key is missing, and proofs are required")

    def test_a_key_that_is_not_there(self):
        self.refused("proof_key p2\n", "proof_key p2: .*p2.key")

    def test_a_key_that_it_cannot_read(self):
        shutil.chown(KEY, "root")
        try:
            self.refused("proof_key p1\n", "proof_key p1: .*p1.key")
        finally:
            shutil.chown(KEY, USER)

    def test_a_key_for_its_group_is_right(self):
        shutil.chown(KEY, "root", USER)
        os.chmod(KEY, 0o640)
        try:
            world.once()
            self.is_waiting()
        finally:
            os.chmod(KEY, 0o600)
            shutil.chown(KEY, USER, "root")

    def test_a_key_whose_public_half_is_missing(self):
        public = KEY.with_suffix(".pub")
        kept = public.rename("/etc/outgate/p1.pub")
        try:
            self.refused("proof_key p1\n", "proof_key p1: .*no public key")
        finally:
            kept.rename(public)

    def test_a_server_over_the_network_without_a_name_to_bind_as(self):
        self.refused("proof_key p1\nagent_uri ldaps://ldap.org.example\n",
                     "needs agent_bind_dn")

    def test_a_name_and_a_password_to_bind_with(self):
        secret = pathlib.Path("/etc/outgate/agent.secret")
        secret.write_text("agent-secret\n")
        os.chmod(secret, 0o600)
        shutil.chown(secret, USER)
        conf = ("proof_key p1\nagent_bind_dn cn=agent,ou=services,dc=org,"
                f"dc=example\nagent_bind_password_file {secret}\n")
        world.outgate_conf(conf)
        world.once()
        self.is_waiting()
        secret.write_text("wrong\n")
        os.chmod(secret, 0o600)
        self.assertRegex(world.once(code=75), "bind: Invalid credentials")

    def test_a_directory_of_somebody_elses_for_its_notes(self):
        shutil.chown(STATE, "nobody")
        try:
            self.refused("proof_key p1\n", "must be a directory of this user")
        finally:
            shutil.chown(STATE, USER)

    def test_a_directory_that_others_may_write_to(self):
        os.chmod(STATE, 0o777)
        try:
            self.refused("proof_key p1\n", "must be a directory of this user")
        finally:
            os.chmod(STATE, 0o755)

    def test_it_does_not_run_as_root(self):
        self.refused("proof_key p1\nagent_user root\n", "not run as root")

    def test_a_user_that_does_not_exist(self):
        self.refused("proof_key p1\nagent_user nobody-here\n", "no user")

    def test_a_directory_that_is_down_is_a_failure_for_the_moment(self):
        world.slapd.halt()
        try:
            said = world.once(code=75)
        finally:
            world.slapd.start()
        self.assertIn("connect: ", said)

    def test_a_list_that_the_server_cuts_short_is_told(self):
        dn = f"olcDatabase={world.database()},cn=config"
        world.modify(f"dn: {dn}\nchangetype: modify\nreplace: olcSizeLimit\n"
                     "olcSizeLimit: 1\n", world.slapd.config)
        try:
            said = world.once(code=75)
        finally:
            world.modify(f"dn: {dn}\nchangetype: modify\n"
                         "delete: olcSizeLimit\n", world.slapd.config)
        self.assertIn("does not show all gateways", said)

    def test_a_status_that_it_may_not_write_is_told(self):
        with self.no_status():
            said = world.once(code=75)
        self.assertIn("write of outgateStatus: Insufficient access", said)

    def test_a_status_that_it_may_not_write_asks_for_no_mail(self):
        with self.no_status():
            for day in 0, 2, 4:
                world.once(faketime=f"+{day}d", code=75)
        world.settle()
        self.assertEqual(len(world.mails_now()), 1)

    def test_nor_does_one_that_it_may_not_write_again(self):
        world.once()
        with self.no_status():
            self.replace("outgateStatus")
            # this one was asked for, by whoever removed the status
            world.once(faketime="+2d", code=75)
            for day in 4, 6:
                world.once(faketime=f"+{day}d", code=75)
        world.settle()
        self.assertEqual(len(world.mails_now()), 2)

    @contextlib.contextmanager
    def no_status(self):
        """The agent may not write it."""
        rules = world.slapd.search(
            "(objectClass=*)", "olcAccess", scope="base",
            base=f"olcDatabase={world.database()},cn=config",
            bind=world.slapd.config).entries[0]["olcaccess"]
        number, rule = next(
            (n, rule) for n, rule in enumerate(rules)
            if "attrs=outgateStatus" in rule)
        dn = f"olcDatabase={world.database()},cn=config"

        def swap(text):
            world.modify(
                f"dn: {dn}\nchangetype: modify\ndelete: olcAccess\n"
                f"olcAccess: {{{number}}}\n-\nadd: olcAccess\n"
                f"olcAccess: {text}\n", world.slapd.config)
        agent = 'by dn.exact="cn=agent,ou=services,dc=org,dc=example" write'
        self.assertIn(agent, rule)
        swap(rule.replace(agent, agent.replace("write", "read")))
        try:
            yield
        finally:
            swap(rule)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
