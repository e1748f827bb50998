#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""outgate probe: what it does at a gateway, and what it never does.

Real slapd, real partner Exims, a partner that behaves as tests/lib/hostile.py
is told, and a host at every other address there is, which counts who comes.
"""

import base64
import os
import pathlib
import pwd
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
import world as fixture
from hostile import IMPLICIT, NOBODY, SECRET, STARTTLS, Hostile, octets
from resolver import Resolver, SERVFAIL, SILENCE
from sandbox import run
from slapd import die_with_parent
from world import (ADDRESS, JO, MIA_GATEWAY, PARTNER, PARTNER_PASSWORDS, STAFF,
                   World, certificate, make_ca, wait, wait_for_port)

OUTGATE = "/usr/bin/outgate"
JO_AWAY = "jo.doe@partner.example"
HOST = "smtp.hostile.example"
HOST_ADDRESS = "203.0.113.40"
LOGIN, PASSWORD = "jo", "the password itself"
# Public as far as the list goes: RFC 5737.
ELSEWHERE, ELSEWHERE_6 = "198.51.100.77", "2001:db8:7::1"

OK, USAGE, UNAVAILABLE, IO, LATER, ODD, REFUSED, CONFIG = (
    0, 64, 69, 74, 75, 76, 77, 78)

READY = "ready"
NOT_LET_IN = f"{HOST} refused the login"
NO_SENDER = f"{HOST} took the login, but refuses mail from this address"
TRY_LATER = f"{HOST} cannot be used at the moment; try again later"
NO_TLS = f"{HOST} offers no TLS with a valid certificate of its name"
NO_AUTH = f"{HOST} offers no way to log in that outgate knows"
UNREACHED = f"{HOST} cannot be reached"
FORBIDDEN = f"{HOST} leads to no server on the Internet"
STRANGE = f"{HOST} does not answer as a mail server does"
KNOWN = ("outgatePassword: your outbound gateway's server refused this login "
         "and password; enter the right ones")
CONF = "proof none\n"

world = hostile = resolver = everywhere = here = None


class ProbeWorld(World):
    def network(self):
        super().network()
        resolver.start()
        resolver.use()
        sandbox.add_network("everywhere", "198.51.100.1/28",
                            ["198.51.100.2/28"])
        for netns, address, device in (
                (None, "2001:db8:2::1/64", "to-everywhere"),
                ("everywhere", "2001:db8:2::2/64", "uplink")):
            ip(netns, "address", "add", address, "dev", device, "nodad")
        ip(None, "route", "add", "default", "via", "198.51.100.2")
        ip(None, "route", "add", "default", "via", "2001:db8:2::2")
        for family in "-4", "-6":
            ip("everywhere", family, "route", "add", "local", "default",
               "dev", "lo", "table", "main")


def ip(netns, *words):
    where = ["-n", netns] if netns else []
    family = ["-6"] if any(":" in word for word in words) else []
    run("ip", *where, *family, *words)


class Counter:
    """Listens at every address of its network; counts who comes."""

    CODE = """
import socket, sys, threading
log = open(sys.argv[1], "a", 1)
def listen(family, port):
    with socket.create_server(("", port), family=family) as listener:
        while True:
            sock, _ = listener.accept()
            log.write(f"{sock.getsockname()[0]} {port}\\n")
            sock.close()
for family in socket.AF_INET, socket.AF_INET6:
    for port in map(int, sys.argv[2:]):
        threading.Thread(target=listen, args=(family, port)).start()
