#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of exim-config/ that do nothing while all goes well, at a site that
has what sites have: retry rules, lists, forwarding, an authority of its own.

Each has a test here that no other file has; test_mutations.py takes the lines
away.  Real Exim with outgate as installed, real slapd, real partner servers.
"""

import base64
import contextlib
import pathlib
import re
import shutil
import smtplib
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
import world as fixture
from hostile import IMPLICIT, STARTTLS, Hostile
from world import (ADDRESS, JO, ORG_PASSWORDS, OUTSIDE, PARTNER,
                   PARTNER_PASSWORDS, SAM, World, certificate, make_ca)

JO_AWAY = "jo.doe@partner.example"
TEAM = "team@partner.example"
OUT = "someone@outside.example"
BOTH = "implicit", "starttls"
TRACE = "\r\nOutgate-Trace: [^\r]+\r\n"

# A partner that shows all that it is told.
SHOWING, SHOWING_ADDRESS = "smtp.showing.example", "203.0.113.40"
# Packets to it leave; nobody ever answers.
SILENT, SILENT_ADDRESS = "smtp.silent.example", "203.0.113.50"
NOBODY = "smtp.nobody.example"

# Debian's retry rule, and an hour for what cannot be reached.
USUAL_RULE = "* * F,2h,15m; G,16h,1h,1.5; F,4d,6h"
MACROS = """\
OUTGATE_RETRY_RULE == F,2h,1h
OUTGATE_CONNECT_TIMEOUT = 1s
OUTGATE_COMMAND_TIMEOUT = 2s
OUTGATE_AUTHORITIES = {authorities}
"""
VERIFY = "acl_rcpt:\n  require verify = recipient\n"
FORWARD = """\
forward:
  driver = redirect
  domains = org.example
  local_parts = forward
  data = someone@outside.example
"""
LISTS = """\
list:
  driver = redirect
  domains = org.example
  local_parts = list
  data = kim@org.example, mia@org.example
unknown:
  driver = redirect
  domains = org.example
  local_parts = unknown
  allow_fail
  data = :fail: nobody of this name
local:
"""

world = None
showing = None


class Site(World):
    def certify(self):
        """A CA of the site's own; the system knows another one only."""
        super().certify()
        shutil.copy(make_ca(self.folder / "system") / "ca.crt",
                    "/etc/ssl/certs/ca-certificates.crt")

    def network(self):
        super().network()
        sandbox.run("ip", "-n", "outside", "address", "add",
                    f"{SHOWING_ADDRESS}/24", "dev", "uplink")
        sandbox.run("ip", "neighbour", "add", SILENT_ADDRESS, "lladdr",
                    "02:00:00:00:00:50", "dev", "to-outside")
        with open("/etc/hosts", "a", encoding="ascii") as hosts:
            hosts.write(f"{SHOWING_ADDRESS} {SHOWING}\n"
                        f"{SILENT_ADDRESS} {SILENT}\n")


def site(text):
    """The organisation's configuration with a few things more."""
    for old, new in (("* * F,2d,1s", USUAL_RULE), ("acl_rcpt:\n", VERIFY),
                     ("local:\n", LISTS),
                     ("begin acl\n", "acl_smtp_expn = acl_expn\nbegin acl\n"
                      "acl_expn:\n  accept\n")):
        if text.count(old) != 1:
            raise RuntimeError(f"{text.count(old)} times: {old}")
        text = text.replace(old, new)
    return text


def setUpModule():
    global world, showing
    fixture.ORG_CONFIG = site(fixture.ORG_CONFIG)
    world = Site(conf="proof none\n", routers=FORWARD, macros=MACROS.format(
        authorities=sandbox.folder() / "ca" / "ca.crt"))
    world.__enter__()
    world.seal_example()
    world.permit()
    showing = Hostile(world.folder / "showing", SHOWING_ADDRESS,
                      netns="outside")
    path = showing.folder / "good"
    certificate(world.ca, SHOWING, path)
    path.with_suffix(".pem").write_text(
        path.with_suffix(".key").read_text() +
        path.with_suffix(".crt").read_text())
    showing.start()
    for port in IMPLICIT, STARTTLS:
        fixture.wait_for_port("outside", SHOWING_ADDRESS, port)


