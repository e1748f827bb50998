#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys, clocks and directories that fail: what the sender is told, what waits
in the queue, and what the log says.

Real Exim with outgate as installed and real slapd; where slapd cannot be made
to misbehave, a few lines that speak LDAP badly.
"""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import falls
import sandbox
import tap
from falls import DIRECTORY, JO_AWAY, OUT, TEAM, message, settings
from world import (BUILD, JO, MIA_GATEWAY, PARTNER_PASSWORDS, SAM, STAFF,
                   certificate, make_ca)

SEALS = pathlib.Path("/etc/outgate/seal")
# in the directory of the machine's architecture
FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
SERVICE = "cn=outgate,ou=services,dc=org,dc=example"
# timeout_ms of the settings, and what a busy machine may add
DEADLINE_S = 2 + 1.5

UNPROVED = (f"550 5.7.1 {JO_AWAY}: outgateProof: no valid proof that "
            "this address is yours; paste the one mailed to it")

world = None


def setUpModule():
    global world
    world = falls.begin()
    sandbox.run(BUILD / "outgate", "keygen", "--proof", "--name", "p1",
                "--group", "Debian-exim")


def tearDownModule():
    world.__exit__()


# ---- keys ----

@tap.tables
class Keys(falls.Row):
    def setUp(self):
        super().setUp()
        self.keys_kept = world.folder / "kept"
        sandbox.run("cp", "-a", SEALS, self.keys_kept)
        self.key = next(SEALS.glob("*.key"))
        self.save(JO)

    def tearDown(self):
        self.restore()
        shutil.rmtree(self.keys_kept)
        super().tearDown()

    def restore(self):
        shutil.rmtree(SEALS)
        sandbox.run("cp", "-a", self.keys_kept, SEALS)

    def delivered_in_the_end(self, name):
        self.restore()
        world.forget()
        self.deliver(name)
        self.by_gateway()

    @tap.rows([
        ("F18: a key that is missing: mail waits",
         lambda key: key.unlink()),
        ("F18: a key that only root can read: mail waits",
         lambda key: (os.chown(key, 0, 0), key.chmod(0o600))),
        ("F18: a key that everybody can read: mail waits",
         lambda key: key.chmod(0o644)),
        ("F18: a key that is a link: mail waits",
         lambda key: key.symlink_to(key.rename(SEALS / "elsewhere"))),
        ("F18: a key with a second name: mail waits",
         lambda key: os.link(key, SEALS / "second")),
        ("F18: a key that is a directory: mail waits",
         lambda key: (key.unlink(), key.mkdir())),
        ("F18: a key that is empty: mail waits",
         lambda key: os.truncate(key, 0)),
        ("F18: a key that was cut off: mail waits",
         lambda key: os.truncate(key, 100)),
        ("F18: somebody else's key under its name: mail waits",
         lambda key: put_foreign_key(key)),
        ("F18: no key at all: mail waits",
         lambda key: [path.unlink() for path in SEALS.iterdir()]),
        ("F18: a directory of keys that others may write: mail waits",
         lambda key: SEALS.chmod(0o777)),
    ])
    def key_is(self, spoil):
        spoil(self.key)
        name = self.accepted("jo", JO_AWAY)
        self.waits(name, " == ")
        log = self.log_of(name)
        self.assertEqual(log.count(f"outgate: from={JO_AWAY} password: /"), 1,
                         log)
        self.assertNotRegex(log, r" \*\* |R=everybody_else")
        self.assertEqual(self.bounces(), [])
        self.others_flow(gateway=False)
        self.delivered_in_the_end(name)

    def rotate(self):
        """A message is queued, then there is a new key beside the old."""
        world.queue_only(True)
        name = self.accepted("jo", JO_AWAY)
        sandbox.run(BUILD / "outgate", "keygen", "--group", "Debian-exim",
                    "--name", "new")
        return name

    def test_F19_a_new_key_beside_the_old_opens_what_was_sealed(self):
        self.deliver(self.rotate())
        self.by_gateway()

    def test_F19_without_the_old_key_what_was_sealed_waits(self):
        name = self.rotate()
        for path in self.key, self.key.with_suffix(".crt"):
            path.unlink()
        self.deliver(name)
        self.waits(name, " == ")
        self.assertEqual(self.bounces(), [])
        self.delivered_in_the_end(name)

    def test_F20_what_an_expired_certificate_sealed_opens_still(self):
        for path in SEALS.iterdir():
            path.unlink()
        sandbox.run("faketime", "2010-01-01 00:00:00", BUILD / "outgate",
                    "keygen", "--group", "Debian-exim", "--name", "old")
        end = sandbox.run("openssl", "x509", "-noout", "-enddate", "-in",
                          SEALS / "old.crt")
        self.assertRegex(end, " 20[12][0-9] GMT")
        self.assertLess(int(end.split()[3]), time.localtime().tm_year)
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        self.accepted("jo", JO_AWAY)
        self.by_gateway()


def put_foreign_key(key):
    sandbox.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-out", key)


# ---- clocks ----

MINUTE, HOUR, DAY = 60, 3600, 86400


def proof(owner, address=JO_AWAY, gateway="smtp.partner.example:465",
          issued_s=-MINUTE, life_s=HOUR, now_s=None):
    """Sign as the agent would, by openssl's hand; times are from now on."""
    now_s = int(time.time()) if now_s is None else now_s
    claims = {"iss": "org.example", "sub": owner, "email": address,
              "gw": gateway, "iat": now_s + issued_s, "exp": now_s + life_s}
    text = ".".join(encode(json.dumps(part, separators=(",", ":")).encode())
                    for part in ({"alg": "EdDSA", "kid": "p1"}, claims))
    signed = sandbox.folder() / "signed"
    signed.write_text(text)
    signature = subprocess.run(
        ["openssl", "pkeyutl", "-sign", "-rawin", "-in", signed,
         "-inkey", "/etc/outgate/proof/p1.key"],
        check=True, stdout=subprocess.PIPE).stdout
    return f"{text}.{encode(signature)}"


