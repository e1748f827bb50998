# SPDX-License-Identifier: GPL-2.0-or-later
"""falls.py - what must hold whatever fell, and how to talk to one that falls.

    class Row(falls.Row):
        def test_it(self):
            reply = self.submit("jo", JO_AWAY)

Each test starts with an empty queue and ends with these assertions: no octet
of a gateway's password lies in the organisation's spool, log, mailboxes or
directory, no gateway message took the org route, and nothing is left over.
"""

import base64
import contextlib
import os
import pathlib
import re
import smtplib
import socket
import subprocess
import sys
import time
import unittest

import sandbox
import world as fixture
from slapd import die_with_parent
from world import (EXIM, OUTSIDE, OUTGATE_CONF, PARTNER, PARTNER_PASSWORDS,
                   World)

JO_AWAY = "jo.doe@partner.example"
TEAM = "team@partner.example"
OUT = "someone@outside.example"
DIRECTORY = ("451 4.4.3 your account's settings cannot be read at the "
             "moment; try again later")
NO_REPLY = ""
MODULE = pathlib.Path("/usr/lib/exim4/local_scan/outgate.so")


def begin(**options):
    """A world in which everybody's gateway works."""
    world = Row.world = World(conf="proof none\n", **options)
    world.__enter__()
    world.seal_example()
    world.permit()
    return world


# What Exim needs of a module, but for one line.
TINY_MODULE = """\
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int local_scan(int fd, unsigned char **text)
{ (void)fd; (void)text; BODY }
int local_scan_version_major(void) { return MAJOR; }
int local_scan_version_minor(void) { return 0; }
int outgate_refused(unsigned char **yield, int argc, unsigned char *argv[])
{ (void)argc; (void)argv; *yield = (unsigned char *)strdup("no"); return 0; }
"""


def build(body, major=6):
    """A module whose local_scan() is this; its octets."""
    source = sandbox.folder() / "tiny.c"
    source.write_text(TINY_MODULE.replace("BODY", body).replace(
        "MAJOR", str(major)))
    library = sandbox.folder() / "tiny.so"
    sandbox.run("cc", "-shared", "-fPIC", "-o", library, source)
    return library.read_bytes()


@contextlib.contextmanager
def instead(octets):
    """These octets in the installed module's place, or None: nothing."""
    kept = MODULE.with_suffix(".kept")
    MODULE.rename(kept)
    try:
        if octets is not None:
            MODULE.write_bytes(octets)
        yield
    finally:
        kept.rename(MODULE)


@contextlib.contextmanager
def configured(world, pattern, text, path="outgate.include"):
    """A line of the organisation's configuration changed, Exim restarted."""
    path = world.org.etc / path
    whole = path.read_text()
    changed, count = re.subn(f"(?m)^{pattern}$", text, whole)
    if count != 1:
        raise RuntimeError(f"{path}: {count} lines {pattern}")
    path.write_text(changed)
    world.restart_org()
    try:
        yield
    finally:
        path.write_text(whole)
        world.restart_org()


def message(sender, subject, headers=(), body="Text.\n"):
    lines = [f"From: {sender}"] if sender is not None else []
    return "\n".join([*lines, f"Subject: {subject}", *headers, "", body])


class Client(smtplib.SMTP):
    """Speaks over a connection that is there already."""

    def __init__(self, connection):
        self.given = connection
        super().__init__("given", 25)

    def _get_socket(self, host, port, timeout):
        return self.given


def talk(connection, login, recipients, data, envelope=None):
    """Submit a message; returns the first reply that is no success, or the
    one to the final dot.  NO_REPLY: the server went away."""
    token = f"\0{login}\0{fixture.ORG_PASSWORDS[login]}".encode()
    sender = f"{login}@org.example" if envelope is None else envelope
    connection.settimeout(60)
    client = None
    try:
        client = Client(connection)
        client.ehlo("client.org.example")
        reply = client.docmd("AUTH PLAIN", base64.b64encode(token).decode())
        if reply[0] == 235:
            reply = client.mail(sender)
        for recipient in recipients:
            if reply[0] == 250:
                reply = client.rcpt(recipient)
        if reply[0] == 250:
            reply = client.data(data.encode() if isinstance(data, str)
                                else data)
        return f"{reply[0]} {reply[1].decode()}"
    except smtplib.SMTPServerDisconnected:
        return NO_REPLY
    except smtplib.SMTPResponseException as error:
        return f"{error.smtp_code} {error.smtp_error.decode()}"
    except OSError:
        return NO_REPLY
    finally:
        if client:
            client.close()
        connection.close()


