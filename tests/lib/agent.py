# SPDX-License-Identifier: GPL-2.0-or-later
"""agent.py - a world with `outgate agent`, set up as docs/agent.md has it.

    with AgentWorld() as world:
        world.once()                # a run for cron
        with world.agent() as agent:    # the service
            ...
"""

import base64
import contextlib
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import time
import unittest

from slapd import check, die_with_parent
from world import JO, MIA_GATEWAY, OUTSIDE, SAM, STAFF, WAIT_S, World, wait

STATE = pathlib.Path("/var/lib/outgate")
KEY = pathlib.Path("/etc/outgate/proof/p1.key")
USER = "outgate"
# in the directory of the machine's architecture
FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))

JO_AWAY = "jo.doe@partner.example"
TEAM = "team@partner.example"
JO_BIND = JO, "jo-secret"

CONF = "proof_key p1\nagent_poll_s 1\n"

AUTHZ = """\
dn: cn=config
changetype: modify
add: olcAuthzRegexp
olcAuthzRegexp: "^gidNumber=[0-9]+[+]uidNumber={uid},cn=peercred,\
cn=external,cn=auth$" "cn=agent,ou=services,dc=org,dc=example"
"""

SYNCPROV = """\
dn: cn=module{0},cn=config
changetype: modify
add: olcModuleLoad
olcModuleLoad: syncprov

dn: olcOverlay=syncprov,olcDatabase=%s,cn=config
changetype: add
objectClass: olcSyncProvConfig
olcOverlay: syncprov
"""


class AgentWorld(World):
    def __init__(self, conf=CONF, **options):
        super().__init__(conf=conf, relay=True, **options)

    def __enter__(self):
        super().__enter__()
        self.seal_example()
        self.permit()
        self.proof_key()
        shutil.chown(KEY, USER)
        STATE.mkdir()
        shutil.chown(STATE, USER, USER)
        return self

    def start_directory(self):
        subprocess.run(["useradd", "--system", "--groups", "Debian-exim",
                        USER], check=True)
        super().start_directory()
        check(self.slapd.modify(
            AUTHZ.format(uid=pwd.getpwnam(USER).pw_uid), self.slapd.config),
            "olcAuthzRegexp")

    def tell_changes(self):
        """From now on the directory tells of changes (RFC 4533)."""
        check(self.slapd.modify(SYNCPROV % self.database(),
                                self.slapd.config), "syncprov")

    def forget(self):
        """As if the agent, and Exim, had never run."""
        super().forget()
        for part in STATE.glob("*"):
            shutil.rmtree(part)

    # ---- the agent ----

    def command(self, *words, faketime=None):
        """The words that run a program where Exim's files are."""
        mounts = "; ".join(f"mount --rbind {a} {b}"
                           for a, b in self.org.binds())
        # faketime(1) shares a name below /dev/shm with other sandboxes'
        # processes of the same number; the agent clears its environment, so
        # that the library must not look there again
        shift = (f"env LD_PRELOAD={FAKETIME} FAKETIME={faketime} "
                 "FAKETIME_CACHE_DURATION=1000000 ") if faketime else ""
        return ["unshare", "--mount", "sh", "-e", "-c",
                f'{mounts}; exec {shift}"$@"', "sh", *map(str, words)]

    def once(self, faketime=None, code=0):
        """One run of --once; what it said."""
        done = subprocess.run(
            self.command("/usr/bin/outgate", "agent", "--once",
                         faketime=faketime),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=300)
        if done.returncode != code:
            raise AssertionError(f"{done.returncode}: {done.stdout}")
        return done.stdout

    def start_agent(self, start=()):
        """The service; the caller ends it.

        start   the words of a program that starts it
        """
        log = self.folder / "agent.log"
        with open(log, "wb") as to:
            process = subprocess.Popen(
                self.command(*start, "/usr/bin/outgate", "agent"),
                stdin=subprocess.DEVNULL, stdout=to, stderr=to,
                preexec_fn=die_with_parent)
        process.log = log
        return process

    @contextlib.contextmanager
    def agent(self, **options):
        process = self.start_agent(**options)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(WAIT_S)

    # ---- what people see ----

    def status(self, dn):
        return self.gateway(dn).get("outgatestatus", [None])[0]

    def wait_status(self, dn, pattern):
        """Wait until the status of a gateway is like this; what it was."""
        return wait(lambda: self.status(dn) or "",
                    lambda text: re.search(pattern, text) is not None)

    def mails_now(self, address=None):
        """The mails with proofs that have come to an address."""
        return [message for message in self.servers[OUTSIDE].received()
                if message["Auto-Submitted"] == "auto-generated"
                and message["X-Arrived-From"] == "<postmaster@org.example>"
                and address in (None, message["To"])]

    def mails(self, address=None, count=1):
        self.settle()
        return wait(lambda: self.mails_now(address),
                    lambda found: len(found) >= count)

    def settle(self):
        """Wait until the organisation's queue is empty."""
        wait(self.queue, lambda text: text.strip() == "")

    def drop_mails(self):
        self.settle()
        for path in (self.servers[OUTSIDE].folder / "inbox").glob("new/*"):
            path.unlink()