def encode(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


@tap.tables
class Clocks(falls.Row):
    def setUp(self):
        super().setUp()
        self.save(JO, MIA_GATEWAY, SAM)
        settings(world, more="")
        world.queue_only(True)

    def at(self, clock):
        """Submit to an Exim whose clock is another; the reply."""
        # forgotten with its environment, but for the file
        pathlib.Path("/etc/faketimerc").write_text(clock + "\n")
        with falls.listening(world, "env", f"LD_PRELOAD={FAKETIME}",
                             f"FAKETIME={clock}") as client:
            return falls.talk(client, "jo", [OUT],
                              message(JO_AWAY, self.id()))

    @tap.rows([
        ("F21: an hour's proof serves now", "+0", "250"),
        ("F21: an hour's proof serves after 58 minutes", "+58m", "250"),
        ("F21: an hour's proof is over after 62 minutes", "+62m", "550"),
        ("F21: an hour's proof is over a day later", "+1d", "550"),
        ("F21: issued two minutes from now it serves", "-3m", "250"),
        ("F21: issued six minutes from now it does not", "-7m", "550"),
        ("F21: issued a day from now it does not", "-1d", "550"),
        ("F21: a clock of 1970 proves nothing", "@1970-01-02 00:00:00", "550"),
        ("F21: a clock of 2038 ends every proof", "@2038-01-19 03:14:05",
         "550"),
        ("F21: a clock of 2100 ends every proof", "@2100-01-01 00:00:00",
         "550"),
    ])
    def clock_says(self, clock, code):
        world.replace(JO, "outgateProof", proof(world.owner(JO)))
        reply = self.at(clock)
        if code == "250":
            self.assertRegex(reply, "^250 OK")
        else:
            self.assertEqual(reply, UNPROVED)
        if clock.startswith("@"):
            # the clock did stand there
            self.assertRegex(world.org.log(), f"(?m)^{clock[1:11]} ")

    def test_F21_a_proof_from_beyond_2038_serves_there(self):
        after = 2**31 + HOUR
        world.replace(JO, "outgateProof", proof(
            world.owner(JO), now_s=after, life_s=100 * DAY))
        self.assertEqual(self.at("+0"), UNPROVED)
        clock = time.strftime("@%Y-%m-%d %H:%M:%S", time.localtime(after))
        self.assertRegex(self.at(clock), "^250 OK")

    def test_F35_one_address_of_two_users_needs_a_proof_of_each(self):
        world.queue_only(False)
        text = {MIA_GATEWAY: "smtp.partner.example:587",
                SAM: "smtp.partner.example:465"}
        proofs = {dn: proof(world.owner(dn), TEAM, server)
                  for dn, server in text.items()}
        world.replace(MIA_GATEWAY, "outgateProof", proofs[MIA_GATEWAY])
        # another user's proof is none
        world.replace(SAM, "outgateProof", proofs[MIA_GATEWAY])
        self.accepted("mia", TEAM)
        self.by_gateway("mia.moe")
        self.assertEqual(self.submit("sam", TEAM),
                         UNPROVED.replace(JO_AWAY, TEAM))
        world.replace(SAM, "outgateProof", proofs[SAM])
        self.accepted("sam", TEAM)
        self.assertEqual(sorted(str(copy["X-Arrived-As"])
                                for _, copy in self.arrived(2)),
                         ["mia.moe", "sam.roe"])


# ---- a directory that fails ----

class Fake:
    """A directory at a socket that does as one of the functions below."""

    def __init__(self, manner):
        self.manner = manner
        self.path = world.folder / "fake"
        self.uri = "ldapi://" + str(self.path).replace("/", "%2F")
        self.served = 0

    def __enter__(self):
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(self.path))
        self.path.chmod(0o777)
        self.server.listen(8)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.over.set()
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(10)
        self.path.unlink()

    def serve(self):
        with contextlib.ExitStack() as stack:
            while not self.over.is_set():
                try:
                    connection = stack.enter_context(self.server.accept()[0])
                except OSError:
                    return
                self.served += 1
                threading.Thread(target=self.one, args=[connection],
                                 daemon=True).start()

    def one(self, connection):
        with contextlib.suppress(OSError):
            self.manner(connection, self.over)