@contextlib.contextmanager
def listening(world, *prefix):
    """One Exim as inetd would start it; yields its client's connection.

    prefix  a command that runs it: strace with its arguments, env with its
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        served, _ = server.accept()
    process = start(world, *prefix, EXIM, "-bs", stdin=served, stdout=served)
    served.close()
    try:
        yield client
    finally:
        client.close()
        process.wait(60)


def start(world, *words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
    """Start a program where the organisation's files are its own."""
    mounts = "; ".join(f"mount --bind {a} {b}" for a, b in world.org.binds())
    return subprocess.Popen(
        ["unshare", "--mount", "sh", "-e", "-c", f'{mounts}; exec "$@"', "sh",
         *map(str, words)],
        stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent)


def processes(*words):
    """Ids of processes whose command lines have these arguments."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if line[0] == EXIM and set(words) <= set(line):
            found.append(int(folder.name))
    return sorted(found)


def sockets_of(pid):
    """The inodes of a process's sockets; none when it is gone."""
    found = set()
    with contextlib.suppress(OSError):
        for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            found |= set(re.findall(r"^socket:\[(\d+)\]$",
                                    os.readlink(path)))
    return found


def sockets_to(address, port):
    """The inodes of the sockets that are connected to this address."""
    peer = "%08X:%04X" % (
        int.from_bytes(socket.inet_aton(address), sys.byteorder), port)
    rows = [line.split() for line in
            pathlib.Path("/proc/net/tcp").read_text().split("\n")[1:-1]]
    return {row[9] for row in rows if row[2] == peer}


def until_quiet(world):
    """Until no Exim, the organisation's or another's, is at work."""
    return until(lambda: not processes("-Mc") and
                 len(processes("-bdf")) <= len(world.servers))


def until(look, limit_s=10):
    """Wait until look() is true; returns what it gave last."""
    end = time.monotonic() + limit_s
    while True:
        seen = look()
        if seen or time.monotonic() > end:
            return seen
        time.sleep(0.01)


