#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hostile or broken partner server can do: nothing to anybody else.

Real Exim with outgate as installed, real slapd, and one partner that behaves
as tests/lib/hostile.py is told.  Whatever it does, no octet of a password
reaches it but in an AUTH within verified TLS, the message is delivered once,
bounced to the user's own mailbox or stays in the queue, and other people's
mail flows meanwhile.
"""

import base64
import json
import pathlib
import re
import secrets
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
import world as fixture
from hostile import BEHAVIOURS, IMPLICIT, SECRET, STARTTLS, Hostile, octets
from slapd import die_with_parent
from world import BUILD, OUTSIDE, PARTNER, STAFF, World, make_ca, unfolded

ADDRESS = "203.0.113.40"
DOMAIN = "hostile.example"
OUT = "someone@outside.example"
DATA = pathlib.Path(__file__).resolve().parents[1] / "data"

# Exim's patience as installed is a minute and more; here it is this.
TIMEOUT_S = 2
# What a busy machine may add to anything.
SLACK_S = 3
AT_ONCE_S = 1
# How soon other people's mail has arrived.
OTHERS_S = 10
PEOPLE = 300
# Up to MAIL, and from there to the end, whatever comes in between.
LOGIN_S = 4
MESSAGE_S = 6
TIMEOUTS = (f"OUTGATE_COMMAND_TIMEOUT = {TIMEOUT_S}s\n"
            f"OUTGATE_DATA_TIMEOUT = {TIMEOUT_S}s\n"
            f"OUTGATE_FINAL_TIMEOUT = {TIMEOUT_S}s\n"
            f"OUTGATE_LOGIN_TIMEOUT = {LOGIN_S}s\n"
            f"OUTGATE_MESSAGE_TIMEOUT = {MESSAGE_S}s")

world = None
hostile = None
names = (f"h{number:03}" for number in range(PEOPLE))
owners = {}


def setUpModule():
    global world, hostile
    # one org login for each test; made known before the server starts
    fixture.ORG_PASSWORDS.update(
        {f"h{number:03}": "here" for number in range(PEOPLE)})
    # each test runs its deliveries itself and so knows when they are over
    world = World(conf="proof none\n", main="queue_only = true",
                  macros=TIMEOUTS)
    world.__enter__()
    world.seal_example()
    world.permit()
    hire()
    place_hostile()


def tearDownModule():
    hostile.stop()
    world.__exit__()


def hire():
    """Entries of all users at once; each test gives its own a gateway."""
    world.modify("".join(
        f"dn: uid=h{number:03},{STAFF}\nchangetype: add\n"
        f"objectClass: inetOrgPerson\nobjectClass: outgateAccount\n"
        f"uid: h{number:03}\ncn: h\nsn: h\n\n" for number in range(PEOPLE)))
    for entry in world.slapd.search("(cn=h)", "uid", "entryUUID",
                                    bind=world.slapd.root).entries:
        owners[entry["uid"][0]] = entry["entryuuid"][0]


def place_hostile():
    """An address of its own, and a host name for every user."""
    global hostile
    sandbox.run("ip", "-n", "outside", "address", "add", f"{ADDRESS}/24",
                "dev", "uplink")
    with open("/etc/hosts", "a", encoding="ascii") as hosts:
        for number in range(PEOPLE):
            hosts.write(f"{ADDRESS} h{number:03}.{DOMAIN}\n")
    hostile = Hostile(world.folder / "hostile", ADDRESS, netns="outside")
    make_certificates(hostile.folder)
    hostile.start()
    fixture.wait_for_port("outside", ADDRESS, IMPLICIT)
    fixture.wait_for_port("outside", ADDRESS, STARTTLS)


# What a certificate says: names, first and last day, issuer.
OURS, OTHERS, ITSELF = "ca", "other-ca", "itself"
NOW = "20200101000000Z", "20990101000000Z"
CERTIFICATES = {
    "good": (f"*.{DOMAIN}", NOW, OURS),
    "wrong_name": ("smtp.elsewhere.example", NOW, OURS),
    "wide_wildcard": ("*.example", NOW, OURS),
    "expired": (f"*.{DOMAIN}", (NOW[0], "20200201000000Z"), OURS),
    "not_yet": (f"*.{DOMAIN}", ("20980101000000Z", NOW[1]), OURS),
    "other_ca": (f"*.{DOMAIN}", NOW, OTHERS),
    "self_signed": (f"*.{DOMAIN}", NOW, ITSELF),
}


def make_certificates(folder):
    make_ca(folder / OTHERS)
    for name, (host, days, issuer) in CERTIFICATES.items():
        make_certificate(folder / name, host, days, {
            OURS: world.ca, OTHERS: folder / OTHERS, ITSELF: None}[issuer])


def make_certificate(path, host, days, ca):
    """path.pem with key and certificate; openssl ca sets any dates."""
    work = path.with_suffix(".d")
    work.mkdir()
    key, request = work / "key", work / "request"
    sandbox.run("openssl", "req", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={host}",
                "-keyout", key, "-out", request)
    (work / "index").write_text("")
    (work / "conf").write_text(
        "[ca]\ndefault_ca=it\n[it]\n"
        f"database={work}/index\nnew_certs_dir={work}\nrand_serial=yes\n"
        "default_md=sha256\npolicy=any\nx509_extensions=names\n"
        "[any]\ncommonName=supplied\n"
        f"[names]\nsubjectAltName=DNS:{host}\n")
    signer = (["-selfsign", "-keyfile", key] if ca is None else
              ["-cert", ca / "ca.crt", "-keyfile", ca / "ca.key"])
    sandbox.run("openssl", "ca", "-batch", "-config", work / "conf", "-in",
                request, "-out", work / "crt", "-notext", "-startdate",
                days[0], "-enddate", days[1], *signer)
    path.with_suffix(".pem").write_text(
        key.read_text() + (work / "crt").read_text())


class Person:
    """A user of the organisation with a gateway at the hostile partner.

    host  another person's, whose server is shared; else one of his own, so
          that nothing Exim remembers of one test's server reaches another's
    """

    def __init__(self, tls="implicit", port=None, login=None, password=None,
                 host=None):
        self.name = next(names)
        self.dn = f"uid={self.name},{STAFF}"
        self.address = f"{self.name}@{DOMAIN}"
        self.host = host or f"{self.name}.{DOMAIN}"
        self.login = self.name + "-there" if login is None else login
        self.password = (f"canary-{secrets.token_hex(8)}"
                         if password is None else password)
        self.tls = tls
        self.port = port or (IMPLICIT if tls == "implicit" else STARTTLS)
        self.enter()

    def enter(self):
        settings = {"Address": self.address, "Host": self.host,
                    "Port": self.port, "TLS": self.tls, "Login": self.login,
                    "Password": self.sealed()}
        world.modify(f"dn: {self.dn}\nchangetype: modify\n" + "-\n".join(
            f"add: outgate{name}\noutgate{name}:: "
            f"{base64.b64encode(str(value).encode()).decode()}\n"
            for name, value in settings.items()))

    def sealed(self):
        return subprocess.run(
            [BUILD / "outgate", "seal", "--owner", owners[self.name],
             "--host", self.host, "--port", str(self.port), "--tls", self.tls,
             "--login", self.login], input=self.password.encode(), check=True,
            stdout=subprocess.PIPE).stdout.decode().strip()

    def forms(self):
        """How the password may look to who finds it."""
        password, login = self.password.encode(), self.login.encode()
        tokens = [password, b"\0" + login + b"\0" + password]
        return [password, *map(base64.b64encode, tokens)]


class Partner(unittest.TestCase):
    # Where a secret must not be: the server's files, what users get.
    KEPT = "spool", "log", "inbox"

    def setUp(self):
        self.people, self.sent = [], []
        self.first = hostile.last()
        self.panics = world.org.log("paniclog")

    def tearDown(self):
        hostile.play("honest")
        try:
            self.no_secret_anywhere()
            self.no_crash()
        finally:
            self.clean()
        self.nothing_left()

    def person(self, **settings):
        person = Person(**settings)
        self.people.append(person)
        return person

    # ---- what is done ----

    def submit(self, login, sender, recipients=(OUT,), **options):
        """Accepted; returns Exim's name for the message."""
        reply = world.submit(login, sender, recipients, self.id(), **options)
        return self.accepted(reply)

    def accepted(self, reply):
        self.assertRegex(reply, "^250 OK id=")
        self.sent.append(reply.partition("id=")[2])
        return self.sent[-1]

    def deliver(self, message, how="-Mc", others=False, within_s=TIMEOUT_S):
        """A delivery as it begins when a message has been received."""
        begun = time.monotonic()
        delivery = begin(message, how)
        try:
            if others:
                self.others_flow()
            delivery.wait(max(0.1, begun + within_s + SLACK_S -
                              time.monotonic()))
        except subprocess.TimeoutExpired:
            # its end is the end of all that hangs on it
            hostile.stop()
            hostile.start()
            delivery.wait(60)
            self.fail(f"after {within_s} s the delivery still went on")
        finally:
            delivery.kill()
            delivery.wait()
        self.bring_home()

    def send(self, person, others=True, **options):
        """Submit and deliver, with others' mail beside it."""
        message = self.submit(person.name, person.address)
        self.deliver(message, others=others, **options)
        return message

    def others_flow(self):
        """The org route and another user's gateway, meanwhile."""
        begun = time.monotonic()
        subject = f"{self.id()} others {len(self.sent)}"
        both = [begin(self.accepted(world.submit(
            login, sender, [OUT], subject))) for login, sender in (
                ("kim", "kim@org.example"), ("mia", "team@partner.example"))]
        for delivery in both:
            delivery.wait(30)
        while len(arrived := world.arrived_now(subject)) < 2:
            self.assertLess(time.monotonic() - begun, OTHERS_S, arrived)
            time.sleep(0.02)
        self.assertEqual(sorted(name for name, _ in arrived),
                         [OUTSIDE, PARTNER])

    def bring_home(self):
        """Deliver the bounces and warnings, and what they lead to."""
        tried = set(self.sent)
        while found := [name for name in spool() if name not in tried]:
            tried.update(found)
            for name in found:
                world.org.command("-Mc", name)

    # ---- what became of it ----

    def waits(self, message, reason):
        """In the queue, with a reason in the log, and nowhere else."""
        log = log_of(message)
        self.assertIn(f" {message} == ", log)
        self.assertRegex(log, reason)
        self.assertNotRegex(log, rf"R=everybody_else| {message} \*\* ")
        self.assertLess(len(log), 16384)
        self.assertIn(message, spool())
        self.assertEqual(world.arrived_now(self.id()), [])
        self.assertEqual(self.bounces(), [])

    def bounced(self, message, *texts):
        """One bounce, to the user's own mailbox."""
        self.assertNotIn("R=everybody_else", log_of(message))
        found = self.bounces()
        self.assertEqual(len(found), 1, log_of(message))
        self.assertIn("mail.org.example", found[0]["X-Arrived-At"])
        for text in texts:
            self.assertIn(text, unfolded(found[0]))
        self.assertNotIn(message, spool())
        return unfolded(found[0])

    def delivered(self, message):
        self.assertEqual(len(self.messages()), 1, log_of(message))
        self.assertNotIn(message, spool())
        self.assertEqual(self.bounces(), [])
        self.assertEqual(world.arrived_now(self.id()), [])

    def bounces(self):
        return [message for message in world.org.received()
                if message["X-Arrived-From"] == "<>" and
                "failed" in str(message["Subject"]) and
                f"Subject: {self.id()}" in unfolded(message)]

    def messages(self):
        return [message for session in hostile.sessions()
                for message in session.messages]

    def logins(self):
        return [login for session in hostile.sessions()
                for login in session.logins]

    def tries(self):
        return sum(session.tries for session in hostile.sessions())

    # ---- what holds for every row ----

    def no_secret_anywhere(self):
        sessions = hostile.sessions(self.first)
        for person in self.people:
            for form in person.forms():
                for session in sessions:
                    self.assertNotIn(octets(form.decode()),
                                     session.outside_auth())
                self.assertEqual([path for path, text in kept(*self.KEPT)
                                  if form in text], [])

    def no_crash(self):
        self.assertEqual(world.org.log("paniclog"), self.panics)

    def clean(self):
        left = spool()
        if left:
            world.org.command("-Mrm", *left)
        for server in world.servers.values():
            for path in (server.folder / "inbox").glob("new/*"):
                path.unlink()

    def nothing_left(self):
        folder = world.org.folder / "spool"
        self.assertEqual([path for part in ("input", "msglog")
                          for path in (folder / part).rglob("*")
                          if path.is_file()], [])