def silent(connection, over):
    over.wait()


def drip(connection, over):
    """A good answer to the bind, an octet each second."""
    reply = answer(connection.recv(4096), BIND_DONE, 0)
    for octet in reply:
        connection.sendall(bytes([octet]))
        if over.wait(1):
            return


def closing(connection, over):
    connection.close()


def cut_off(connection, over):
    """Half an entry, and the connection is over."""
    connection.sendall(answer(connection.recv(4096), BIND_DONE, 0))
    connection.recv(4096)
    connection.sendall(bytes.fromhex("3082020002010264820100041f"))
    connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def garbage(connection, over):
    connection.recv(4096)
    connection.sendall(bytes(range(256)) * 64)
    over.wait()


def boast(connection, over):
    """A length of two gigabytes, and some of them."""
    connection.recv(4096)
    connection.sendall(bytes.fromhex("30847fffffff0201016184"))
    while not over.is_set():
        connection.sendall(bytes(65536))


# Tags of RFC 4511.
BIND, SEARCH, BIND_DONE, SEARCH_DONE = 0x60, 0x63, 0x61, 0x65


def says(code):
    """Every search ends with this result code (RFC 4511, 4.1.9)."""
    def manner(connection, over):
        while True:
            request = connection.recv(4096)
            if not request:
                return
            operation = request[operation_at(request)]
            if operation == BIND:
                connection.sendall(answer(request, BIND_DONE, 0))
            elif operation == SEARCH:
                connection.sendall(answer(request, SEARCH_DONE, code))
    return manner


def operation_at(request):
    """Where the operation of an LDAPMessage begins."""
    # 30 length 02 length id...
    at = 2 + (request[1] & 0x7f if request[1] & 0x80 else 0)
    return at + 2 + request[at + 1]


def answer(request, tag, code):
    end = operation_at(request)
    at = 2 + (request[1] & 0x7f if request[1] & 0x80 else 0)
    number = request[at:end]
    body = number + bytes([tag, 7, 0x0a, 1, code, 4, 0, 4, 0])
    return bytes([0x30, len(body)]) + body