"""

    def __init__(self, netns=None, ports=(IMPLICIT, STARTTLS)):
        self.log = world.folder / f"counter-{netns}"
        self.log.touch()
        words = [sys.executable, "-c", self.CODE, self.log, *ports]
        if netns:
            words = ["ip", "netns", "exec", netns, *words]
        self.process = subprocess.Popen(
            [str(word) for word in words], stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent)
        for address in "127.0.0.1", "::1":
            for port in ports:
                wait_for_port(netns, address, port)
        # those were the questions whether it listens
        if len(wait(self.came, lambda seen: len(seen) >= 2 * len(ports))) < 2:
            raise RuntimeError("the counter does not count")
        self.forget()

    def came(self):
        return self.log.read_text().split("\n")[:-1]

    def forget(self):
        os.truncate(self.log, 0)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def setUpModule():
    global world, hostile, resolver, everywhere, here
    resolver = Resolver()
    world = ProbeWorld(conf=CONF)
    world.__enter__()
    world.seal_example()
    world.permit()
    run("ip", "-n", "outside", "address", "add", f"{HOST_ADDRESS}/24", "dev",
        "uplink")
    hostile = Hostile(world.folder / "hostile", HOST_ADDRESS, netns="outside")
    make_certificates(hostile.folder)
    hostile.start()
    for port in IMPLICIT, STARTTLS:
        wait_for_port("outside", HOST_ADDRESS, port)
    everywhere = Counter("everywhere")
    # the organisation's Exim has the other port
    here = Counter(ports=[IMPLICIT])


def tearDownModule():
    here.stop()
    everywhere.stop()
    hostile.stop()
    world.__exit__()
    resolver.stop()


def make_certificates(folder):
    # another name: OpenSSL finds authorities by it
    make_ca(folder / "other", "Other CA")
    for name, ca, host, days in (
            ("good", world.ca, HOST, 30),
            ("other_ca", folder / "other", HOST, 30),
            ("wrong_name", world.ca, "smtp.elsewhere.example", 30),
            ("expired", world.ca, HOST, 0)):
        certificate(ca, host, folder / name, days)
        (folder / f"{name}.pem").write_bytes(
            b"".join((folder / f"{name}.{part}").read_bytes()
                     for part in ("key", "crt")))


def change(dn, **values):
    """Set attributes to any octets; None removes one."""
    lines = [f"dn: {dn}", "changetype: modify"]
    for name, value in values.items():
        lines += [f"replace: {name}"]
        if value is not None:
            text = base64.b64encode(value.encode()).decode()
            lines += [f"{name}:: {text}"]
        lines += ["-"]
    world.modify("\n".join(lines) + "\n")


def probe(*words, login="jo", timeout="20", environment=()):
    """(exit status, standard output, standard error)"""
    done = world.org.inside(
        "env", *environment, OUTGATE, "probe", "--login", login, "--timeout",
        timeout, *words)
    return done.returncode, done.stdout.rstrip("\n"), done.stderr


class Probe(unittest.TestCase):
    """Starts from: Jo's gateway is the hostile server, over implicit TLS."""

    def setUp(self):
        world.forget()
        world.outgate_conf()
        resolver.answer(HOST, HOST_ADDRESS)
        self.gateway()
        hostile.play("honest")
        everywhere.forget()
        here.forget()

    def gateway(self, tls="implicit", login=LOGIN, password=PASSWORD,
                host=HOST, address=JO_AWAY):
        change(JO, outgateHost=host, outgateTLS=tls, outgateLogin=login,
               outgateAddress=address)
        world.seal(JO, password)

    def says(self, code, sentence, *words, **more):
        """Probe; returns what is said to the administrator."""
        found = probe(*words, **more)
        self.assertEqual(found[:2], (code, sentence), found[2])
        for text in found[1:]:
            self.assertNotIn(PASSWORD, text)
            self.assertNotIn(SECRET.decode(), text)
        return found[2]

    def sessions(self):
        return wait(hostile.sessions,
                    lambda all: all and all[-1].over)

    def session(self):
        session, = self.sessions()
        return session

    def tries(self):
        return sum(session.tries for session in hostile.sessions())