def begin(message, how="-Mc"):
    mounts = "; ".join(f"mount --bind {a} {b}" for a, b in world.org.binds())
    return subprocess.Popen(
        ["unshare", "--mount", "sh", "-e", "-c",
         f"{mounts}; exec {fixture.EXIM} {how} {message}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)


def spool():
    found = (world.org.folder / "spool/input").rglob("*-H")
    return [path.name[:-2] for path in found]


def log_of(message):
    return "\n".join(line for line in world.org.log().split("\n")
                     if f" {message} " in line)


def kept(*parts):
    """The org server's files, but for the logins of those who submit."""
    for part in parts:
        for path in (world.org.folder / part).rglob("*"):
            if path.is_file():
                yield path, path.read_bytes()


BOTH = "implicit", "starttls"
IN_HANDSHAKE = r"TLS session: \(gnutls_handshake\): "
TIMED_OUT = "(?i)timed out|timeout"
# Exim does not see it; outgate does, and hangs up.
UP_TO_MAIL = rf"timed out: \S+ took more than {LOGIN_S} s up to MAIL"
FROM_MAIL_ON = rf"timed out: \S+ took more than {MESSAGE_S} s from MAIL on"
MALFORMED = "Malformed SMTP reply"
NO_TLS = "a TLS session is required, but the server did not offer TLS"
LOST = ("closed connection in response to end of data|smtp send to .* failed|"
        "Connection reset by peer|Broken pipe")
NO_AUTH = "authentication required but "


@tap.tables
class BeforeLogin(Partner):
    """Nobody has logged in: the message waits, no octet of a login left."""

    @tap.rows([
        ("F40: a banner that never ends, within TLS",
         "implicit", "banner_flood", MALFORMED, AT_ONCE_S),
        ("F40: a banner that never ends, before TLS",
         "starttls", "banner_flood", MALFORMED, AT_ONCE_S),
        ("F40: a banner line of 200 kB",
         "starttls", "banner_200_kb", MALFORMED, AT_ONCE_S),
        ("F40: a banner line without an end",
         "starttls", "banner_without_end", MALFORMED, AT_ONCE_S),
        ("F40: 20000 lines of EHLO within TLS",
         "implicit", "ehlo_20000_lines", "error on first read", AT_ONCE_S),
        ("F40: 20000 lines of EHLO before TLS",
         "starttls", "ehlo_20000_lines", MALFORMED, AT_ONCE_S),
        ("a banner of all octets, within TLS",
         "implicit", "binary_garbage", MALFORMED, AT_ONCE_S),
        ("a banner of all octets, before TLS",
         "starttls", "binary_garbage", MALFORMED, AT_ONCE_S),
        ("a server of another protocol",
         "starttls", "ssh_banner", MALFORMED, AT_ONCE_S),

        ("F41: a server that says nothing instead of TLS",
         "implicit", "silent", TIMED_OUT, TIMEOUT_S),
        ("F41: a server that says nothing instead of a banner",
         "starttls", "silent", TIMED_OUT, TIMEOUT_S),
        ("F41: a server that says nothing once TLS is on",
         "implicit", "silent_after_tls", UP_TO_MAIL, LOGIN_S),
        ("F41: a server that stops within a TLS record",
         "implicit", "half_a_record", UP_TO_MAIL, LOGIN_S),
        ("F41: a server that stops within a TLS record after STARTTLS",
         "starttls", "half_a_record_to_ehlo", UP_TO_MAIL, LOGIN_S),
        ("F41: one octet of the banner a second, within TLS",
         "implicit", "drip_1_byte_per_s", TIMED_OUT, TIMEOUT_S),
        ("F41: one octet of the banner a second, before TLS",
         "starttls", "drip_1_byte_per_s", TIMED_OUT, TIMEOUT_S),
        ("F41: one octet of the handshake a second",
         "implicit", "drip_in_handshake", UP_TO_MAIL, LOGIN_S),
        ("F41: no reply to EHLO within TLS",
         "implicit", "ehlo_silent", TIMED_OUT + "|error on first read",
         TIMEOUT_S),
        ("F41: no reply to EHLO before TLS",
         "starttls", "ehlo_silent", TIMED_OUT, TIMEOUT_S),
        ("F41: no reply to STARTTLS",
         "starttls", "starttls_silent", TIMED_OUT, TIMEOUT_S),
        ("F41: STARTTLS is welcome, the handshake is not",
         "starttls", "starttls_no_handshake", TIMED_OUT, TIMEOUT_S),

        ("F42: a 421 banner within TLS",
         "implicit", "421_banner", "421 later", AT_ONCE_S),
        ("F42: a 421 banner before TLS",
         "starttls", "421_banner", "421 later", AT_ONCE_S),
        ("F42: a server that hangs up at once",
         "implicit", "close_at_once", IN_HANDSHAKE, AT_ONCE_S),
        ("F42: a server that hangs up at once, before TLS",
         "starttls", "close_at_once", "closed connection", AT_ONCE_S),
        ("F42: a server that resets the connection at once",
         "implicit", "reset_at_once", IN_HANDSHAKE, AT_ONCE_S),
        ("F42: EHLO is answered with 421",
         "starttls", "ehlo_421", "closed connection", AT_ONCE_S),

        ("F43: a stripped STARTTLS",
         "starttls", "strip_starttls", NO_TLS, AT_ONCE_S),
        ("F43: a stripped STARTTLS, but AUTH is offered",
         "starttls", "strip_starttls_offer_auth", NO_TLS, AT_ONCE_S),
        ("F43: EHLO is refused, so there is no STARTTLS",
         "starttls", "ehlo_550", NO_TLS, AT_ONCE_S),
        ("F43: 454 to STARTTLS",
         "starttls", "starttls_454", "after STARTTLS: 454", AT_ONCE_S),
        ("F43: 501 to STARTTLS", "starttls", "starttls_501",
         "a TLS session is required, but an attempt to start TLS failed",
         AT_ONCE_S),
        ("F43: STARTTLS is welcome, then the server hangs up",
         "starttls", "starttls_close", IN_HANDSHAKE, AT_ONCE_S),
        ("F43: replies injected before the handshake", "starttls",
         "starttls_injection", "synch error before connect", AT_ONCE_S),
        ("F43: garbage instead of a handshake",
         "starttls", "starttls_garbage", IN_HANDSHAKE, AT_ONCE_S),
        ("F43: garbage instead of TLS",
         "implicit", "garbage_for_tls", IN_HANDSHAKE, AT_ONCE_S),
        ("F43: a banner in clear instead of TLS",
         "implicit", "clear_text_for_tls", IN_HANDSHAKE, AT_ONCE_S),

        ("F44: TLS 1.0",
         "implicit", "tls10_only", IN_HANDSHAKE, AT_ONCE_S),
        ("F44: TLS 1.0 after STARTTLS",
         "starttls", "tls10_only", IN_HANDSHAKE, AT_ONCE_S),
        ("F44: TLS 1.1",
         "implicit", "tls11_only", IN_HANDSHAKE, AT_ONCE_S),

        ("F45: no AUTH is offered",
         "implicit", "auth_absent", NO_AUTH, AT_ONCE_S),
        ("F45: no AUTH is offered after STARTTLS",
         "starttls", "auth_absent", NO_AUTH, AT_ONCE_S),
        ("F45: AUTH is offered before TLS only",
         "starttls", "auth_only_before_tls", NO_AUTH, AT_ONCE_S),
        ("F45: EHLO is refused within TLS, so there is no AUTH",
         "implicit", "ehlo_550", "log", AT_ONCE_S),
    ])
    def server(self, tls, behaviour, reason, within_s):
        hostile.play(behaviour)
        self.held_back(self.person(tls=tls), reason, within_s)

    def held_back(self, person, reason, within_s=AT_ONCE_S):
        message = self.send(person, within_s=within_s)
        self.waits(message, reason)
        session, = hostile.sessions()
        self.assertLess(session.seconds, within_s + SLACK_S)
        self.assertEqual(session.tries, 0)
        self.assertNotIn("MAIL", session.verbs)

    @tap.rows([
        (f"F44: {name} of a certificate, {tls}", tls, key)
        for tls in BOTH for name, key in (
            ("the wrong name", "wrong_name"),
            ("a wildcard for all the world's hosts", "wide_wildcard"),
            ("the end", "expired"),
            ("the future", "not_yet"),
            ("an unknown issuer", "other_ca"),
            ("the only signer", "self_signed"))])
    def certificate(self, tls, name):
        hostile.play("cert_wrong_name", certificate=name)
        self.held_back(self.person(tls=tls),
                       "certificate verification failed")

    @tap.rows([
        ("F53: the user says STARTTLS at a port of implicit TLS",
         "starttls", IMPLICIT, TIMED_OUT, TIMEOUT_S),
        ("F53: the user says implicit TLS at a port of STARTTLS",
         "implicit", STARTTLS, IN_HANDSHAKE, AT_ONCE_S)])
    def mode(self, tls, port, reason, within_s):
        hostile.play("honest")
        self.held_back(self.person(tls=tls, port=port), reason, within_s)

    @tap.rows([(f"F45: only {', '.join(names)} is offered", names)
               for names in (["GSSAPI"], ["NTLM", "SCRAM-SHA-256-PLUS"],
                             ["EXTERNAL"], ["XOAUTH2"])])
    def mechanism(self, names):
        hostile.play("honest", mechanisms=names)
        self.held_back(self.person(), NO_AUTH)

    def test_F46_a_challenge_that_is_no_base64(self):
        hostile.play("auth_334_badb64", mechanisms=["CRAM-MD5"])
        person = self.person()
        self.waits(self.send(person), "bad base 64 string in challenge")
        self.assertEqual(self.tries(), 1)

    def test_F46_a_first_prompt_that_is_no_base64(self):
        hostile.play("auth_334_badb64", mechanisms=["LOGIN"])
        self.waits(self.send(self.person()), NO_AUTH)
        self.assertEqual(self.tries(), 1)
        self.assertEqual(self.logins(), [])

    def test_F46_a_challenge_of_200_kB(self):
        hostile.play("auth_334_huge", mechanisms=["CRAM-MD5"])
        self.waits(self.send(self.person()), MALFORMED)
        self.assertEqual(self.tries(), 1)

    def test_F43_a_held_message_is_not_dialled_again(self):
        hostile.play("strip_starttls")
        message = self.send(self.person(tls="starttls"))
        self.waits(message, NO_TLS)
        hostile.play("honest")
        self.deliver(message, how="-M")
        self.waits(message, "held")
        self.assertEqual(hostile.sessions(), [])

    def test_F43_nobody_else_is_held_at_that_server(self):
        hostile.play("strip_starttls")
        alice = self.person(tls="starttls")
        self.waits(self.send(alice), NO_TLS)
        bob = self.person(tls="starttls", host=alice.host)
        hostile.play("honest")
        message = self.submit(bob.name, bob.address)
        self.deliver(message)
        self.assertEqual(self.logins(), [(bob.login, bob.password)])
        self.assertNotIn(message, spool())


@tap.tables
class SecondLine(Partner):
    """A line of the configuration is missing: still no login leaves."""

    def without(self, option):
        include = world.org.etc / "outgate.include"
        whole = include.read_text()
        self.addCleanup(include.write_text, whole)
        text, count = re.subn(rf"(?m)^  {option} = .*\n", "", whole)
        self.assertGreaterEqual(count, 2)
        include.write_text(text)

    @tap.rows([
        (f"P5: without tls_verify_hosts, {name}", tls, name)
        for tls, name in (("implicit", "self_signed"),
                          ("starttls", "self_signed"),
                          ("implicit", "wrong_name"))])
    def unverified(self, tls, name):
        self.without("tls_verify_hosts")
        hostile.play("cert_wrong_name", certificate=name)
        self.waits(self.send(self.person(tls=tls), others=False), NO_AUTH)
        self.assertEqual(self.tries(), 0)
        self.assertTrue(hostile.sessions()[0].tls)

    def test_P5_without_hosts_require_tls_a_stripped_STARTTLS(self):
        self.without("hosts_require_tls")
        hostile.play("strip_starttls_offer_auth")
        person = self.person(tls="starttls")
        self.waits(self.send(person, others=False), NO_AUTH)
        self.assertEqual(self.tries(), 0)


@tap.tables
class AtLogin(Partner):
    """The login was given, once; then it went wrong, but not for good."""

    @tap.rows([
        ("F41: no reply to AUTH", "auth_silent", TIMED_OUT, TIMEOUT_S),
        ("F45: the server hangs up at AUTH",
         "auth_close", "closed connection in response to AUTH", AT_ONCE_S),
        ("F45: the server resets the connection at AUTH",
         "auth_reset", "closed connection in response to AUTH", AT_ONCE_S),
        ("F46: a reply to AUTH of 200 kB",
         "auth_334_huge", MALFORMED, AT_ONCE_S),
        ("F46: a reply to AUTH of all octets",
         "auth_garbage", MALFORMED, AT_ONCE_S),
        ("F46: one prompt more after the login",
         "auth_334_endless", "after AUTH PLAIN .*: 334", AT_ONCE_S),
        ("F46: a prompt that is no base64 after the login",
         "auth_334_badb64", NO_AUTH + "|after AUTH PLAIN .*: 334", AT_ONCE_S),
        ("F52: 454 to AUTH", "auth_454", "after AUTH PLAIN .*: 454",
         AT_ONCE_S),
        ("F52: 421 to AUTH", "auth_421", "after AUTH PLAIN .*: 421",
         AT_ONCE_S),
        ("F41: half a TLS record for a reply to AUTH",
         "auth_half_a_record", UP_TO_MAIL, LOGIN_S),
        ("F41: half a TLS record for a reply to MAIL",
         "mail_half_a_record", FROM_MAIL_ON, MESSAGE_S),
        ("F41: half a TLS record for a reply to DATA",
         "data_half_a_record", FROM_MAIL_ON, MESSAGE_S),
        ("F41: one line of a reply to MAIL a second, without end",
         "mail_drip", TIMED_OUT, MESSAGE_S),
        ("F41: no reply to MAIL", "mail_silent", TIMED_OUT, TIMEOUT_S),
        ("F41: no reply to DATA", "data_silent", TIMED_OUT, TIMEOUT_S),
        ("F42: the server hangs up at MAIL", "mail_close",
         "closed connection in response to pipelined MAIL", AT_ONCE_S),
        ("F59: 450 to MAIL", "mail_450", "after pipelined MAIL .*: 450",
         AT_ONCE_S),
        ("F59: 451 to DATA", "data_451", "after pipelined DATA: 451",
         AT_ONCE_S),
        ("F64: what was sent ahead is forgotten",
         "pipelining_forgotten", TIMED_OUT, TIMEOUT_S),
    ])
    def server(self, behaviour, reason, within_s):
        hostile.play(behaviour)
        person = self.person()
        message = self.send(person, within_s=within_s)
        self.waits(message, reason)
        self.one_login(person)
        self.assertEqual(self.messages(), [])

    def one_login(self, person):
        self.assertEqual(self.tries(), 1)
        self.assertEqual(self.logins(), [
            (octets(person.login), octets(person.password))])

    def test_F46_one_prompt_after_the_other(self):
        hostile.play("auth_334_endless", mechanisms=["LOGIN"])
        person = self.person()
        self.waits(self.send(person), r"after \*+: 334")
        self.one_login(person)

    def test_F52_454_to_one_login_leaves_the_other_alone(self):
        alice = self.person()
        bob = self.person(host=alice.host)
        hostile.play("honest", users={alice.login: "auth_454"})
        held = self.send(alice)
        message = self.submit(bob.name, bob.address)
        self.deliver(message)
        self.waits(held, "454")
        self.assertEqual(len(self.messages()), 1)
        self.assertIn(bob.address, self.messages()[0]["sender"])
        self.assertEqual(
            self.logins(), [(person.login, person.password)
                            for person in (alice, bob)])


@tap.tables
class Refused(Partner):
    """A login that is refused for good comes back, without the words."""

    # Exim writes to its log how a refused login was answered.  A server that
    # has been given a password can say it in any form; what it says must not
    # reach a mailbox.
    KEPT = ("inbox",)

    @tap.rows([(f"F49: the login echoed in a 535, {', '.join(names)}", names)
               for names in (["PLAIN"], ["LOGIN"], ["PLAIN", "LOGIN"])])
    def echo(self, mechanisms):
        hostile.play("auth_535_echo", mechanisms=mechanisms)
        person = self.person()
        text = self.bounced(self.send(person), person.address)
        self.assertNotIn(SECRET.decode(), text)
        self.assertEqual(self.tries(), 1)

    def test_F49_the_login_echoed_in_a_454_is_not_in_the_warning(self):
        hostile.play("auth_454_echo")
        person = self.person()
        message = self.send(person)
        world.org.command("-M", message, faketime="+2h")
        self.bring_home()
        warned = world.warnings_now(self.id())
        self.assertEqual(len(warned), 1, log_of(message))
        self.assertNotIn(SECRET.decode(), unfolded(warned[0]))
        self.assertNotIn(person.password, unfolded(warned[0]))

    def test_F50_the_bounce_says_which_server_and_what_to_mend(self):
        hostile.play("auth_535")
        person = self.person()
        text = self.bounced(self.send(person), person.address, person.host,
                            "outgatePassword")
        self.assertNotIn(SECRET.decode(), text)

    def test_F50_three_mechanisms_are_one_refused_login(self):
        hostile.play("auth_535", mechanisms=["CRAM-MD5", "PLAIN", "LOGIN"])
        self.bounced(self.send(self.person()))
        self.assertEqual(self.tries(), 1)

    def test_F50_the_next_submission_is_refused(self):
        hostile.play("auth_535")
        person = self.person()
        self.bounced(self.send(person))
        reply = world.submit(person.name, person.address, [OUT], self.id())
        self.assertRegex(reply, f"^550 5.7.8 {person.address}: ")


@tap.tables
class Banner(Partner):
    """T03: what an unknown server says is not shown to the user."""

    @tap.rows([(f"F42, T03: a 554 banner, {tls}", tls) for tls in BOTH])
    def refused(self, tls):
        hostile.play("554_banner")
        message = self.send(self.person(tls=tls))
        # at once or in the end, but never by another way
        for bounce in self.bounces():
            self.assertNotIn(SECRET.decode(), unfolded(bounce))
        self.assertNotIn("R=everybody_else", log_of(message))
        self.assertEqual(world.arrived_now(self.id()), [])
        self.assertEqual(self.tries(), 0)
        self.assertEqual(len(self.bounces()) + spool().count(message), 1)

    @tap.rows([
        (f"T03: {what} is not in the {when}", tls, behaviour, when)
        for what, tls, behaviour in (
            ("a 421 banner", "starttls", "421_banner"),
            ("another protocol's banner", "starttls", "ssh_banner"),
            ("a 454 to STARTTLS", "starttls", "starttls_454"),
            ("a 421 banner within TLS", "implicit", "421_banner"))
        for when in ("warning", "bounce")])
    def later(self, tls, behaviour, when):
        hostile.play(behaviour)
        person = self.person(tls=tls)
        message = self.send(person, others=False)
        world.org.command("-M", message, faketime={
            "warning": "+2h", "bounce": "+3d"}[when])
        self.bring_home()
        found = (world.warnings_now(self.id()) if when == "warning"
                 else self.bounces())
        self.assertEqual(len(found), 1, log_of(message))
        self.assertNotIn(SECRET.decode(), unfolded(found[0]))
        self.assertIn(f"{person.host}:{person.port}", unfolded(found[0]))

    def test_T03_what_comes_after_the_login_is_in_the_warning(self):
        hostile.play("mail_450")
        message = self.send(self.person(), others=False)
        world.org.command("-M", message, faketime="+2h")
        self.bring_home()
        warning, = world.warnings_now(self.id())
        self.assertIn("450 4.7.1 later", unfolded(warning))


# What may be in a login or a password.
ODD = [
    ("a colon", "a:b::c"),
    ("a caret within", "a^b^^c"),
    ("a caret at the end", "abc^"),
    ("a caret at the start", "^abc"),
    ("carets only", "^^^"),
    ("braces", "{a}}{b"),
    ("dollars", "$local_scan_data$$1"),
    ("an expansion", "${run{/bin/touch /tmp/expanded}}"),
    ("backslashes", "\\n\\\\t\\N\\"),
    ("blanks around", "  a  b  "),
    ("separators", "a;b,c;;|&<>"),
    ("quotes", "'a\"b`c"),
    ("percent signs", "%s%n%%"),
    ("UTF-8", "pässwörd-€-😀"),
    ("a star", "*"),
    ("an equals sign", "="),
    ("256 octets", "x" * 255 + "y"),
    ("256 octets of UTF-8", "ä" * 128),
    ("256 octets to be escaped", "a" + "^" * 255),
]
MECHANISMS = "PLAIN", "LOGIN", "CRAM-MD5"


@tap.tables
class Octets(Partner):
    """F47: a login arrives octet for octet, or is refused with a reason."""

    def test_F47_a_tab_in_a_password(self):
        self.carried(self.person(password="a\tb"), "PLAIN")

    # Each is a login and, beside another login, a password.
    @tap.rows([(f"F47: {name} in a login, {other} in a password, {mechanism}",
                word, secret, mechanism)
               for (name, word), (other, secret) in
               zip(ODD, ODD[1:] + ODD[:1]) for mechanism in MECHANISMS])
    def pair(self, login, password, mechanism):
        self.carried(self.person(login=login, password=password), mechanism)

    def carried(self, person, mechanism):
        hostile.play("honest", mechanisms=[mechanism],
                     passwords={person.login: person.password})
        message = self.submit(person.name, person.address)
        self.deliver(message)
        if mechanism == "PLAIN" and "^" in (person.login[0],
                                            person.password[0]):
            # Exim cannot send it; a reader of the log learns why
            self.assertEqual(self.tries(), 0)
            self.assertRegex(log_of(message), "caret")
            return
        self.assertEqual(self.tries(), 1)
        (login, password), = self.logins()
        self.assertEqual(login, octets(person.login))
        self.assertIn(password, (octets(person.password), None))
        self.delivered(message)

    def no_secret_anywhere(self):
        """A password such as "=" is everywhere."""

    @tap.rows([
        ("F48: 257 octets", "x" * 257),
        ("F48: 20000 octets", "x" * 20000),
        ("F48: 257 octets of UTF-8", "ä" * 128 + "x"),
        ("F48: nothing", ""),
        ("F48: a line feed within", "a\nb"),
        ("F48: a carriage return", "a\rb"),
        ("F48: a NUL", "a\0b"),
    ])
    def unfit(self, word):
        done = subprocess.run(
            [BUILD / "outgate", "seal", "--owner", "x", "--host",
             f"smtp.{DOMAIN}", "--login", "x"], input=word.encode(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, b"")
        self.assertRegex(done.stderr.decode(), "(?i)password")


@tap.tables
class AfterLogin(Partner):
    """The partner's answers to the message itself: one copy or one bounce."""

    @tap.rows([
        ("550 to MAIL", "mail_550", "550 5.7.1 not you"),
        ("551 to RCPT is not followed", "redirect_551",
         "551 5.1.6 try <eve@elsewhere.example>"),
        ("F64: 552 to MAIL", "size_552", "552 5.3.4 too big"),
        ("F64: 552 after the message", "size_552_at_end",
         "552 5.3.4 too big after all"),
        ("554 after the message", "end_554", "554 5.7.1 spam"),
    ])
    def back(self, behaviour, words):
        hostile.play(behaviour)
        # a partner that is known and has let the user in may say why
        self.bounced(self.send(self.person(), others=False), words)
        self.assertNotIn("eve@", str(
            [session.commands for session in hostile.sessions()]))

    @tap.rows([
        ("a NUL in the banner", "nul_in_banner"),
        ("F64: a SIZE that is a lie", "size_lie"),
        ("F64: CHUNKING that is a lie", "chunking_lie"),
        ("F64: replies in many pieces", "pipelining_lie"),
        ("F65: the last reply comes with the one before",
         "data_two_replies"),
    ])
    def arrives(self, behaviour):
        hostile.play(behaviour)
        self.delivered(self.send(self.person(), others=False))
        self.assertNotIn("BDAT", hostile.sessions()[0].verbs)

    def test_a_reply_after_long_is_waited_for(self):
        hostile.play("slow_data_ack")
        self.delivered(self.send(self.person()))

    @tap.rows([(f"F41: {what}, {tls}", tls, behaviour, copies, reasons)
               for tls in BOTH for what, behaviour, copies, reasons in (
        ("no reply to the final dot", "never_data_ack", 1,
         ["SMTP timeout after end of data"]),
        ("half a TLS record after the final dot", "end_half_a_record", 1,
         [FROM_MAIL_ON]),
        ("one line a second after the final dot, without end", "end_drip", 1,
         ["SMTP timeout after end of data"]),
        # Exim has seen that it takes too long, but does not get out of TLS
        ("the message is not read", "body_unread", 0,
         [FROM_MAIL_ON, "SMTP timeout after sending data block"]),
        ("the message is read an octet at a time", "body_sipped", 0,
         [FROM_MAIL_ON, "SMTP timeout after sending data block"]))])
    def hung_up_on(self, tls, behaviour, copies, reasons):
        hostile.play(behaviour)
        person = self.person(tls=tls)
        # what is not read is more than may lie on the way
        text = "A line of text.\r\n" * (1 if copies else 600_000)
        message = self.accepted(world.submit_raw(
            person.name, [OUT], f"From: {person.address}\r\n"
            f"Subject: {self.id()}\r\n\r\n{text}"))
        self.deliver(message, others=True, within_s=MESSAGE_S)
        for reason in reasons:
            self.waits(message, reason)
        self.assertEqual(len(self.messages()), copies)

    @tap.rows([
        ("the server hangs up after 354", "data_354_then_close", LOST, 0),
        ("F61: the last reply is lost", "lost_250", LOST, 1),
        ("F62: the connection is reset within the message",
         "reset_mid_data", LOST, 0),
        ("451 after the message", "end_451", "after end of data: 451", 1),
        ("F65: two replies to AUTH", "auth_two_replies",
         "after pipelined DATA: 250", 0),
        ("F65: two replies to MAIL", "mail_two_replies",
         "after pipelined DATA: 250", 0),
    ])
    def again(self, behaviour, reason, copies):
        """It waits and is delivered whole the next time."""
        hostile.play(behaviour)
        person = self.person()
        text = "A line of text.\r\n" * 20000
        message = self.accepted(world.submit_raw(
            person.name, [OUT], f"From: {person.address}\r\n"
            f"Subject: {self.id()}\r\n\r\n{text}"))
        self.deliver(message, others=True)
        self.waits(message, reason)
        self.assertEqual(len(self.messages()), copies)
        hostile.play("honest")
        world.forget()
        self.deliver(message, how="-M")
        self.delivered(message)
        self.assertTrue(self.messages()[0]["octets"].endswith(
            text.removesuffix("\r\n")))

    def test_F65_replies_out_of_step_mix_no_users(self):
        alice = self.person()
        bob = self.person(host=alice.host)
        hostile.play("honest", users={alice.login: "auth_two_replies"})
        held = self.send(alice)
        message = self.submit(bob.name, bob.address)
        self.deliver(message)
        self.waits(held, "after pipelined DATA: 250")
        self.assertEqual([session.logins for session in hostile.sessions()], [
            [(person.login, person.password)] for person in (alice, bob)])
        self.assertEqual(len(self.messages()), 1)
        self.assertIn(bob.address, self.messages()[0]["sender"])
        self.assertIn(f"From: {bob.address}", self.messages()[0]["octets"])

    def test_F63_each_recipient_has_its_own_answer(self):
        hostile.play("by_recipient")
        good, later, bad = (f"r{code}@outside.example"
                            for code in (250, 450, 550))
        message = self.submit((person := self.person()).name, person.address,
                              [good, later, bad])
        self.deliver(message, others=True)
        self.assertEqual(len(self.messages()), 1)
        text, = map(unfolded, self.bounces())
        self.assertIn(f"Final-Recipient: rfc822;{bad}", text)
        self.assertNotIn(f"Final-Recipient: rfc822;{good}", text)
        self.assertNotIn(f"Final-Recipient: rfc822;{later}", text)
        self.assertIn(message, spool())
        hostile.play("honest")
        world.forget()
        self.deliver(message, how="-M")
        self.assertEqual([m["recipients"] for m in self.messages()],
                         [[f"TO:<{later}>"]])
        self.assertNotIn(message, spool())

    def test_F64_a_server_without_SMTPUTF8(self):
        hostile.play("no_smtputf8")
        person = self.person()
        message = self.accepted(submit_utf8(
            person, "jörg@outside.example", self.id()))
        self.deliver(message, others=True)
        self.assertEqual(self.messages(), [])
        self.assertNotIn("R=everybody_else", log_of(message))
        self.assertEqual(len(self.bounces()) + spool().count(message), 1)


def submit_utf8(person, recipient, subject):
    with fixture.Client("127.0.0.1", 587, timeout=30) as smtp:
        smtp.ehlo("client.org.example")
        smtp.user, smtp.password = person.name, "here"
        smtp.auth("PLAIN", smtp.auth_plain)
        smtp.command_encoding = "utf-8"
        smtp.mail(f"{person.name}@org.example", ["SMTPUTF8"])
        smtp.rcpt(recipient)
        code, text = smtp.data((
            f"From: {person.address}\r\nTo: {recipient}\r\n"
            f"Subject: {subject}\r\n\r\nText.\r\n").encode())
        return f"{code} {text.decode()}"


class Forever(Partner):
    """F59: a gateway that never takes the message."""

    def attempt(self, message, when):
        world.org.command("-M", message, faketime=when)
        self.bring_home()

    def warnings(self):
        return len(world.warnings_now(self.id()))

    def forever(self, behaviour):
        hostile.play(behaviour)
        message = self.send(self.person())
        self.assertIn(message, spool())
        self.assertEqual(self.warnings(), 0)
        self.attempt(message, "+2h")
        self.attempt(message, "+4h")
        self.assertEqual(self.warnings(), 1)
        self.assertEqual(self.bounces(), [])
        self.assertIn(message, spool())
        self.attempt(message, "+50h")
        self.bounced(message)
        self.assertEqual(self.messages(), [])

    def test_F59_4xx_to_AUTH_for_two_days(self):
        self.forever("auth_454")

    def test_F59_4xx_to_MAIL_for_two_days(self):
        self.forever("mail_450")

    def test_F59_no_TLS_for_two_days(self):
        self.forever("garbage_for_tls")


# What one server takes for the end of a message and another one does not
# (SMTP smuggling, SEC Consult 2023).
FALSE_ENDS = [
    ("LF . LF", b"\n.\n"),
    ("LF . CR LF", b"\n.\r\n"),
    ("LF . CR", b"\n.\r"),
    ("CR . CR", b"\r.\r"),
    ("CR . LF", b"\r.\n"),
    ("CR . CR LF", b"\r.\r\n"),
    ("CR LF . LF", b"\r\n.\n"),
    ("CR LF . CR", b"\r\n.\r"),
    ("CR LF NUL . CR LF", b"\r\n\0.\r\n"),
]


@tap.tables
class Smuggling(Partner):
    """T20: a second message within the first stays within the first."""

    @tap.rows([(f"T20: {name} ends no message", end)
               for name, end in FALSE_ENDS])
    def smuggled(self, end):
        hostile.play("careless")
        person = self.person()
        replies = self.submit_octets(
            person, b"From: %s\r\nSubject: %s\r\n\r\nfirst%sMAIL FROM:"
            b"<eve@elsewhere.example>\r\nRCPT TO:<victim@outside.example>\r\n"
            b"DATA\r\nSubject: smuggled\r\n\r\nsecond\r\n.\r\n" % (
                person.address.encode(), self.id().encode(), end))
        self.assertEqual(len(replies), 1, replies)
        if b"\0" in end:
            # servers that drop a NUL see another end here
            self.assertRegex(replies[0], "^550 5.6.0 .* NUL octets")
            self.assertEqual(spool(), [])
            return
        message = self.accepted(replies[0])
        self.deliver(message)
        self.assertEqual(len(self.messages()), 1)
        self.assertNotIn("eve@", str(
            [session.commands for session in hostile.sessions()]))
        self.assertIn("second", self.messages()[0]["octets"])
        self.assertEqual(spool(), [])

    def submit_octets(self, person, data):
        """The replies between the data and QUIT."""
        with fixture.smtplib.SMTP("127.0.0.1", 587, timeout=30) as smtp:
            smtp.ehlo("client.org.example")
            smtp.user, smtp.password = person.name, "here"
            smtp.auth("PLAIN", smtp.auth_plain)
            smtp.mail(f"{person.name}@org.example")
            smtp.rcpt(OUT)
            smtp.docmd("DATA")
            smtp.send(data + b"QUIT\r\n")
            replies = []
            while not replies or not replies[-1].startswith("221"):
                code, text = smtp.getreply()
                replies.append(f"{code} {text.decode()}")
            return replies[:-1]


class Table(unittest.TestCase):
    def test_every_behaviour_of_the_list_is_played_here(self):
        listed = json.loads((DATA / "gateway-behaviours.json").read_text())
        text = pathlib.Path(__file__).read_text()
        self.assertEqual([row["name"] for row in listed
                          if row["name"] not in BEHAVIOURS or
                          f'"{row["name"]}"' not in text], [])

    def test_every_behaviour_of_the_server_is_played_here(self):
        # some are for the command only
        text = pathlib.Path(__file__).read_text() + (
            pathlib.Path(__file__).parents[1] / "cli/test_probe.py"
        ).read_text()
        self.assertEqual([name for name in BEHAVIOURS
                          if f'"{name}"' not in text], [])


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