@tap.tables
class Directory(falls.Row):
    def setUp(self):
        super().setUp()
        self.save(JO)

    def refused_in_time(self, sender=JO_AWAY, within_s=DEADLINE_S):
        """451, one log line, nothing in the queue; org mail flows."""
        before = world.org.log().count("why=directory")
        begun = time.monotonic()
        reply = self.submit("jo", sender)
        took = time.monotonic() - begun
        self.assertEqual(reply, DIRECTORY)
        self.assertLess(took, within_s)
        self.assertEqual(self.spool(), [])
        self.assertEqual(world.org.log().count("why=directory"), before + 1)
        self.others_flow(gateway=False)

    def works(self, login="jo", sender=JO_AWAY, partner_login="jo.doe"):
        self.accepted(login, sender)
        self.by_gateway(partner_login)

    def test_F22_down_external_mail_is_451_and_queued_mail_waits(self):
        world.queue_only(True)
        queued = self.accepted("jo", JO_AWAY)
        world.queue_only(False)
        world.slapd.halt()
        try:
            before = world.org.log().count("why=directory login=")
            self.assertEqual(self.submit("jo", JO_AWAY), DIRECTORY)
            self.assertEqual(
                world.org.log().count("why=directory login="), before + 1)
            self.deliver(queued)
            self.waits(queued, " == ")
            self.others_flow(gateway=False)
        finally:
            world.slapd.start()
        self.deliver(queued)
        self.by_gateway()

    @tap.rows([
        ("F23: a server that accepts and stays silent: 451", silent),
        ("F24: a server that sends an octet a second: 451", drip),
        ("F25: a server that closes at once: 451", closing),
        ("F25: a server that closes in the middle of an entry: 451",
         cut_off),
        ("F26: a server that answers with anything: 451", garbage),
        ("F26: a server that announces two gigabytes: 451", boast),
        ("F31: the time limit was exceeded: 451", says(3)),
        ("F31: the size limit was exceeded: 451", says(4)),
        ("F31: the administrative limit was exceeded: 451", says(11)),
        ("a server that is busy: 451", says(51)),
        ("a server that is unwilling: 451", says(53)),
        ("a base that the server does not have: 451", says(32)),
    ])
    def server_is(self, manner):
        with Fake(manner) as fake:
            settings(world, fake.uri)
            self.refused_in_time()
            self.assertGreater(fake.served, 0)
        settings(world)
        self.works()

    def test_a_server_that_says_success_is_believed(self):
        """The fake of the rows above does speak LDAP."""
        with Fake(says(0)) as fake:
            settings(world, fake.uri)
            self.assertRegex(self.submit("jo", "jo@elsewhere.example"),
                             "^250 OK")
            self.assertIsNotNone(world.logged("why=no-entry login=jo"))

    @tap.rows([
        ("F27: the certificate of another authority: 451, no password",
         "other", False),
        ("F27: a certificate of another name: 451, no password",
         "wrong", False),
        ("F27: a certificate that has expired: 451, no password",
         "expired", False),
        ("with a good certificate the password does go out", "good", True),
    ])
    def certificate_is(self, which, password_goes):
        with Secure(which) as server:
            server.settings()
            self.refused_in_time()
        self.assertNotEqual(server.accepted, 0)
        self.assertEqual(b"bind-canary" in b"".join(server.received),
                         password_goes)
        self.assertNotIn("bind-canary", world.org.log())

    def bind(self, password):
        """Settings that bind as the service over ldapi."""
        secret = pathlib.Path("/etc/outgate/ldap.secret")
        secret.write_text(password + "\n")
        secret.chmod(0o640)
        shutil.chown(secret, "root", "Debian-exim")
        settings(world, more=(
            f"proof none\nbind_dn {SERVICE}\n"
            f"bind_password_file {secret}\n"))

    def test_F28_a_wrong_bind_password_is_451_and_stays_out_of_the_log(self):
        self.bind("bind-canary-wrong")
        self.refused_in_time()
        self.assertNotIn("bind-canary", world.org.log())
        self.bind("outgate-secret")
        self.works()

    def test_F28_a_bind_password_that_was_withdrawn_is_451(self):
        self.bind("outgate-secret")
        self.works()
        world.replace(SERVICE, "userPassword", "another")
        try:
            self.refused_in_time()
            self.assertNotIn("outgate-secret", world.org.log())
        finally:
            world.replace(SERVICE, "userPassword", "outgate-secret")

    def test_F29_referrals_are_not_followed(self):
        places = ["ou=people,dc=org,dc=example", JO]
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            elsewhere.setblocking(False)
            port = elsewhere.getsockname()[1]
            with contextlib.ExitStack() as stack:
                self.show_all(stack)
                for place in places:
                    self.refer(stack, place, port)
                answer = world.slapd.search(
                    "(uid=jo)", "1.1", bind=(SERVICE, "outgate-secret"))
                self.assertEqual(answer.text.count("# refldap:"), 2)
                self.works()
                self.assertRaises(BlockingIOError, elsewhere.accept)

    def show_all(self, stack):
        """The service may read everything, references too."""
        database = world.database()

        def access(change):
            world.modify(f"dn: olcDatabase={database},cn=config\n"
                         f"changetype: modify\n{change}\n",
                         world.slapd.config)
        access("add: olcAccess\nolcAccess: {0}to * by "
               f'dn.exact="{SERVICE}" read by * break')
        stack.callback(access, "delete: olcAccess\nolcAccess: {0}")

    def refer(self, stack, place, port):
        world.modify(
            f"dn: cn=away,{place}\nchangetype: add\n"
            "objectClass: referral\nobjectClass: extensibleObject\n"
            f"cn: away\nref: ldap://127.0.0.1:{port}/{place}\n")
        stack.callback(world.slapd.modify,
                       f"dn: cn=away,{place}\nchangetype: delete\n",
                       world.slapd.root, ["-M"])

    def test_F30_behind_a_silent_server_the_second_one_is_asked(self):
        with Fake(silent) as fake:
            settings(world, f"{fake.uri} {world.slapd.ldapi}")
            begun = time.monotonic()
            self.accepted("jo", JO_AWAY)
            self.assertLess(time.monotonic() - begun, 2)
            self.by_gateway()
            self.assertGreater(fake.served, 0)

    def test_F30_behind_a_server_that_is_gone_the_second_one_is_asked(self):
        settings(world, f"ldapi://%2Fnonexistent {world.slapd.ldapi}")
        begun = time.monotonic()
        self.accepted("jo", JO_AWAY)
        self.assertLess(time.monotonic() - begun, 2)
        self.by_gateway()

    def test_F31_half_of_an_answer_is_none(self):
        second = f"cn=second,{JO}"
        world.modify(f"dn: {second}\nchangetype: add\n"
                     "objectClass: outgateEntry\ncn: second\n"
                     f"outgateAddress: {JO_AWAY}\n")
        database = world.database()
        try:
            self.assertRegex(self.submit("jo", JO_AWAY), "^550 .*several")
            self.limit(database, "olcLimits: * size=1")
            self.refused_in_time()
        finally:
            self.limit(database, None)
            world.modify(f"dn: {second}\nchangetype: delete\n")
        self.works()

    def limit(self, database, line):
        world.modify(
            f"dn: olcDatabase={database},cn=config\nchangetype: modify\n"
            f"replace: olcLimits\n{line or ''}\n", world.slapd.config)

    def test_F33_two_entries_for_one_login_are_451_and_logged(self):
        twin = "uid=jo,ou=students,ou=people,dc=org,dc=example"
        world.modify(f"dn: {twin}\nchangetype: add\n"
                     "objectClass: inetOrgPerson\nuid: jo\ncn: Jo\nsn: J\n")
        try:
            self.refused_in_time()
        finally:
            world.modify(f"dn: {twin}\nchangetype: delete\n")
        self.works()

    def test_F34_one_address_in_two_gateways_of_a_user_serves_neither(self):
        second = f"cn=second,{JO}"
        world.modify(f"dn: {second}\nchangetype: add\n"
                     "objectClass: outgateEntry\ncn: second\n"
                     f"outgateAddress: {JO_AWAY}\n"
                     "outgateHost: smtp.other.example\noutgateLogin: jo\n")
        try:
            reply = self.submit("jo", JO_AWAY)
            self.not_accepted(reply, "^550 5.7.1 .*several of your outbound "
                                     "gateways serve this address")
            self.others_flow()
        finally:
            world.modify(f"dn: {second}\nchangetype: delete\n")
        self.works()