class Works(Probe):
    def test_a_real_partner_lets_in_over_implicit_tls(self):
        self.gateway(host=PARTNER, login="jo.doe",
                     password=PARTNER_PASSWORDS["jo.doe"])
        before = len(world.servers[PARTNER].received())
        self.assertEqual(self.says(OK, READY), "")
        log = world.servers[PARTNER].log()
        self.assertNotIn("authentication failed", log)
        self.assertEqual(len(world.servers[PARTNER].received()), before)

    def test_a_real_partner_lets_in_after_starttls(self):
        self.assertEqual(self.says(OK, READY, login="mia"), "")

    def test_a_real_partner_refuses_a_wrong_password(self):
        self.gateway(host=PARTNER, login="jo.doe", password="not it")
        self.says(REFUSED, f"{PARTNER} refused the login")
        self.assertIn("535 Incorrect authentication data",
                      world.servers[PARTNER].log())

    def test_an_impostor_of_a_partner_learns_nothing(self):
        self.gateway(host=PARTNER, login="jo.doe",
                     password=PARTNER_PASSWORDS["jo.doe"])
        world.impostor(PARTNER)
        try:
            self.says(UNAVAILABLE, f"{PARTNER} offers no TLS with a valid "
                      "certificate of its name")
        finally:
            world.restore(PARTNER)

    def test_it_logs_in_says_mail_and_sends_nothing(self):
        for tls in "implicit", "starttls":
            self.gateway(tls=tls)
            hostile.forget()
            self.says(OK, READY)
            session = self.session()
            hello = ["EHLO", "STARTTLS", "EHLO"] if tls == "starttls" else [
                "EHLO"]
            self.assertEqual(session.verbs,
                             [*hello, "RSET", "MAIL", "RSET", "QUIT"])
            self.assertEqual(session.logins, [(LOGIN, PASSWORD)])
            self.assertEqual(session.sni, HOST)
            self.assertIn(f"MAIL FROM:<{JO_AWAY}>", session.commands)

    def test_the_sender_arrives_as_it_is(self):
        address = "jo%41%zz+doe@partner.example"
        self.gateway(address=address)
        self.says(OK, READY)
        self.assertIn(f"MAIL FROM:<{address}>", self.session().commands)

    def test_the_address_may_be_named(self):
        self.says(OK, READY, "--address", JO_AWAY.upper())

    def test_the_mechanisms_are_those_of_a_delivery_in_its_order(self):
        for offered, taken in (
                (["LOGIN", "PLAIN", "CRAM-MD5"], "CRAM-MD5"),
                (["LOGIN", "DIGEST-MD5", "NTLM", "PLAIN"], "PLAIN"),
                (["XOAUTH2", "GSSAPI", "EXTERNAL", "LOGIN"], "LOGIN")):
            hostile.play("honest", mechanisms=offered,
                         passwords={LOGIN: PASSWORD})
            self.says(OK, READY)
            self.assertEqual([event["mechanism"] for event in
                              self.session().of("auth")], [taken])


ODD_TEXTS = [
    "a blank", " in front", "behind ", "^caret", "two^^carets", "%41%zz%",
    "a:b;c@d/e?f#g", ";AUTH=LOGIN", "AUTH=PLAIN", '"quoted\\"', "<a> & b",
    "pässwörd €", "日本語", "😀", "=?utf-8?q?x?=", "$HOME ${x}", "x" * 256,
    "ü" * 128]


@tap.tables
class Octets(Probe):
    """The login and the password arrive octet for octet."""

    def arrives(self, login, password):
        self.gateway(login=login, password=password)
        for mechanism in "PLAIN", "LOGIN", "CRAM-MD5":
            hostile.play("honest", mechanisms=[mechanism],
                         passwords={login: password})
            self.says(OK, READY)
            (name, word), = self.session().logins
            self.assertEqual(name, octets(login))
            if mechanism != "CRAM-MD5":
                self.assertEqual(word, octets(password))

    @tap.rows([(f"password {text[:20]!r}", text) for text in [
        *ODD_TEXTS, "\t", "a\tb", "\x01\x7f\x1b[2J", "\x0b\x0c"]])
    def password(self, text):
        self.arrives(LOGIN, text)

    @tap.rows([(f"login {text[:20]!r}", text) for text in ODD_TEXTS])
    def login(self, text):
        self.arrives(text, PASSWORD)