def children(pid):
    """All processes below one, itself first."""
    below = [pid]
    try:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                below += children(int(child))
    except OSError:
        pass
    return below


def memory(pid):
    """What a process has in memory, but for files it has mapped."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as octets:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().split("\n"):
            words = line.split()
            if words and words[1].startswith("rw") and words[4] == "0":
                begin, end = (int(word, 16) for word in words[0].split("-"))
                octets.seek(begin)
                try:
                    yield octets.read(end - begin)
                except OSError:
                    pass


def proof_in(message):
    """The proof, as whoever gets the mail would copy it."""
    lines = [line for line in message.get_content().splitlines()
             if line.startswith("eyJ")]
    if len(lines) != 1:
        raise AssertionError(f"{len(lines)} proofs in {message}")
    return lines[0]


def today(days=0):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400 * days))


class Case(unittest.TestCase):
    """Each test begins with Jo's gateway as the example has it, and no other
    gateway of anybody's."""

    world = None
    saved = None

    def setUp(self):
        self.world.forget()
        self.world.drop_mails()
        self.world.outgate_conf()
        if Case.saved is None:
            Case.saved = {dn: self.world.gateway(dn)
                          for dn in (JO, MIA_GATEWAY, SAM)}
        for dn in JO, MIA_GATEWAY, SAM:
            self.reset(dn)
        self.replace("outgateAllowed", dn=STAFF, values=["TRUE"])
        self.replace("outgateAllowedHost", dn=STAFF)
        for dn in MIA_GATEWAY, SAM:
            self.replace("outgateEnabled", "FALSE", dn=dn)

    def reset(self, dn):
        """The gateway as it was at first."""
        for name in ("Address", "Host", "Port", "TLS", "Login", "Password",
                     "Proof", "Enabled", "Status"):
            values = Case.saved[dn].get(f"outgate{name}".lower(), [])
            self.replace(f"outgate{name}", *values, dn=dn)

    def replace(self, attribute, *texts, dn=JO, values=()):
        self.world.replace(dn, attribute, *texts, *values)

    def has(self, pattern, dn=JO):
        self.assertRegex(self.world.status(dn) or "(no status)", pattern)

    def is_waiting(self, dn=JO, address=JO_AWAY, day=None):
        self.assertEqual(
            self.world.status(dn), "waiting for your proof: see the mail "
            f"sent to {address} on {day or today()}")

    def pasted(self, text, dn=JO, bind=JO_BIND):
        """The user stores a proof with whatever octets."""
        value = base64.b64encode(text.encode()).decode()
        check(self.world.slapd.modify(
            f"dn: {dn}\nchangetype: modify\nreplace: outgateProof\n"
            f"outgateProof:: {value}\n", bind), "paste")
