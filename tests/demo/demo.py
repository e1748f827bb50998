#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""demo.py - what "make demo" shows: real messages through real servers.

An organisation with its directory, two partners and the rest of the world are
started in namespaces of their own (tests/lib/world.py), people send with
swaks, and each message is shown as it was sent and as it was stored where it
arrived.  Every step says first what is to happen and compares it with what
did: the exit status is 1 when they differ.

Nothing of this machine's mail is read or written, and however the program
ends, the kernel ends all it has started.
"""

import collections
import contextlib
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
from slapd import SlapdError
from world import (BUILD, EXIM, JO, ORG_PASSWORDS, OTHER, OUTSIDE, PARTNER,
                   PARTNER_PASSWORDS, RELAY, STAFF, TOP, WAIT_S, World, wait)

WIDTH = 100
SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
PROGRAMS = ("slapd", EXIM, "swaks", "ldapmodify", "openssl", "ip",
            "unshare", "setpriv", "mount", "make")

ORG = "mail.org.example"
PAT = f"uid=pat,{STAFF}"
JO_SECOND = f"cn=other,{JO}"

JO_HERE = "jo@org.example"
JO_AWAY = "jo.doe@partner.example"
JO_OTHER = "jo@other.example"
TEAM = "team@partner.example"
OUT = "someone@outside.example"

SECOND_GATEWAY = f"""\
dn: {JO_SECOND}
changetype: add
objectClass: outgateEntry
cn: other
outgateAddress: {JO_OTHER}
outgateHost: {OTHER}
outgatePort: 587
outgateTLS: starttls
outgateLogin: jo.doe
"""

WITHDRAWAL = f"""\
dn: {STAFF}
changetype: modify
replace: outgateAllowed
outgateAllowed: FALSE
"""

# The words of the log, for people.
WAYS = {"org": "the organisation's usual route", "gateway": "the gateway",
        "refuse": "refuse it", "defer": "have it sent again later"}

CAST = {
    ORG: "the organisation's mail server: Exim with outgate; people log in",
    PARTNER: "a partner's mail server; it demands TLS and a login",
    OTHER: "another partner's, the same",
    OUTSIDE: "where the organisation's mail usually leaves, with one login "
             "for all",
    "slapd": "the organisation's directory: who has which address elsewhere",
}

# What a server stored about a message; sender is None without the header.
Arrival = collections.namedtuple(
    "Arrival", "server port tls login envelope sender")


class Differs(Exception):
    """Something did not happen as it was announced."""


def by_org(login, sender=None):
    return Arrival(OUTSIDE, "25", "yes", RELAY[0], f"{login}@org.example",
                   sender)


def by_gateway(server, port, login, address):
    return Arrival(server, port, "yes", login, address, None)


JO_GATEWAY = by_gateway(PARTNER, "465", "jo.doe", JO_AWAY)


# ---- what is seen ----

COLOURS = {"headline": "1;36", "sent": "1", "org": "34", "gateway": "32",
           "refuse": "33", "defer": "33", "bounced": "33", "waits": "33",
           "does": "35", "logged": "35", "wrong": "1;31", "good": "1;32",
           "dim": "2"}


def coloured(text, kind):
    plain = (not sys.stdout.isatty() or os.environ.get("NO_COLOR") or
             os.environ.get("TERM") == "dumb" or kind not in COLOURS)
    return text if plain else f"\033[{COLOURS[kind]}m{text}\033[0m"


def say(text="", kind=None, indent="  "):
    """A paragraph."""
    for line in textwrap.wrap(text, WIDTH, initial_indent=indent,
                              subsequent_indent=indent) or [""]:
        print(coloured(line, kind), flush=True)


def fact(word, text, kind=None):
    """One thing that happened: a word for its kind, then what it was."""
    lines = textwrap.wrap(text, WIDTH - 11, break_on_hyphens=False)
    for number, line in enumerate(lines):
        label = "" if number else word
        print("  " + coloured(f"{label:<8}", kind or word), line, flush=True)


def headline(text):
    say()
    say(text, "headline", indent="")


# ---- what people do ----

class Transcript:
    """What swaks said it sent, and the last answer it got."""

    def __init__(self, text):
        self.text = text
        self.login = self.find(r"^ -> AUTH PLAIN \\0(.*)\\0[^\\]*$")
        self.accepted = self.find(r"^<-  (235) ") is not None
        self.sender = self.find(r"^ -> From: (.*)$")
        self.recipients = re.findall(r"(?m)^ -> RCPT TO:<(.*)>$", text)
        self.reply = self.find(r"^ -> \.\n<[-*]{1,2} +(\d{3} .*)$") or ""
        self.short, _, self.id = self.reply.partition(" id=")

    def find(self, pattern):
        found = re.search(pattern, self.text, re.MULTILINE)
        return found and found[1]


class Demo:
    def __init__(self, place):
        self.world = place
        self.step = 0
        self.sent = 0
        self.shown = 0
        self.rows = []
        self.checks = 0

    def begin(self, text, why):
        self.step += 1
        headline(f"{self.step}. {text}")
        say(why)

    def check(self, what, seen, wanted):
        if seen != wanted:
            raise Differs(f"step {self.step}: {what}: announced is "
                          f"{wanted!r}, but seen was {seen!r}")
        self.checks += 1

    def send(self, login, sender, recipients, code, why):
        """Send with swaks; show, check and return what came of it.

        code    of the reply to the message that is announced
        why     the reason announced, a word of the log
        """
        self.sent += 1
        subject = f"outgate demo {self.step}.{self.sent}"
        before = len(self.world.org.log())
        sent = self.swaks(login, sender, recipients, subject)
        fact("sent", f"login {sent.login}, From {sent.sender}, to "
             f"{', '.join(sent.recipients)}: {sent.short}")
        self.check("login accepted", sent.accepted, True)
        self.check("reply", sent.reply[:3], code)
        self.decided(before, why)
        return subject, sent

    def swaks(self, login, sender, recipients, subject):
        """Submit a message; the password is in a file, not in the list."""
        settings = self.world.folder / f"{login}.swaksrc"
        with open(settings, "w", opener=private) as file:
            file.write(f"auth-user {login}\n"
                       f"auth-password {ORG_PASSWORDS[login]}\n")
        done = subprocess.run(
            ["swaks", "--config", settings, "--server", ORG, "--port", "587",
             "--auth", "PLAIN", "--auth-hide-password", "--auth-plaintext",
             "--from", f"{login}@org.example", "--to", ",".join(recipients),
             "--header", f"From: {sender}", "--header", f"Subject: {subject}",
             "--body", "Hello."],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=WAIT_S * 2)
        return Transcript(done.stdout)

    def decided(self, before, why):
        """What outgate wrote into Exim's log since then, and why."""
        found = wait(
            lambda: re.findall(r" outgate: (way=.*)",
                               self.world.org.log()[before:]), bool)
        self.check("lines of outgate in the log", len(found), 1)
        words = dict(word.split("=", 1) for word in found[0].split(" "))
        where = ""
        if "host" in words:
            where = f" {words['host']}:{words['port']}, tls={words['tls']}"
        fact("decided", f"{WAYS[words['way']]}{where}; reason in the log: "
             f"{words['why']}", words["way"])
        self.check("reason", words["why"], why)

    def delivers(self, login, sender, why, wanted, recipients=(OUT,)):
        """Send; show how each copy arrived, which must be as announced."""
        subject, sent = self.send(login, sender, recipients, "250", why)
        found = self.world.arrived(subject, len(recipients))
        self.check("copies", len(found), len(recipients))
        kinds = collections.defaultdict(list)
        for server, message in found:
            kinds[arrival(server, message)].append(message["X-Arrived-For"])
        for seen, people in kinds.items():
            fact("arrived", describe(seen),
                 "org" if seen.server == OUTSIDE else "gateway")
            if len(people) > 1:
                fact("", f"{len(people)} copies: for {', '.join(people)}")
        for seen in kinds:
            for name, one, other in zip(Arrival._fields, seen, wanted):
                self.check(name, one, other)
        self.shown += len(found)
        self.row(sent, f"{seen.server}:{seen.port}", seen.login,
                 seen.envelope, "yes" if seen.sender else "no")
        return sent

    def row(self, sent, *cells):
        cells = [*cells, "-", "-", "-"][:4]
        self.rows.append([str(self.step), sent.login, sent.sender, *cells])

    def ldapmodify(self, dn, path):
        """Change the directory as this person does, and show it.

        path    of the LDIF, from the sandbox's folder
        """
        folder = self.world.folder
        with open(folder / "password", "w", opener=private) as file:
            file.write(self.world.gateway(dn)["userpassword"][0])
        words = ["ldapmodify", "-x", "-H", self.world.slapd.ldapi,
                 "-D", dn, "-y", "password", "-f", path]
        show_command(words, " -D ")
        ldif = (folder / path).read_text()
        for line in re.sub(r"(?m)^#.*\n", "", ldif).strip().split("\n"):
            fact("", line)
        for line in sandbox.run(*words, cwd=folder).strip().split("\n"):
            fact("answer", line, "does")

    def write(self, name, ldif):
        (self.world.folder / name).write_text(ldif)
        return name

    # ---- the steps ----

    def internal(self):
        self.begin(
            "Mail with the organisation's own From goes as it always did",
            "The everyday case: outgate changes nothing.")
        self.delivers("jo", JO_HERE, "internal-from", by_org("jo"))

    def forbidden(self):
        self.begin(
            f"Jo writes as {JO_AWAY}, and nobody has permitted that",
            "Off is the default. The message leaves as it would without "
            "outgate: the partner's server never sees it, and a Sender header "
            "makes mail programs show 'on behalf of'.")
        self.delivers("jo", JO_AWAY, "forbidden", by_org("jo", JO_HERE))

    def permitted(self):
        self.begin(
            "The administrator permits it: the very next message takes the "
            "gateway",
            "One attribute for the whole staff, no restart. The partner's "
            "own server gets the message, from Jo's login there, with the "
            "envelope sender that SPF looks at, and without Sender.")
        self.ldapmodify(PAT, self.write("permit.ldif", (
            TOP / "ldap-schema/permit.ldif").read_text()))
        self.delivers("jo", JO_AWAY, "gateway", JO_GATEWAY)

    def two_users(self):
        self.begin(
            f"Mia and Sam share the address {TEAM}",
            "Same From, same server, but each with a login of their own: the "
            "way out belongs to the user, not to the domain or the address.")
        for login, port, there in (("mia", "587", "mia.moe"),
                                   ("sam", "465", "sam.roe")):
            self.delivers(login, TEAM, "gateway",
                          by_gateway(PARTNER, port, there, TEAM))

    def tls(self):
        self.begin(
            "Implicit TLS and STARTTLS, at two partners",
            "Jo adds a second gateway below her own entry, herself. There "
            "is no third way: without TLS and a certificate of that very "
            "name no password is sent. CV=yes: Exim has verified it.")
        self.ldapmodify(JO, self.write("second.ldif", SECOND_GATEWAY))
        self.world.seal(JO_SECOND, PARTNER_PASSWORDS["jo.doe"])
        stored = self.world.gateway(JO_SECOND)["outgatepassword"][0]
        self.check("form of the stored password", stored[:5], "{CMS}")
        fact("sealed", f"outgatePassword: {stored[:20]}... ({len(stored)} "
             "characters, encrypted for the mail server)", "does")
        for address, wanted, transport in (
                (JO_AWAY, JO_GATEWAY, "outgate_implicit"),
                (JO_OTHER, by_gateway(OTHER, "587", "jo.doe", JO_OTHER),
                 "outgate_starttls")):
            sent = self.delivers("jo", address, "gateway", wanted)
            self.check_tls(sent, transport)

    def check_tls(self, sent, transport):
        """The delivery's line in the log of the organisation's Exim."""
        line = self.world.logged(sent.id, " => ") or ""
        seen = dict(re.findall(r" (T|X|CV|A)=([^ :]+)", line))
        fact("logged", " ".join(f"{name}={value}"
                                for name, value in seen.items()))
        self.check("transport", seen.get("T"), transport)
        self.check("certificate verified", seen.get("CV"), "yes")

    def somebody_elses(self):
        self.begin(
            f"Sam writes as {JO_AWAY}, which is Jo's",
            "Sam has no gateway for that address, so Jo's login is out of "
            "reach: the usual route, with Sam's name in Sender.")
        self.delivers("sam", JO_AWAY, "unlisted",
                      by_org("sam", "sam@org.example"))

    def several(self):
        self.begin(
            "Three recipients, one of them a colleague at org.example",
            "All of them get the message from the partner's server, the "
            "colleague too: nobody sees two different versions of it.")
        self.delivers("jo", JO_AWAY, "gateway", JO_GATEWAY,
                      [OUT, "info@other.example", "kim@org.example"])

    def directory_away(self):
        self.begin(
            "The directory is stopped",
            "Nobody can say now which way Jo's message may go. It is not "
            "guessed: the mail program is told to try again later (451). "
            "An internal From needs no directory and still goes.")
        process = self.world.slapd.process
        self.world.slapd.halt()
        self.check("slapd answers", self.world.slapd.answers(), False)
        fact("does", f"slapd stopped: process {process.pid} ended with "
             f"status {process.returncode}")
        subject, sent = self.send("jo", JO_AWAY, [OUT], "451", "directory")
        self.row(sent, f"refused: {sent.reply[:9]}")
        self.delivers("jo", JO_HERE, "internal-from", by_org("jo"))
        self.check("copies of what was refused",
                   len(self.world.arrived_now(subject)), 0)
        self.world.slapd.start()
        self.check("slapd answers", self.world.slapd.answers(), True)
        fact("does", "slapd started again: process "
             f"{self.world.slapd.process.pid} answers")

    def withdrawn(self):
        self.begin(
            "The permission is withdrawn while a message waits",
            "Route and password are read again for each attempt. A message "
            "that may not take the gateway any more is never sent by another "
            "way: it comes back to Jo, with the reason.")
        server = self.world.servers[PARTNER]
        process = server.process
        server.stop()
        fact("does", f"{PARTNER} stopped: process {process.pid} ended with "
             f"status {process.returncode}")
        subject, sent = self.send("jo", JO_AWAY, [OUT], "250", "gateway")
        self.waits(sent.id)
        self.ldapmodify(PAT, self.write("withdraw.ldif", WITHDRAWAL))
        server.start()
        self.world.wait_for(PARTNER)
        fact("does", f"{PARTNER} answers again; the queue is run")
        self.world.run_queue()
        self.bounced(subject, sent)

    def waits(self, word):
        line = self.world.logged(word, " == ", " defer ") or ""
        found = re.search(r" == (\S+) .* defer \(\S+\): (.*?)( DT=|$)", line)
        self.check("the message waits", found is not None, True)
        self.check("it is in the queue", word in self.world.queue(), True)
        fact("waits", f"in the queue, for {found[1]}: {found[2]}")

    def bounced(self, subject, sent):
        found = self.world.bounces(subject)
        self.check("bounces", len(found), 1)
        home, bounce = found[0]["X-Arrived-For"], found[0]
        text = bounce.get_body(("plain",)).get_content()
        reason = re.search(rf"(?m)^  {re.escape(OUT)}\n    (.*)$", text)
        server = bounce["X-Arrived-At"].partition(" ")[0]
        fact("bounced", f"by {server} to {home}: {reason and reason[1]}")
        self.check("bounced to", str(home), JO_HERE)
        self.check("bounced by", server, ORG)
        self.check("reason", reason and reason[1],
                   f"{JO_AWAY}: outbound gateways are not enabled for your "
                   "account; ask your administrator")
        self.check("copies of what came back",
                   len(self.world.arrived_now(subject)), 0)
        self.shown += 1
        self.row(sent, f"back to {home}")

    def play(self):
        for step in (self.internal, self.forbidden, self.permitted,
                     self.two_users, self.tls, self.somebody_elses,
                     self.several, self.directory_away, self.withdrawn):
            step()
        self.check("messages left in the queue", self.world.queue(), "")
        self.check("messages stored by all servers",
                   len(self.world.everything()), self.shown)

    def summary(self):
        headline("What went where")
        table([["", "who", "From", "arrived at", "login", "envelope sender",
                "Sender"], *self.rows])
        say()
        say(f"{self.sent} messages sent, {self.shown} stored by the servers, "
            f"{self.checks} checks: all as announced.", "good")