# behaviour, TLS, exit status, sentence, how many AUTH commands at most
ANY = None
BEHAVIOURS = [
    # before the login: the password is never shown
    ("silent", ANY, UNAVAILABLE, UNREACHED, 0),
    ("silent_after_tls", "implicit", UNAVAILABLE, UNREACHED, 0),
    ("half_a_record", "implicit", UNAVAILABLE, UNREACHED, 0),
    ("reset_at_once", "starttls", UNAVAILABLE, UNREACHED, 0),
    ("close_at_once", "starttls", UNAVAILABLE, UNREACHED, 0),
    ("drip_1_byte_per_s", ANY, UNAVAILABLE, UNREACHED, 0),
    ("drip_in_handshake", "implicit", UNAVAILABLE, UNREACHED, 0),
    ("garbage_for_tls", "implicit", UNAVAILABLE, NO_TLS, 0),
    ("clear_text_for_tls", "implicit", UNAVAILABLE, NO_TLS, 0),
    ("banner_flood", ANY, ODD, STRANGE, 0),
    ("banner_line_by_line", ANY, ODD, STRANGE, 0),
    ("banner_without_end", ANY, ODD, STRANGE, 0),
    ("binary_garbage", ANY, ODD, STRANGE, 0),
    ("ssh_banner", ANY, ODD, STRANGE, 0),
    ("554_banner", ANY, UNAVAILABLE, UNREACHED, 0),
    ("421_banner", ANY, LATER, TRY_LATER, 0),
    ("ehlo_20000_lines", ANY, ODD, STRANGE, 0),
    ("ehlo_550", ANY, UNAVAILABLE, UNREACHED, 0),
    ("ehlo_421", ANY, LATER, TRY_LATER, 0),
    ("ehlo_silent", ANY, UNAVAILABLE, UNREACHED, 0),
    ("strip_starttls", "starttls", UNAVAILABLE, NO_TLS, 0),
    ("strip_starttls_offer_auth", "starttls", UNAVAILABLE, NO_TLS, 0),
    ("starttls_454", "starttls", LATER, TRY_LATER, 0),
    ("starttls_501", "starttls", UNAVAILABLE, NO_TLS, 0),
    ("starttls_close", "starttls", UNAVAILABLE, NO_TLS, 0),
    ("starttls_silent", "starttls", UNAVAILABLE, UNREACHED, 0),
    ("starttls_no_handshake", "starttls", UNAVAILABLE, UNREACHED, 0),
    ("starttls_injection", "starttls", ODD, STRANGE, 0),
    ("starttls_garbage", "starttls", UNAVAILABLE, NO_TLS, 0),
    ("tls10_only", ANY, UNAVAILABLE, NO_TLS, 0),
    ("tls11_only", ANY, UNAVAILABLE, NO_TLS, 0),
    ("auth_absent", ANY, UNAVAILABLE, NO_AUTH, 0),
    ("auth_only_before_tls", "starttls", UNAVAILABLE, NO_AUTH, 0),
    # at the login: one try
    ("auth_454", ANY, LATER, TRY_LATER, 1),
    ("auth_421", ANY, LATER, TRY_LATER, 1),
    ("auth_454_echo", ANY, LATER, TRY_LATER, 1),
    ("auth_535", ANY, REFUSED, NOT_LET_IN, 1),
    ("auth_535_echo", ANY, REFUSED, NOT_LET_IN, 1),
    ("auth_334_huge", ANY, ODD, STRANGE, 1),
    ("auth_334_endless", ANY, ODD, STRANGE, 1),
    ("auth_silent", ANY, UNAVAILABLE, UNREACHED, 1),
    ("auth_close", ANY, UNAVAILABLE, UNREACHED, 1),
    ("auth_reset", ANY, UNAVAILABLE, UNREACHED, 1),
    ("auth_garbage", ANY, ODD, STRANGE, 1),
    # after it
    ("mail_550", ANY, REFUSED, NO_SENDER, 1),
    ("mail_450", ANY, LATER, TRY_LATER, 1),
    ("size_552", ANY, REFUSED, NO_SENDER, 1),
    ("mail_553", ANY, REFUSED, NO_SENDER, 1),
    ("mail_silent", ANY, UNAVAILABLE, UNREACHED, 1),
    ("mail_close", ANY, UNAVAILABLE, UNREACHED, 1),
    ("rset_close", ANY, UNAVAILABLE, UNREACHED, 1),
    ("rset_then_close", ANY, UNAVAILABLE, UNREACHED, 1),
    ("rset_silent", ANY, UNAVAILABLE, UNREACHED, 1),
    ("quit_silent", ANY, OK, READY, 1),
]
SLOW = {"silent", "silent_after_tls", "half_a_record", "drip_1_byte_per_s",
        "drip_in_handshake", "ehlo_silent", "starttls_silent",
        "starttls_no_handshake", "auth_silent", "mail_silent", "rset_silent",
        "quit_silent"}


