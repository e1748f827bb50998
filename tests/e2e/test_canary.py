#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""P9: a password is found nowhere after a full run.

Passwords that exist nowhere else are sealed and used: delivered with by each
mechanism, refused, put off, kept from an untrusted server, brought back.  Then
everything the organisation's side has written is searched for them, in every
form they might have; the arguments and environments of all processes have been
watched meanwhile.
"""

import base64
import os
import pathlib
import pwd
import re
import resource
import secrets
import signal
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
from agent import memory
from hostile import IMPLICIT, Hostile
from slapd import die_with_parent
from world import (BUILD, EXIM, JO, OTHER, PARTNER, World, certificate,
                   make_ca, unfolded, wait, wait_for_port)

ADDRESS = "203.0.113.40"
HOST = "smtp.hostile.example"
OUT = "someone@outside.example"
MECHANISMS = {"plain": "PLAIN", "login": "LOGIN", "cram": "CRAM-MD5"}
# A gateway of Jo's for each thing that can happen, with its own password.
GATEWAYS = [*MECHANISMS, "refused", "busy", "untrusted", "withdrawn", "core"]
CANARIES = {name: f"canary{secrets.token_hex(8)}^{secrets.token_hex(8)}"
            for name in GATEWAYS}

world = None
hostile = None
watch = None
# What came of each message: its log, the bounce's text or what arrived.
became = {}


def setUpModule():
    global world, watch
    before = set(strangers())
    watch = Watch()
    watch.start()
    world = World(conf="proof none\n")
    world.strangers = before
    world.__enter__()
    world.permit()
    place_hostile()
    for name in GATEWAYS:
        add_gateway(name)
    for name, mechanism in MECHANISMS.items():
        became[name] = deliver(name, mechanism)
    became["refused"] = refuse()
    became["busy"] = put_off("busy", "auth_454")
    became["untrusted"] = put_off("untrusted", "honest", "self_signed")
    became["withdrawn"] = withdraw()
    became["explain"] = explain()
    watch.stop()


def tearDownModule():
    hostile.stop()
    world.__exit__()


# ---- the run ----

def place_hostile():
    """A partner that shows what it was given, and does as it is told."""
    global hostile
    sandbox.run("ip", "-n", "outside", "address", "add", f"{ADDRESS}/24",
                "dev", "uplink")
    with open("/etc/hosts", "a", encoding="ascii") as hosts:
        hosts.write(f"{ADDRESS} {HOST}\n")
    hostile = Hostile(world.folder / "hostile", ADDRESS, netns="outside")
    for name, ca in (("good", world.ca),
                     ("self_signed", make_ca(hostile.folder / "ca"))):
        path = hostile.folder / name
        certificate(ca, HOST, path)
        path.with_suffix(".pem").write_text(
            path.with_suffix(".key").read_text() +
            path.with_suffix(".crt").read_text())
    hostile.start()
    wait_for_port("outside", ADDRESS, IMPLICIT)


def address(name):
    return f"{name}@hostile.example"


def add_gateway(name):
    dn = f"cn={name},{JO}"
    world.modify(
        f"dn: {dn}\nchangetype: add\nobjectClass: outgateEntry\ncn: {name}\n"
        f"outgateAddress: {address(name)}\noutgateHost: {HOST}\n"
        f"outgateLogin: {name}\n")
    world.seal(dn, CANARIES[name])


def play(behaviour, **options):
    hostile.play(behaviour, passwords=CANARIES, **options)


def submit(name):
    reply = world.submit("jo", address(name), [OUT], name)
    if not reply.startswith("250 OK id="):
        raise RuntimeError(f"{name}: {reply}")
    return reply.partition("id=")[2]


def deliver(name, mechanism):
    play("honest", mechanisms=[mechanism])
    message = submit(name)
    # the server has it; Exim has said so too
    world.logged(f"{message} Completed")
    return [session for session in hostile.sessions() if session.messages]


def refuse():
    play("auth_535")
    submit("refused")
    return [unfolded(bounce) for bounce in world.bounces("refused")]


def put_off(name, behaviour, certificate="good"):
    play(behaviour, certificate=certificate)
    return world.logged(f"{submit(name)} == ") or ""


def withdraw():
    play("421_banner")
    message = submit("withdrawn")
    world.logged(f"{message} == ")
    world.permit("FALSE")
    world.org.command("-M", message)
    world.permit()
    return [unfolded(bounce) for bounce in world.bounces("withdrawn")]


def explain():
    return subprocess.run(
        [BUILD / "outgate", "explain", "--login", "jo"], text=True,
        input=f"From: {address('plain')}\n\n", stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT).stdout


# ---- the search ----

def forms(login, password):
    """What a password may look like to who finds it."""
    plain = password.encode()
    token = b"\0" + login.encode() + b"\0" + plain
    found = {
        "as it is": plain,
        "its first half": plain.partition(b"^")[0],
        "its second half": plain.partition(b"^")[2],
        "carets doubled": plain.replace(b"^", b"^^"),
        "base64": base64.b64encode(plain).rstrip(b"="),
        "base64 of PLAIN's response": base64.b64encode(token).rstrip(b"="),
        "hexadecimal": plain.hex().encode(),
        "hexadecimal, capitals": plain.hex().upper().encode(),
        "as in a URL": urllib.parse.quote(plain).encode(),
        "two octets a character": plain.decode().encode("utf-16-le"),
    }
    # in base64 of something longer: what does not depend on the neighbours
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + plain).rstrip(b"=")
        found[f"base64, after {shift} more"] = text[(0, 2, 3)[shift]:-1]
    return found


FORMS = {(name, how): form for name in GATEWAYS
         for how, form in forms(name, CANARIES[name]).items()}
# One pass over a large file instead of a hundred.
ANY = re.compile(b"|".join(map(re.escape, FORMS.values())))


def which(octets):
    """Which passwords are in there, in which forms."""
    if not ANY.search(octets):
        return []
    return [f"{name}'s, {how}" for (name, how), form in FORMS.items()
            if form in octets]


def partners():
    """The folders of those who are told a password."""
    return [hostile.folder, *(world.servers[name].folder
                              for name in (PARTNER, OTHER))]


def written():
    """Every file of the organisation's side.

    The sandbox's folder has all that was written below /etc, /run, /usr and
    /var too, the servers' folders, and the directory's data and log.
    """
    yield from files(world.folder, partners())
    for path in strangers():
        if path not in world.strangers and path != world.folder:
            yield from files(path, [])


def strangers():
    """What lies in the machine's own places for temporary files."""
    for place in "/tmp", "/dev/shm", "/root":
        yield from pathlib.Path(place).glob("*")