def private(path, flags):
    """For open(): nobody else may read it."""
    return os.open(path, flags, 0o600)


def arrival(server, message):
    """Where and how a stored message arrived, by what its server wrote."""
    name, _, port = message["X-Arrived-At"].partition(" port ")
    if name != server:
        raise Differs(f"a message stored by {server} names {name}")
    sender = message["Sender"]
    return Arrival(server, port, str(message["X-Arrived-Tls"]),
                   str(message["X-Arrived-As"]),
                   message["X-Arrived-From"].strip("<>"),
                   None if sender is None else str(sender))


def describe(seen):
    tls = "TLS" if seen.tls == "yes" else "no TLS"
    sender = f"Sender {seen.sender}" if seen.sender else "no Sender"
    return (f"{seen.server}:{seen.port} {tls}, as {seen.login}, envelope "
            f"{seen.envelope}, {sender}")


def show_command(words, option):
    """A command line as it can be typed, broken before an option."""
    first, option, rest = shlex.join(words).partition(option)
    fact("does", f"$ {first} \\")
    fact("", f"   {option}{rest}")


def table(rows):
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    for number, row in enumerate(rows):
        line = "  ".join(f"{cell:<{width}}"
                         for cell, width in zip(row, widths))
        print(coloured(line.rstrip(), None if number else "dim"),
              flush=True)