class Secure:
    """An ldaps server with one of several certificates.  It never answers."""

    def __init__(self, which):
        self.which = which
        self.received = []
        self.accepted = 0
        folder = world.folder / "secure"
        if not folder.exists():
            self.certify(folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / f"{which}.crt",
                                     folder / f"{which}.key")

    def certify(self, folder):
        folder.mkdir()
        make_ca(folder / "ca")
        name = "ldap.org.example"
        with open("/etc/hosts", "a", encoding="ascii") as hosts:
            hosts.write(f"127.0.0.1 {name}\n")
        certificate(world.ca, name, folder / "good")
        certificate(world.ca, "other.org.example", folder / "wrong")
        certificate(world.ca, name, folder / "expired", days=-1)
        certificate(folder / "ca", name, folder / "other")

    def settings(self):
        secret = pathlib.Path("/etc/outgate/ldap.secret")
        secret.write_text("bind-canary\n")
        secret.chmod(0o640)
        shutil.chown(secret, "root", "Debian-exim")
        settings(world, f"ldaps://ldap.org.example:{self.port}", (
            f"proof none\nbind_dn {SERVICE}\n"
            f"bind_password_file {secret}\n"
            f"tls_ca_file {world.ca}/ca.crt\n"))

    def __enter__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(10)

    def serve(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.accepted += 1
            connection.settimeout(5)
            with contextlib.suppress(OSError), self.context.wrap_socket(
                    connection, server_side=True) as secure:
                while True:
                    octets = secure.recv(4096)
                    if not octets:
                        break
                    self.received.append(octets)


# ---- entries ----

class Entries(falls.Row):
    def setUp(self):
        super().setUp()
        self.save(JO)

    def test_F32_an_entry_that_vanishes_brings_its_mail_back(self):
        ann = f"uid=ann,{STAFF}"
        falls.fixture.ORG_PASSWORDS["ann"] = "ann-org"
        world.org.write("passwords",
                        falls.fixture.passwords(falls.fixture.ORG_PASSWORDS))
        world.modify(f"dn: {ann}\nchangetype: add\n"
                     "objectClass: inetOrgPerson\n"
                     "objectClass: outgateAccount\n"
                     "uid: ann\ncn: Ann\nsn: Ann\n"
                     "outgateAddress: ann@partner.example\n"
                     "outgateHost: smtp.partner.example\n"
                     "outgateLogin: jo.doe\n")
        world.seal(ann, PARTNER_PASSWORDS["jo.doe"])
        world.queue_only(True)
        name = self.accepted("ann", "ann@partner.example")
        world.modify(f"dn: {ann}\nchangetype: delete\n")
        self.deliver(name)
        world.run_queue()
        bounces = world.bounces(self.id())
        self.assertEqual([bounce["X-Arrived-For"] for bounce in bounces],
                         ["ann@org.example"])
        self.nowhere()
        self.assertEqual(self.queued(), [])

    def test_F36_five_thousand_addresses_cost_little(self):
        usual = self.fastest()
        world.replace(JO, "outgateAddress", JO_AWAY, *[
            f"a{n}@partner.example" for n in range(5000)])
        self.assertLess(self.fastest(), usual + 0.05)
        self.others_flow()

    def test_F36_a_megabyte_beside_the_gateway_costs_little(self):
        usual = self.fastest()
        world.replace(JO, "description", "x" * 2**20)
        try:
            self.assertLess(self.fastest(), usual + 0.05)
            self.others_flow()
        finally:
            world.replace(JO, "description")

    def test_F36_a_login_of_a_megabyte_is_refused(self):
        usual = self.fastest()
        world.replace(JO, "outgateLogin", "x" * 2**20)
        begun = time.monotonic()
        reply = self.submit("jo", JO_AWAY)
        self.assertLess(time.monotonic() - begun, usual + 0.5)
        self.not_accepted(reply, "^(451 4.4.3|550 5.7.1) ")
        self.others_flow()

    def fastest(self):
        """The shortest of five submissions, in seconds."""
        world.queue_only(True)
        times = []
        for _ in range(5):
            begun = time.monotonic()
            self.accepted("jo", JO_AWAY)
            times.append(time.monotonic() - begun)
        world.empty_queue()
        world.queue_only(False)
        return min(times)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