@tap.tables
class Hostilities(Probe):
    def tearDown(self):
        for session in hostile.sessions():
            text = session.outside_auth()
            for secret in (PASSWORD, base64.b64encode(
                    PASSWORD.encode()).decode().rstrip("=")):
                self.assertNotIn(secret, text)
            self.assertEqual(session.messages, [])

    @tap.rows([(f"{name}, {tls}", name, tls, *rest)
               for name, which, *rest in BEHAVIOURS
               for tls in ("implicit", "starttls") if which in (ANY, tls)])
    def behaviour(self, name, tls, code, sentence, tries):
        self.gateway(tls=tls)
        hostile.play(name)
        said = self.says(code, sentence,
                         timeout="4" if name in SLOW else "20")
        self.assertEqual(bool(said), code != OK, said)
        self.assertLessEqual(self.tries(), tries)
        self.assertEqual(len(hostile.sessions()), 1)
        # it was the probe that ended it
        end, = self.session().of("close")
        self.assertNotEqual(end["why"], NOBODY)
        remembered = len(list(
            (world.org.folder / "spool/outgate").glob("*")))
        self.assertEqual(remembered, 3 if sentence == NOT_LET_IN else 0)

    @tap.rows([(f"a certificate that is {name}, {tls}", name, tls)
               for name in ("other_ca", "wrong_name", "expired")
               for tls in ("implicit", "starttls")])
    def certificate(self, name, tls):
        self.gateway(tls=tls)
        hostile.play("honest", certificate=name)
        self.says(UNAVAILABLE, NO_TLS)
        self.assertEqual(self.tries(), 0)

    @tap.rows([(f"{name} to {mechanism}", name, mechanism)
               for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5")
               for name in ("auth_535", "auth_454", "auth_334_badb64")])
    def one_try(self, name, mechanism):
        """Never another mechanism, whatever else is offered."""
        hostile.play(name, mechanisms=[mechanism])
        offered = {"PLAIN": ["PLAIN", "LOGIN"], "LOGIN": ["LOGIN"],
                   "CRAM-MD5": ["CRAM-MD5", "PLAIN", "LOGIN"]}[mechanism]
        hostile.play(name, mechanisms=offered)
        code = probe()[0]
        self.assertEqual(code, {"auth_535": REFUSED, "auth_454": LATER}.get(
            name, ODD))
        self.assertEqual(self.tries(), 1)

    def test_no_mechanism_that_a_delivery_speaks(self):
        for offered in (["DIGEST-MD5", "NTLM", "XOAUTH2", "EXTERNAL"],
                        ["plain"], []):
            hostile.play("honest", mechanisms=offered)
            self.says(UNAVAILABLE, NO_AUTH)
            self.assertEqual(self.tries(), 0)
            self.assertNotIn("MAIL", self.session().verbs)

    def test_a_refused_mechanism_is_no_refused_login(self):
        hostile.play("auth_command_504")
        self.says(UNAVAILABLE, NO_AUTH)
        self.assertEqual(self.session().logins, [])
        hostile.play("honest")
        self.says(OK, READY)


class Authorities(Probe):
    """gateway_ca_file and the system's, never both."""

    def setUp(self):
        super().setUp()
        self.file = pathlib.Path("/etc/outgate/ca.pem")
        self.file.write_bytes(
            (hostile.folder / "other/ca.crt").read_bytes())
        world.outgate_conf(f"{CONF}gateway_ca_file {self.file}\n")

    def tearDown(self):
        self.file.unlink(missing_ok=True)

    def test_those_of_the_file_are_believed(self):
        hostile.play("honest", certificate="other_ca")
        self.says(OK, READY)

    def test_those_of_the_system_are_not(self):
        # a file of this name in there is what libcurl's CAPATH would find
        name = run("openssl", "x509", "-hash", "-noout", "-in",
                   world.ca / "ca.crt").strip()
        pathlib.Path(f"/etc/ssl/certs/{name}.0").write_bytes(
            (world.ca / "ca.crt").read_bytes())
        self.says(UNAVAILABLE, NO_TLS)
        self.assertEqual(self.tries(), 0)

    def test_a_file_that_is_missing_is_no_fault_of_the_server(self):
        self.file.unlink()
        self.says(LATER, TRY_LATER)
        self.assertEqual(self.tries(), 0)