def files(top, without):
    for folder, names, leaves in os.walk(top):
        folder = pathlib.Path(folder)
        names[:] = [name for name in names if folder / name not in without]
        yield from (folder / leaf for leaf in leaves)
    if top.is_file():
        yield top


def read(path):
    """A file's octets; none if it is no file or has gone meanwhile."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        return b""


def search(paths):
    return {str(path): found for path in paths if (found := which(read(path)))}


class Watch(threading.Thread):
    """Looks at the arguments and the environment of every process."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.rounds = 0
        self.seen = set()
        self.found = {}

    def run(self):
        while not self.over.is_set():
            self.look()
            self.rounds += 1
            time.sleep(0.001)

    def look(self):
        for process in os.listdir("/proc"):
            if not process.isdigit():
                continue
            for what in "cmdline", "environ":
                octets = read(pathlib.Path("/proc", process, what))
                if what == "cmdline":
                    self.seen.add(octets)
                if found := which(octets):
                    self.found[octets] = what, found

    def stop(self):
        self.over.set()
        self.join()


def processes(*words):
    """Ids of the Exims whose arguments have these words."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        line = read(folder / "cmdline").decode().split("\0")
        if line[0] == EXIM and set(words) <= set(line):
            found.append(int(folder.name))
    return sorted(found)


# ---- the tests ----

class Happened(unittest.TestCase):
    """That it was a full run: what did not happen leaves no trace."""

    def logged_in(self, name):
        session, = became[name]
        (login, password), = session.logins
        self.assertEqual(login, name)
        return password

    def test_a_password_was_used_by_plain(self):
        self.assertEqual(self.logged_in("plain"), CANARIES["plain"])

    def test_a_password_was_used_by_login(self):
        self.assertEqual(self.logged_in("login"), CANARIES["login"])

    def test_a_password_was_used_by_cram_md5(self):
        self.assertIsNone(self.logged_in("cram"))

    def test_a_password_was_refused(self):
        self.assertEqual(len(became["refused"]), 1)
        self.assertIn("refused your login and password",
                      became["refused"][0])

    def test_a_password_was_put_off(self):
        self.assertRegex(became["busy"], "after AUTH.*: 454 ")

    def test_a_server_was_not_trusted(self):
        self.assertIn("certificate verification failed", became["untrusted"])

    def test_a_permission_was_withdrawn(self):
        self.assertEqual(len(became["withdrawn"]), 1)
        self.assertIn("outbound gateways are not enabled",
                      became["withdrawn"][0])

    def test_a_message_was_explained(self):
        self.assertRegex(became["explain"], "(?m)^way +gateway$")

    def test_the_search_finds_them_in_the_partners_own_files(self):
        found = search(files(hostile.folder, []))
        self.assertEqual(sorted(found), [str(hostile.folder / name)
                                         for name in ("log", "script")])
        self.assertIn("plain's, as it is", found[str(hostile.folder / "log")])

    def test_the_places_were_searched(self):
        names = {str(path.relative_to(world.folder)) for path in written()
                 if path.is_relative_to(world.folder)}
        for pattern in (
                r"org/log/mainlog", r"org/spool/input/.*-H",
                r"org/spool/db/retry", r"org/spool/outgate/.+",
                r"org/inbox/new/.+", r"org/etc/exim4\.conf",
                r"etc/upper/outgate/outgate\.conf",
                r"etc/upper/outgate/seal/.*\.key", r"ldap/data/data\.mdb",
                r"ldap/slapd\.log", r"usr/upper/bin/outgate"):
            self.assertTrue([name for name in names
                             if re.fullmatch(pattern, name)], pattern)

    def test_the_processes_were_watched(self):
        self.assertGreater(watch.rounds, 100)
        for words in (b"outgate\0seal\0", EXIM.encode() + b"\0-Mc\0",
                      EXIM.encode() + b"\0-bdf\0"):
            self.assertTrue([line for line in watch.seen if words in line],
                            words)


class Nowhere(unittest.TestCase):
    def test_in_no_file(self):
        """P9: in no file: spool, hints, state, log, mailbox, directory"""
        self.assertEqual(search(written()), {})

    def test_in_no_bounce(self):
        """P9: in no bounce"""
        for bounce in became["refused"] + became["withdrawn"]:
            self.assertEqual(which(bounce.encode()), [])

    def test_in_no_explanation(self):
        """P9: not in what "outgate explain" says"""
        self.assertEqual(which(became["explain"].encode()), [])

    def test_in_no_argument_or_environment(self):
        """P9: in no argument list and no environment"""
        self.assertEqual(watch.found, {})

    def test_in_no_process_that_stays(self):
        """P9: not in the memory of Exim's daemon and of the directory"""
        for server in world.org.process, world.slapd.process:
            self.assertEqual(
                [found for octets in memory(server.pid)
                 if (found := which(octets))], [])