# ---- inside the sandbox ----

def introduce(place, seconds):
    running = {**place.servers, "slapd": place.slapd}
    for name, text in CAST.items():
        if running[name].process.poll() is not None:
            raise Differs(f"{name} does not run")
        print(f"  {name:<22}{text}", flush=True)
    say(f"These {len(CAST)} servers run after {seconds:.1f} s.")
    conf = pathlib.Path("/etc/outgate/outgate.conf").read_text()
    if "proof none" in conf.split("\n"):
        say("outgate.conf says 'proof none' here: by default users prove "
            "first that an address is theirs, but the service that mails "
            "proofs is not part of this version yet.", "dim")
    say("'sent' is what swaks sent and the answer it got; 'decided' is "
        "outgate's line in Exim's log; 'arrived' is what the server that "
        "stored the message noted: as whom it was brought (the login used "
        "there), its envelope sender, its Sender header.", "dim")


def processes():
    """Everybody else in this process namespace; the ended are reaped."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return [name for name in os.listdir("/proc")
            if name.isdigit() and int(name) != os.getpid()]


def perform():
    sandbox.enter()
    begun = time.monotonic()
    say("outgate: mail leaves by the server its From address belongs to",
        "headline", indent="")
    with World(conf="proof none\n") as place:
        place.seal_example()
        introduce(place, time.monotonic() - begun)
        demo = Demo(place)
        try:
            demo.play()
        except Differs:
            say()
            say("The end of the organisation's Exim log:", "dim")
            print("\n".join(place.org.log().split("\n")[-8:]), flush=True)
            raise
        demo.summary()
    left = wait(processes, lambda found: not found)
    if left:
        raise Differs(f"processes that have not ended: {left}")
    say(f"All servers have ended, after {time.monotonic() - begun:.0f} s.")


def inside():
    """The exit status."""
    try:
        perform()
    except Differs as error:
        say(f"WRONG: {error}", "wrong", indent="")
        return 1
    except BrokenPipeError:
        os._exit(1)  # there is nobody to tell
    except (OSError, RuntimeError, SlapdError,
            subprocess.SubprocessError) as error:
        for line in f"FAILED: {error}".rstrip().split("\n"):
            print(coloured(line, "wrong"), flush=True)
        return 1
    return 0


# ---- outside ----

def lacking():
    """What this machine lacks, as a sentence; "" if nothing."""
    if os.geteuid() != 0:
        return "run it as root: its servers get namespaces of their own"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if missing:
        return f"not installed: {', '.join(missing)}; 'make demo' does that"
    if not (BUILD / "outgate.so").exists():
        return f"{BUILD}/outgate.so is not built; 'make demo' does that"
    return ""


def kill_all(child):
    """End the sandbox's first process: the kernel ends all others first."""
    path = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children")
    with contextlib.suppress(OSError):
        for pid in map(int, path.read_text().split()):
            # unshare(1) would complain about a child that was killed.
            os.kill(child.pid, signal.SIGSTOP)
            ended = os.pidfd_open(pid)
            os.kill(pid, signal.SIGKILL)
            select.select([ended], [], [], WAIT_S)
    child.kill()


def outside():
    """Run this program again in a sandbox; end it when told to end.

    unshare(1) blocks SIGINT and SIGTERM while it waits and the first process
    of a namespace ignores them, so the way to end it is SIGKILL.  A session of
    its own: ^C is for this process alone.
    """
    caught, child = [], None

    def stop(number, frame):
        caught.append(number)
        if child is not None:
            kill_all(child)

    for number in SIGNALS:
        signal.signal(number, stop)
    folder = tempfile.mkdtemp(prefix="og.", dir="/tmp")
    try:
        child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount",
             "--pid", "--fork", "--kill-child", "--mount-proc",
             sys.executable, __file__],
            env={**os.environ, sandbox.MARK: folder}, start_new_session=True)
        if caught:
            kill_all(child)
        code = child.wait()
    finally:
        shutil.rmtree(folder)
    if caught:
        print("\ndemo: interrupted; all it had started has ended",
              file=sys.stderr)
        return 128 + caught[0]
    return 1 if code < 0 else code


def main():
    if sandbox.MARK in os.environ:
        return inside()
    problem = lacking()
    if problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    return outside()


if __name__ == "__main__":
    sys.exit(main())