class Memory(Probe):
    def refuse(self):
        hostile.play("honest", passwords={LOGIN: "another"})
        self.says(REFUSED, NOT_LET_IN)
        self.assertEqual(self.tries(), 1)

    def test_a_refused_password_is_not_tried_again(self):
        self.refuse()
        self.says(REFUSED, f"{JO_AWAY}: {KNOWN}")
        self.assertEqual(self.tries(), 1)

    def test_nor_when_it_is_sealed_anew(self):
        self.refuse()
        world.seal(JO, PASSWORD)
        self.says(REFUSED, KNOWN)
        self.assertEqual(self.tries(), 1)

    def test_an_administrator_may_insist(self):
        self.refuse()
        self.says(REFUSED, NOT_LET_IN, "--again")
        self.assertEqual(self.tries(), 2)
        world.seal(JO, PASSWORD)
        self.says(REFUSED, NOT_LET_IN, "--again")
        self.assertEqual(self.tries(), 3)

    def test_another_password_is_tried(self):
        self.refuse()
        world.seal(JO, "another")
        self.says(OK, READY)

    def test_what_is_remembered_is_exims(self):
        self.refuse()
        exim = pwd.getpwnam("Debian-exim")
        state = world.org.folder / "spool/outgate"
        for path in state, *state.iterdir():
            self.assertEqual((path.stat().st_uid, path.stat().st_gid),
                             (exim.pw_uid, exim.pw_gid), path)

    def test_the_module_finds_what_the_probe_remembered(self):
        self.refuse()
        reply = world.submit("jo", JO_AWAY, ["someone@outside.example"],
                             self.id())
        self.assertIn("refused this login and password", reply)
        self.assertEqual(self.tries(), 1)

    def test_the_probe_finds_what_a_delivery_remembered(self):
        hostile.play("honest", passwords={LOGIN: "another"})
        world.submit("jo", JO_AWAY, ["someone@outside.example"], self.id())
        self.assertEqual(len(world.bounces(self.id())), 1)
        self.assertEqual(self.tries(), 1)
        self.says(REFUSED, f"{JO_AWAY}: {KNOWN}")
        self.assertEqual(self.tries(), 1)


NOWHERE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.0.0.2",
    "169.254.169.254", "172.16.0.1", "192.0.0.1", "192.88.99.1",
    "192.168.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::203.0.113.10", "::ffff:127.0.0.1",
    "::ffff:198.51.100.77", "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:20::1", "2002:a00:1::1",
    "4000::1", "8000::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1",
    "ff02::1"]


@tap.tables
class Nowhere(Probe):
    @tap.rows([(f"{address} is never dialled", address)
               for address in NOWHERE])
    def nowhere(self, address):
        resolver.answer(HOST, address)
        self.says(UNAVAILABLE, FORBIDDEN)
        self.assertEqual(everywhere.came() + here.came(), [])

    def test_the_counter_counts(self):
        """what is dialled is counted, in both families and here"""
        for address in "127.0.0.1", "::1", "203.0.113.1":
            wait_for_port(None, address, IMPLICIT)
            self.assertEqual(wait(here.came, bool), [f"{address} {IMPLICIT}"])
            here.forget()
        for address in ELSEWHERE, ELSEWHERE_6:
            resolver.answer(HOST, address)
            probe()
            self.assertEqual(wait(everywhere.came, bool),
                             [f"{address} {IMPLICIT}"])
            everywhere.forget()

    def test_etc_hosts_is_no_way_round(self):
        hosts = pathlib.Path("/etc/hosts")
        before = hosts.read_text()
        hosts.write_text(f"{before}10.1.2.3 {HOST}\n")
        try:
            self.says(UNAVAILABLE, FORBIDDEN)
        finally:
            hosts.write_text(before)
        self.assertEqual(everywhere.came(), [])

    def test_no_address_of_this_machine_is_dialled(self):
        own = re.findall(r"inet6? ([^/ ]+)", run("ip", "-o", "address"))
        self.assertLessEqual({"203.0.113.1", "198.51.100.1",
                              "2001:db8:2::1"}, set(own))
        for address in own:
            resolver.answer(HOST, address)
            self.says(UNAVAILABLE, FORBIDDEN)
        self.assertEqual(here.came(), [])

    def test_no_more_addresses_are_tried_than_in_a_delivery(self):
        world.outgate_conf(f"{CONF}port 2525\n")
        change(JO, outgatePort="2525")
        world.seal(JO, PASSWORD)
        resolver.answer(HOST, *(f"192.0.2.{n}" for n in range(1, 11)))
        done = world.org.inside("strace", "-f", "-e", "trace=connect",
                                OUTGATE, "probe", "--login", "jo")
        change(JO, outgatePort=None)
        self.assertEqual(done.stdout, f"{UNREACHED}\n", done.stderr)
        # the others are how getaddrinfo(3) finds out which is nearest
        self.assertEqual(len(re.findall(
            r"sin_port=htons\(2525\).* EINPROGRESS", done.stderr)), 5)

    def test_no_network_of_the_organisation_is_dialled(self):
        world.outgate_conf(f"{CONF}own_network {ELSEWHERE}\n"
                           "own_network 2001:db8:7::/48 192.0.2.0/24\n")
        for address in ELSEWHERE, ELSEWHERE_6, "192.0.2.99":
            resolver.answer(HOST, address)
            self.says(UNAVAILABLE, FORBIDDEN)
        self.assertEqual(everywhere.came(), [])
        resolver.answer(HOST, HOST_ADDRESS)
        self.says(OK, READY)

    def test_T04_of_several_addresses_only_the_public_one_is_dialled(self):
        resolver.answer(HOST, "10.0.0.1", HOST_ADDRESS, "fd00::1",
                        "127.0.0.1")
        self.says(OK, READY)
        self.assertEqual(everywhere.came(), [])

    def test_T04_a_name_that_changes_is_checked_each_time(self):
        resolver.script(HOST, [[ELSEWHERE], ["10.0.0.1"]], alternate=True)
        for _ in range(4):
            probe()
        self.assertLessEqual(set(everywhere.came()),
                             {f"{ELSEWHERE} {IMPLICIT}"})

    def test_a_name_without_an_address_is_unreachable(self):
        for step in SERVFAIL, SILENCE, []:
            resolver.script(HOST, [step])
            self.says(UNAVAILABLE, UNREACHED, timeout="5")