def tearDownModule():
    showing.stop()
    world.__exit__()


class Promise(unittest.TestCase):
    def setUp(self):
        world.permit()
        self.saved = {dn: world.gateway(dn) for dn in (JO, SAM)}

    def tearDown(self):
        for dn, entry in self.saved.items():
            for name in ("outgateHost", "outgatePort", "outgateTLS",
                         "outgatePassword"):
                world.replace(dn, name, *entry.get(name.lower(), []))
        world.queue_only(False)
        world.empty_queue()
        world.forget()

    def gateway(self, dn, host, tls="implicit", port=None):
        world.replace(dn, "outgateHost", host)
        world.replace(dn, "outgateTLS", tls)
        world.replace(dn, "outgatePort", *([port] if port else []))
        login = world.gateway(dn)["outgatelogin"][0]
        world.seal(dn, PARTNER_PASSWORDS[login])

    def send(self, login="jo", sender=JO_AWAY, to=OUT, more=""):
        reply = world.submit(login, sender, [to], self.id() + more)
        self.assertRegex(reply, "^250 OK id=")
        return reply.partition("id=")[2]

    def logged(self, *texts):
        self.assertIsNotNone(world.logged(*texts), world.org.log()[-2000:])

    def arrived(self, more=""):
        return [(server, str(message["X-Arrived-As"])) for server, message in
                world.arrived(self.id() + more)]

    def nowhere(self, more=""):
        self.assertEqual(world.arrived_now(self.id() + more), [])


@contextlib.contextmanager
def away(name):
    """While that server is down."""
    server = world.servers[name]
    server.stop()
    try:
        yield
    finally:
        server.start()
        fixture.wait_for_port("outside", ADDRESS[name],
                              25 if name == OUTSIDE else 465)


@contextlib.contextmanager
def instead(old, new):
    """While the installed text says something else."""
    include = world.org.etc / "outgate.include"
    whole = include.read_text()
    if whole.count(old) != 1:
        raise RuntimeError(f"{whole.count(old)} times: {old}")
    include.write_text(whole.replace(old, new))
    try:
        yield
    finally:
        include.write_text(whole)