class Dying(unittest.TestCase):
    """F91: a delivery that dies by a signal, with the password in it."""

    def setUp(self):
        world.queue_only(True)
        self.message = submit("core")
        world.queue_only(False)

    def tearDown(self):
        for pid in self.held():
            os.kill(pid, signal.SIGKILL)
        self.gone()
        world.org.command("-Mrm", self.message)

    def held(self):
        """The delivery's processes, the first one first."""
        return processes("-M", self.message)

    def gone(self):
        self.assertEqual(wait(self.held, lambda left: not left), [])

    def begin(self, *words, cwd=None):
        """A process that may leave a core of any size."""
        def unlimited():
            die_with_parent()
            resource.setrlimit(resource.RLIMIT_CORE, (
                resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=unlimited, cwd=cwd)

    def hold_after_auth(self):
        """A delivery whose partner has the login and says nothing.

        Returns its processes and those that have the password in them.
        """
        play("auth_silent", mechanisms=["PLAIN"])
        mounts = "; ".join(f"mount --bind {a} {b}"
                           for a, b in world.org.binds())
        delivery = self.begin(
            "unshare", "--mount", "sh", "-e", "-c",
            f"{mounts}; exec {EXIM} -M {self.message}")
        self.addCleanup(delivery.wait)
        wait(lambda: [session for session in hostile.sessions()
                      if session.logins], bool)
        held = self.held()
        knowing = [pid for pid in held if any(map(which, memory(pid)))]
        self.assertTrue(knowing, "no process has the password in it")
        return held, knowing

    @staticmethod
    def status(pid, word):
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(re.search(rf"(?m)^{word}:\s+(\d+)", text).group(1))

    @staticmethod
    def cores():
        return [path for path in written()
                if re.fullmatch(r"core(\.\d+)?", path.name)]

    def test_F91_no_core_is_written(self):
        """F91: neither the delivery nor its transport leaves a core"""
        held, _ = self.hold_after_auth()
        for pid in reversed(held):
            os.kill(pid, signal.SIGABRT)
        self.gone()
        self.assertEqual(self.cores(), [])
        self.assertEqual(search(written()), {})

    def test_F91_who_has_the_password_may_not_be_dumped(self):
        """F91: the kernel does not let who has the password be dumped"""
        _, knowing = self.hold_after_auth()
        for pid in knowing:
            # proc(5): its files then belong to root and to root's group
            owner = os.stat(f"/proc/{pid}/environ")
            self.assertNotEqual(self.status(pid, "Gid"), 0)
            self.assertEqual((owner.st_uid, owner.st_gid), (0, 0))

    def test_only_the_transport_has_the_password(self):
        """Routing opens the seal and keeps nothing of it"""
        held, knowing = self.hold_after_auth()
        self.assertEqual(knowing, held[-1:])
        self.assertEqual(self.status(knowing[0], "Uid"),
                         pwd.getpwnam("Debian-exim").pw_uid)
        self.assertGreater(len(held), 1)

    def test_a_core_would_be_seen(self):
        """The search sees a core where the kernel writes one"""
        pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
        if not re.fullmatch(r"core(\.%p)?\n", pattern):
            # a core of this machine's goes elsewhere: plant one
            (world.org.folder / "spool/core").write_bytes(b"")
        else:
            process = self.begin("sleep", "60",
                                 cwd=world.org.folder / "spool")
            process.send_signal(signal.SIGABRT)
            process.wait()
        found = self.cores()
        for path in found:
            path.unlink()
        self.assertEqual(len(found), 1)


@tap.tables
class Planted(unittest.TestCase):
    """That the tests above can fail."""

    @tap.rows([(f"a password in a log would be found: {how}", how)
               for how in forms("", "a^b")])
    def log(self, how):
        path = world.org.folder / "log/planted"
        path.write_bytes(b"2026-01-02 \0\xff" + FORMS["plain", how] + b"\n")
        try:
            self.assertIn(f"plain's, {how}", search(written())[str(path)])
        finally:
            path.unlink()

    def test_a_password_in_a_form_of_longer_base64_would_be_found(self):
        for text in b"", b"?", b"??":
            octets = base64.b64encode(
                text + CANARIES["plain"].encode() + b"???")
            self.assertTrue(which(octets), octets)

    @tap.rows([("a password in an argument would be found",
                [CANARIES["plain"]], None),
               ("a password in the environment would be found",
                [], {"PASSWORD": CANARIES["plain"]})])
    def process(self, words, env):
        mine = Watch()
        with subprocess.Popen(["sh", "-c", "read line; :", *words],
                              stdin=subprocess.PIPE, env=env) as process:
            # its arguments are there a moment after it has begun
            wait(lambda: mine.look() or mine.found, bool)
            process.stdin.close()
        self.assertTrue(mine.found)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