AS_EXIM = ("setpriv --reuid Debian-exim --regid Debian-exim --init-groups "
           "--inh-caps=-all --bounding-set=-all")


@tap.tables
class Surroundings(Probe):
    def test_no_proxy_of_the_environment_is_used(self):
        where = f"http://{ELSEWHERE}:{IMPLICIT}"
        self.says(OK, READY, environment=[
            f"{name}={where}" for name in (
                "ALL_PROXY", "all_proxy", "smtps_proxy", "smtp_proxy",
                "http_proxy", "https_proxy")])
        self.assertEqual(everywhere.came(), [])

    def test_no_keys_are_written_down(self):
        folder = world.folder / "keylog"
        folder.mkdir(mode=0o777, exist_ok=True)
        os.chmod(folder, 0o777)
        self.says(OK, READY, environment=[f"SSLKEYLOGFILE={folder}/keys"])
        self.assertEqual(list(folder.iterdir()), [])

    def test_no_netrc_is_read(self):
        home = world.folder / "home"
        home.mkdir(exist_ok=True)
        (home / ".netrc").write_text(
            f"machine {HOST} login wrong password wrong\n")
        os.chmod(home, 0o755)
        os.chmod(home / ".netrc", 0o644)
        self.says(OK, READY, environment=[f"HOME={home}"])
        self.assertEqual(self.session().logins, [(LOGIN, PASSWORD)])

    @tap.rows([("root's probe runs as Exim's user and leaves no core", ""),
               ("Exim's own probe leaves no core", AS_EXIM)])
    def while_it_runs(self, who):
        hostile.play("silent")
        binds = "; ".join(f"mount --bind {a} {b}"
                          for a, b in world.org.binds())
        running = subprocess.Popen(
            ["unshare", "--mount", "sh", "-e", "-c", f"{binds}; exec "
             f"{who} {OUTGATE} probe --login jo"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        try:
            self.assertTrue(wait(hostile.sessions, bool))
            proc = pathlib.Path(f"/proc/{running.pid}")
            exim = pwd.getpwnam("Debian-exim").pw_uid
            self.assertRegex((proc / "status").read_text(),
                             rf"(?m)^Uid:(\t{exim}){{4}}$")
            self.assertRegex((proc / "limits").read_text(),
                             r"(?m)^Max core file size +0 +0 ")
            # what is not dumpable is root's: proc(5)
            self.assertEqual((proc / "mem").stat().st_uid, 0)
            self.assertNotIn(PASSWORD, (proc / "cmdline").read_text())
        finally:
            running.kill()
            running.wait()

    def test_exims_own_user_may_probe(self):
        done = world.org.inside(*AS_EXIM.split(), OUTGATE, "probe", "--login",
                                "jo")
        self.assertEqual((done.returncode, done.stdout), (OK, "ready\n"),
                         done.stderr)

    def test_others_may_not(self):
        done = world.org.inside(
            "setpriv", "--reuid", "nobody", "--regid", "nogroup",
            "--clear-groups", OUTGATE, "probe", "--login", "jo")
        self.assertNotEqual(done.returncode, OK)
        self.assertEqual(hostile.sessions(), [])


class Refusals(Probe):
    """What the module would not do, the probe does not."""

    def nothing(self, code, sentence, *words, **more):
        said = self.says(code, sentence, *words, **more)
        self.assertEqual(hostile.sessions(), [])
        return said

    def test_not_permitted(self):
        world.permit("FALSE")
        try:
            self.nothing(REFUSED, f"{JO_AWAY}: outbound gateways are not "
                         "enabled for your account; ask your administrator")
        finally:
            world.permit()

    def test_settings_that_are_none(self):
        change(JO, outgateLogin=None)
        self.nothing(REFUSED, f"{JO_AWAY}: outgateLogin: is missing")

    def test_a_host_that_is_denied(self):
        world.replace(STAFF, "outgateAllowedHost", "smtp.other.example")
        try:
            self.nothing(REFUSED, f"{JO_AWAY}: outgateHost: this server is "
                         "not allowed for outbound gateways; ask your "
                         "administrator")
        finally:
            world.replace(STAFF, "outgateAllowedHost")

    def test_no_password(self):
        change(JO, outgatePassword=None)
        self.nothing(REFUSED, f"{JO_AWAY}: outgatePassword: your outbound "
                     "gateway has no password")

    def test_a_password_for_another_host(self):
        change(JO, outgateHost="smtp2.hostile.example")
        self.nothing(REFUSED, "outgatePassword: the stored password does not "
                     "fit the outbound gateway's settings any more; enter it "
                     "again")

    def test_a_key_that_is_missing(self):
        world.outgate_conf(f"{CONF}seal_dir /etc/outgate/none\n")
        self.nothing(IO, "the password cannot be opened here")

    def test_no_proof_is_only_a_warning(self):
        world.outgate_conf("")
        said = self.says(OK, READY)
        self.assertIn("warning: jo.doe@partner.example: outgateProof: no "
                      "valid proof that this address is yours", said)

    def test_an_unproved_gateway_is_refused_for_the_other_reasons(self):
        world.outgate_conf("")
        change(JO, outgatePassword=None)
        self.nothing(REFUSED, f"{JO_AWAY}: outgatePassword: your outbound "
                     "gateway has no password")

    def test_a_gateway_that_is_switched_off(self):
        change(JO, outgateEnabled="FALSE")
        try:
            self.nothing(REFUSED, f"{JO_AWAY}: none of your outbound gateways "
                         "serves this address; add it to one or send as "
                         "another address")
        finally:
            change(JO, outgateEnabled=None)

    def test_an_internal_address(self):
        self.nothing(REFUSED, "jo@org.example: this address is the "
                     "organisation's own", "--address", "jo@org.example")

    def test_nobody_and_nothing(self):
        self.assertIn("no entry", self.nothing(REFUSED, "", login="nobody"))
        self.assertIn("no outbound gateway",
                      self.nothing(REFUSED, "", login="kim"))

    def test_several_addresses_have_to_be_named(self):
        world.replace(JO, "outgateAddress", JO_AWAY, "doe@partner.example")
        self.assertIn("2 addresses", self.nothing(USAGE, ""))
        self.says(OK, READY, "--address", "doe@partner.example")

    def test_a_directory_that_is_away(self):
        world.outgate_conf(CONF)
        path = pathlib.Path("/etc/outgate/outgate.conf")
        path.write_text(path.read_text().replace("ldapi://",
                                                 "ldapi://%2Fnowhere"))
        self.assertIn("ldapi", self.nothing(LATER, ""))
        self.nothing(LATER, "your account's settings cannot be read at the "
                     "moment; try again later", "--address", JO_AWAY)

    def test_a_wrong_command_line(self):
        for words in (["x"], ["--address", "nobody"], ["--timeout", "1"],
                      ["--timeout", "301"], ["--timeout", "5s"],
                      ["--password", "x"], ["--login", "x" * 200]):
            self.assertEqual(probe(*words)[0], USAGE, words)
        done = world.org.inside(OUTGATE, "probe")
        self.assertEqual(done.returncode, USAGE)

    def test_settings_that_cannot_be_read(self):
        world.outgate_conf("own_network 10.0.0/8\n")
        self.assertEqual(probe()[0], CONFIG)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