@tap.tables
class Shown(Promise):
    """What the partner is told, whichever way TLS begins."""

    def session(self, tls, *headers):
        showing.play("chunking_lie")
        self.gateway(JO, SHOWING, tls)
        # a client may name itself in AUTH= as RFC 4954 has it
        with smtplib.SMTP("127.0.0.1", 587, timeout=30) as smtp:
            log_in(smtp)
            smtp.mail("jo@org.example", ["AUTH=jo@org.example"])
            smtp.rcpt(OUT)
            code, text = smtp.data(self.text(*headers))
        self.assertEqual(code, 250)
        self.logged(text.decode().partition("id=")[2], "Completed")
        session, = showing.sessions()
        return session

    def text(self, *headers, sender=JO_AWAY):
        return "\r\n".join([f"From: {sender}", *headers,
                            f"Subject: {self.id()}", "", "Text.", ""]).encode()

    @tap.rows([(f"the server's name is sent before TLS, {tls}", tls)
               for tls in BOTH])
    def name(self, tls):
        self.assertEqual(self.session(tls).sni, SHOWING)

    @tap.rows([(f"the envelope sender is the From address, {tls}", tls)
               for tls in BOTH])
    def sender(self, tls):
        mail, = (line for line in self.session(tls).commands
                 if line.startswith("MAIL"))
        self.assertRegex(mail, f"^MAIL FROM:<{re.escape(JO_AWAY)}>")

    @tap.rows([(f"no login here is told at MAIL, {tls}", tls) for tls in BOTH])
    def login(self, tls):
        self.assertNotIn("jo@org.example", str(self.session(tls).commands))

    @tap.rows([(f"nobody is told as Sender, {tls}", tls) for tls in BOTH])
    def headers(self, tls):
        message, = self.session(
            tls, "Sender: kim@org.example").messages
        self.assertNotRegex(message["octets"], "(?mi)^Sender:")

    @tap.rows([(f"the trace is in what leaves, {tls}", tls) for tls in BOTH])
    def trace(self, tls):
        message, = self.session(tls).messages
        self.assertRegex(message["octets"], TRACE)

    def test_a_trace_of_others(self):
        """the trace of another's gateway is no loop"""
        showing.play("honest")
        self.gateway(SAM, SHOWING)
        message = self.send("sam", TEAM)
        self.logged(f"{message} Completed")
        session, = showing.sessions()
        trace = re.search(TRACE, session.messages[0]["octets"]).group(0)
        message, = self.session("implicit", trace.strip()).messages
        self.assertIn(trace, message["octets"])

    @tap.rows([(f"no address is rewritten for a server without SMTPUTF8, {tls}",
                tls) for tls in BOTH])
    def rewritten(self, tls):
        showing.play("no_smtputf8")
        self.gateway(JO, SHOWING, tls)
        with smtplib.SMTP("127.0.0.1", 587, timeout=30) as smtp:
            log_in(smtp)
            smtp.command_encoding = "utf-8"
            smtp.mail("jo@org.example", ["SMTPUTF8"])
            smtp.rcpt("j\u00f6rg@outside.example")
            code, text = smtp.data(self.text())
        self.assertEqual(code, 250)
        self.logged(text.decode().partition("id=")[2], "outgate_" + tls)
        for session in showing.sessions():
            self.assertNotIn("DATA", session.verbs)

    @tap.rows([(f"no CHUNKING is tried, {tls}", tls) for tls in BOTH])
    def chunking(self, tls):
        self.assertIn("DATA", self.session(tls).verbs)


@tap.tables
class Authority(Promise):
    @tap.rows([(f"whom the site names may vouch for a server, {tls}", tls)
               for tls in BOTH])
    def named(self, tls):
        self.gateway(JO, PARTNER, tls)
        self.send()
        self.assertEqual(self.arrived(), [(PARTNER, "jo.doe")])

    @tap.rows([(f"whom the system knows may not, {tls}", tls)
               for tls in BOTH])
    def system(self, tls):
        path = showing.folder / "system"
        certificate(world.folder / "system", SHOWING, path)
        path.with_suffix(".pem").write_text(
            path.with_suffix(".key").read_text() +
            path.with_suffix(".crt").read_text())
        showing.play("honest", certificate="system")
        self.gateway(JO, SHOWING, tls)
        self.logged(f"{self.send()} == ", "certificate")
        session, = showing.sessions()
        self.assertEqual(session.tries, 0)


@tap.tables
class Unverified(Promise):
    """No password for a server that is somebody else, whatever else lets it
    through."""

    @tap.rows([(f"no AUTH to an unverified server, {tls}, {mechanism}", tls,
                mechanism) for tls in BOTH
               for mechanism in ("CRAM-MD5", "PLAIN", "LOGIN")])
    def impostor(self, tls, mechanism):
        path = showing.folder / "impostor"
        if not path.with_suffix(".pem").exists():
            certificate(make_ca(showing.folder / "ca"), SHOWING, path)
            path.with_suffix(".pem").write_text(
                path.with_suffix(".key").read_text() +
                path.with_suffix(".crt").read_text())
        showing.play("honest", certificate="impostor",
                     mechanisms=[mechanism])
        self.gateway(JO, SHOWING, tls)
        self.logged(f"{self.send()} == ")
        for session in showing.sessions():
            self.assertEqual(session.logins, [])
            self.assertNotIn("MAIL", session.verbs)