class Row(unittest.TestCase):
    world = None

    def setUp(self):
        self.orphans = ()
        self.panics = False
        # by the org route, from a gateway's address
        self.on_purpose = False
        self.saved = {}
        self.world.queue_only(False)

    def tearDown(self):
        world = self.world
        for dn, entry in self.saved.items():
            for name in ("outgateHost", "outgatePort", "outgateTLS",
                         "outgateLogin", "outgateAddress", "outgatePassword",
                         "outgateProof", "outgateEnabled"):
                world.replace(dn, name, *entry.get(name.lower(), []))
        world.outgate_conf()
        world.queue_only(False)
        until_quiet(world)
        try:
            self.no_secret_anywhere()
            self.no_org_route()
            if not self.panics:
                self.assertEqual(world.org.log("paniclog"), "")
        finally:
            world.empty_queue()
            world.forget()
            for server in world.servers.values():
                for path in (server.folder / "inbox").glob("new/*"):
                    path.unlink()
            left = self.spool()
            for path in (world.org.folder / "spool/input").rglob("*"):
                if path.is_file():
                    path.unlink()
            (world.org.folder / "log/paniclog").unlink(missing_ok=True)
        self.assertEqual([name for name in left
                          if not name.endswith(tuple(self.orphans))], [])

    # ---- what is done ----

    def save(self, *entries):
        """Their gateways are restored afterwards."""
        for dn in entries:
            self.saved[dn] = self.world.gateway(dn)

    def submit(self, login, sender, recipients=(OUT,), **options):
        """Through the daemon; the reply, or NO_REPLY."""
        data = message(sender, self.id(), options.pop("headers", ()))
        return talk(socket.create_connection(("127.0.0.1", 587)), login,
                    recipients, data, **options)

    def accepted(self, *arguments, **options):
        """Accepted; returns Exim's name for it."""
        reply = self.submit(*arguments, **options)
        self.assertRegex(reply, "^250 OK id=")
        return reply.partition("id=")[2]

    def deliver(self, name):
        """One delivery attempt, frozen or not, to its end everywhere."""
        self.world.org.command("-M", name)
        until_quiet(self.world)

    # ---- what became of it ----

    def spool(self):
        folder = self.world.org.folder / "spool/input"
        return sorted(path.name for path in folder.rglob("*")
                      if path.is_file())

    def queued(self):
        """The names of all messages in the queue."""
        return [name[:-2] for name in self.spool() if name.endswith("-H")]

    def log_of(self, name):
        return "\n".join(line for line in self.world.org.log().split("\n")
                         if f" {name} " in line)

    def arrived(self, count=1):
        """So many copies, no more; (server, message) of each."""
        found = self.world.arrived(self.id(), count)
        self.assertEqual(len(found), count, self.world.org.log()[-2000:])
        return found

    def by_gateway(self, login="jo.doe", count=1):
        for server, copy in self.arrived(count):
            self.assertEqual((server, copy["X-Arrived-As"]), (PARTNER, login))

    def by_org_route(self):
        self.assertEqual([server for server, _ in self.arrived()], [OUTSIDE])

    def nowhere(self):
        self.assertEqual(self.world.arrived_now(self.id()), [])

    def bounces(self):
        """The bounces of this test's messages that are home by now."""
        return [copy for _, copy in self.world.everything()
                if copy["X-Arrived-From"] == "<>" and
                f"Subject: {self.id()}" in fixture.unfolded(copy)]

    def waits(self, name, *texts):
        """In the queue, with its reason in the log, and nowhere else."""
        for text in texts:
            self.assertIsNotNone(self.world.logged(name, text),
                                 self.log_of(name))
        until(lambda: not processes("-Mc", name))
        self.assertIn(name, self.queued())
        self.nowhere()

    def not_accepted(self, reply, pattern):
        """Refused for now, and no trace of it in the spool."""
        self.assertRegex(reply, pattern)
        self.assertEqual(self.spool(), [])
        self.nowhere()

    def others_flow(self, gateway=True):
        """Org mail, and another user's gateway mail, within ten seconds."""
        begun = time.monotonic()
        subject = f"{self.id()} others {begun}"
        ways = [("kim", "kim@org.example", OUTSIDE)]
        if gateway:
            ways.append(("mia", TEAM, PARTNER))
        for login, sender, _ in ways:
            reply = self.world.submit(login, sender, [OUT], subject)
            self.assertRegex(reply, "^250 OK id=")
        found = self.world.arrived(subject, len(ways))
        self.assertEqual(sorted(server for server, _ in found),
                         sorted(server for _, _, server in ways),
                         self.world.org.log()[-3000:])
        self.assertLess(time.monotonic() - begun, 10)

    # ---- what holds after every row ----

    def no_secret_anywhere(self):
        forms = list(secret_forms())
        found = [str(path) for path, octets in self.kept()
                 for form in forms if form in octets]
        self.assertEqual(found, [])

    def kept(self):
        """What the organisation has written down, but sealed values."""
        for part in ("spool", "log", "inbox", "daemon.log"):
            place = self.world.org.folder / part
            for path in [place, *place.rglob("*")]:
                if path.is_file():
                    yield path, path.read_bytes()
        for path in self.world.slapd.directory.rglob("*"):
            if path.is_file():
                yield path, path.read_bytes()

    def takes_the_org_route(self):
        """By the decision table: it is no submission, or has no sender."""
        self.on_purpose = True
        self.by_org_route()

    def no_org_route(self):
        """What is From a gateway's address did not leave another way."""
        found = [str(copy["Subject"]) for server, copy in
                 self.world.everything()
                 if server == OUTSIDE and copy["From"] is not None and
                 re.search(f"{JO_AWAY}|{TEAM}", str(copy["From"]))]
        if not self.on_purpose:
            self.assertEqual(found, [])


def secret_forms():
    for login, password in PARTNER_PASSWORDS.items():
        plain = f"\0{login}\0{password}".encode()
        yield password.encode()
        yield base64.b64encode(password.encode())
        yield base64.b64encode(plain)


def settings(world, uri=None, more="proof none\n"):
    """Write outgate.conf for another directory."""
    text = OUTGATE_CONF.format(uri=uri or world.slapd.ldapi) + more
    path = pathlib.Path("/etc/outgate/outgate.conf")
    path.write_text(text)
    os.chmod(path, 0o644)