class Runner(Promise):
    """One queue runner has everybody's mail to look after."""

    def test_a_slow_gateway_costs_a_queue_run_one_attempt(self):
        """P6: a queue run waits for a slow gateway once, others' mail leaves"""
        showing.play("silent")
        self.gateway(JO, SHOWING)
        world.queue_only(True)
        waiting = [self.send(more=f".{number}") for number in range(5)]
        for login, sender in ("sam", TEAM), ("kim", "kim@org.example"):
            self.send(login, sender, more=f".{login}")
        world.run_queue("-q")
        self.assertEqual(self.arrived(".sam"), [(PARTNER, "sam.roe")])
        self.assertEqual(self.arrived(".kim"), [(OUTSIDE, "org-relay")])
        self.assertEqual(len(showing.sessions()), 1)
        for message in waiting:
            self.assertIn(message, world.queue())


@tap.tables
class Retried(Promise):
    """Retry times at a site whose own rule is Debian's."""

    def test_a_failure_delays_nobody_at_that_port(self):
        """P6: one user's failure delays nobody, whatever the site's rule"""
        self.gateway(JO, PARTNER, "implicit", STARTTLS)
        self.gateway(SAM, PARTNER, "starttls")
        self.logged(f"{self.send()} == ", "TLS session")
        time.sleep(1.1)
        self.send("sam", TEAM, more=".sam")
        self.assertEqual(self.arrived(".sam"), [(PARTNER, "sam.roe")])

    def dialled_once(self, words):
        """One user's message shows it; the next one does not dial."""
        self.logged(f"{self.send()} == ", words)
        # longer than any other failure keeps others away
        time.sleep(1.1)
        message = self.send("sam", TEAM, more=".sam")
        self.logged(f"{message} == ", "retry time not reached")

    @tap.rows([(f"a server that refuses connections is left alone, {tls}",
                tls) for tls in BOTH])
    def refusing(self, tls):
        self.gateway(JO, PARTNER, tls)
        self.gateway(SAM, PARTNER, tls)
        with away(PARTNER):
            self.dialled_once("Connection refused")

    @tap.rows([(f"a server that does not answer is left alone, {tls}", tls)
               for tls in BOTH])
    def silent(self, tls):
        self.gateway(JO, SILENT, tls)
        self.gateway(SAM, SILENT, tls)
        self.dialled_once("Connection timed out")

    def test_a_verdict_that_cannot_be_read(self):
        """P6: a verdict that cannot be read delays no other mail there"""
        world.queue_only(True)
        bad = self.send()
        header, = (world.org.folder / "spool/input").rglob(f"{bad}-H")
        header.write_bytes(re.sub(rb"(?m)^(-+local_scan og=1 way=gateway) .*$",
                                  rb"\1 what", header.read_bytes()))
        # an hour shows what a second would do to the mail of that second
        with instead("F,3650d,1s", "F,3650d,1h"):
            world.run_queue("-q")
            self.logged(f"{bad} == ", "R=outgate_refusal")
            self.send("kim", "kim@org.example", "other@outside.example",
                      ".kim")
            world.run_queue("-q")
        self.assertEqual(self.arrived(".kim"), [(OUTSIDE, "org-relay")])


@tap.tables
class Patience(Promise):
    @tap.rows([(f"a server that stops talking is given up, {tls}", tls)
               for tls in BOTH])
    def silent(self, tls):
        showing.play("auth_silent")
        self.gateway(JO, SHOWING, tls)
        self.logged(f"{self.send()} == ", "timeout after AUTH")


class Told(Promise):
    """When a sender is told that a message waits."""

    def setUp(self):
        super().setUp()
        world.queue_only(True)

    def warned(self, hours, **options):
        with away(OUTSIDE):
            self.send("kim", "kim@org.example", **options)
            world.org.command("-qff", faketime=f"+{hours}h")
        world.deliver_bounces()
        return len(world.warnings_now(self.id()))

    def test_not_of_other_mail_after_hours(self):
        """the sender of other mail is not told of hours"""
        self.assertEqual(self.warned(3), 0)

    def test_old_mail_of_others_is_delivered(self):
        """P6: other mail may be older than a gateway's"""
        self.send("kim", "kim@org.example")
        world.org.command("-qff", faketime="+3d")
        self.assertEqual(self.arrived(), [(OUTSIDE, "org-relay")])

    def test_of_other_mail_after_a_day(self):
        """the sender of other mail is told of a day"""
        self.assertEqual(self.warned(25), 1)


def log_in(smtp):
    smtp.ehlo("client.org.example")
    token = f"\0jo\0{ORG_PASSWORDS['jo']}".encode()
    smtp.docmd("AUTH PLAIN", base64.b64encode(token).decode())


class Asked(Promise):
    """Recipients are verified and lists expanded by the site's own routers:
    there is no verdict yet, which is no reason to hold anything."""

    def session(self, command):
        with smtplib.SMTP("127.0.0.1", 587, timeout=30) as smtp:
            log_in(smtp)
            return command(smtp)

    def test_recipients_are_verified(self):
        def recipients(smtp):
            smtp.mail("jo@org.example")
            return [smtp.rcpt(f"{name}@org.example")[0]
                    for name in ("unknown", "kim")]
        self.assertEqual(self.session(recipients), [550, 250])

    def test_a_list_is_expanded(self):
        code, text = self.session(
            lambda smtp: smtp.docmd("EXPN", "list@org.example"))
        self.assertEqual(code, 250)
        self.assertIn(b"<kim@org.example>", text)


class Others(Promise):
    """Mail that is not a gateway's, and what forwarding makes of it."""

    def test_what_forwarding_makes_is_held(self):
        """P3: what the site's forwarding makes of it leaves by no route"""
        message = self.send(to="forward@org.example")
        self.logged(f"{message} == ", "T=outgate_hold")
        self.nowhere()

    def test_other_mail_leaves_nothing_in_the_panic_log(self):
        self.send("kim", "kim@org.example")
        self.arrived()
        self.assertEqual(world.org.log("paniclog"), "")

    def test_forwarding_of_other_mail_goes_on(self):
        self.send("kim", "kim@org.example", "forward@org.example")
        self.assertEqual(self.arrived(), [(OUTSIDE, "org-relay")])


class Waiting(Promise):
    """Somebody listens where outgate_hold leads."""

    def setUp(self):
        super().setUp()
        self.commands = []
        listener = socket.create_server(("127.0.0.1", 1))
        self.addCleanup(listener.close)
        # close() alone would not end an accept() that waits
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self.take, args=(listener,),
                         daemon=True).start()

    def take(self, listener):
        """A server that takes all that it is given, without TLS or AUTH."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.commands.append("connected")
                with connection, connection.makefile("rwb", 0) as stream:
                    self.talk(stream)

    def talk(self, stream):
        stream.write(b"220 welcome\r\n")
        for line in stream:
            verb = line.split()[0].upper().decode()
            self.commands.append(verb)
            stream.write(b"354 go\r\n" if verb == "DATA" else
                         b"250 well\r\n")

    def wait(self):
        self.gateway(JO, NOBODY)
        message = self.send()
        self.logged(f"{message} == ", "R=outgate_guard T=outgate_hold")
        self.assertIn(message, world.queue())

    def test_what_waits_is_not_dialled(self):
        """P3: what waits makes no connection"""
        self.wait()
        self.assertEqual(self.commands, [])

    def test_what_waits_is_handed_to_nobody(self):
        """P3: what waits is handed to nobody"""
        self.wait()
        self.assertNotIn("MAIL", self.commands)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
