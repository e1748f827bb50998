#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""verdicts.py [EXIM MODULE] - what an organisation's Exim makes of messages.

Debian's Exim with outgate.so, or the given EXIM in its place and the given
MODULE for ${dlfunc} only: it is not there while messages are received.
Prints one JSON object: for each of MESSAGES the reply, the verdict from the
spool, the log lines and where it arrived; and what "exim" says of itself.

Whatever differs from run to run (time, message id, entryUUID) is replaced.
"""

import json
import pathlib
import re
import shutil
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
from world import EXIM, JO, MIA_GATEWAY, OUTSIDE, PARTNER, World

MODULE = pathlib.Path("/usr/lib/exim4/local_scan/outgate.so")

JO_AWAY = "jo.doe@partner.example"
TEAM = "team@partner.example"
ORG = "og=1 way=org why="
OUT = "someone@outside.example"
KIM = "kim@org.example"


# ---- what an administrator or fate does before a message; returns the undo --

def halt(world):
    world.slapd.halt()
    return world.slapd.start


def forbid(world):
    world.permit("FALSE")
    return world.permit


def misspell_settings(world):
    world.outgate_conf("prof none\n")
    return world.outgate_conf


def replace(name, *values):
    def change(world):
        before = world.gateway(JO).get(name.lower(), [])
        world.replace(JO, name, *values)
        return lambda: world.replace(JO, name, *before)
    return change


def nothing(world):
    return lambda: None


# ---- who submits what, and what becomes of it ----

def message(login="jo", sender=JO_AWAY, to=OUT, change=nothing, **options):
    return {"login": login, "sender": sender, "to": to, "change": change,
            "options": options}


# sentence: message, begin of the reply, of the verdict, where it arrives
MESSAGES = {
    "an internal From": (
        message(sender="Jo <jo@org.example>"),
        "250 ", ORG + "internal-from", OUTSIDE),
    "an external From with a gateway": (
        message(),
        "250 ", "og=1 way=gateway why=gateway login=jo", PARTNER),
    "a gateway with STARTTLS": (
        message(login="mia", sender=TEAM),
        "250 ", "og=1 way=gateway why=gateway login=mia", PARTNER),
    "a gateway message to an internal recipient": (
        message(to=KIM),
        "250 ", "og=1 way=gateway why=gateway login=jo", PARTNER),
    "an address in other letters": (
        message(sender="Jo.Doe@PARTNER.example"),
        "250 ", "og=1 way=gateway why=gateway login=jo", PARTNER),
    "an address of nobody's": (
        message(sender="jo@elsewhere.example"),
        "250 ", ORG + "unlisted", OUTSIDE),
    "somebody else's address": (
        message(login="sam"),
        "250 ", ORG + "unlisted", OUTSIDE),
    "a login without an entry": (
        message(login="nobody"),
        "250 ", ORG + "no-entry", OUTSIDE),
    "a gateway that is not permitted": (
        message(change=forbid),
        "250 ", ORG + "forbidden", OUTSIDE),
    "an empty envelope sender": (
        message(envelope=""),
        "250 ", ORG + "null-sender", OUTSIDE),
    "two addresses in From": (
        message(sender="a@x.example, b@y.example"),
        "250 ", ORG + "unreadable-from", OUTSIDE),
    "two addresses in From, one of them a gateway's": (
        message(sender=f"{JO_AWAY}, x@y.example"),
        "550 5.6.0 ", None, None),
    "an encoded word that hides another address": (
        message(sender=f"=?us-ascii?q?x=40y=2Eexample=2C?= <{JO_AWAY}>"),
        "250 ", "og=1 way=gateway why=gateway login=jo", PARTNER),
    "a gateway without a server": (
        message(change=replace("outgateHost")),
        "550 5.7.1 ", None, None),
    "a server by its address": (
        message(change=replace("outgateHost", "127.0.0.1")),
        "550 5.7.1 ", None, None),
    "a port that is not allowed": (
        message(change=replace("outgatePort", "25")),
        "550 5.7.1 ", None, None),
    "a gateway without a password": (
        message(change=replace("outgatePassword")),
        "550 5.7.8 ", None, None),
    "the directory is down": (
        message(change=halt),
        "451 4.4.3 ", None, None),
    "an internal From while the directory is down": (
        message(sender="jo@org.example", change=halt),
        "250 ", ORG + "internal-from", OUTSIDE),
    "settings with an unknown key": (
        message(change=misspell_settings),
        "451 4.3.5 ", None, None),
    "mail from another host": (
        message(to=KIM, auth=False, envelope="x@outside.example"),
        "250 ", None, "mail.org.example"),
}


class OneWorld(World):
    """A world whose Exim may be another; it delivers when it is told to."""

    def __init__(self, exim=None, module=None):
        super().__init__(conf="proof none\n", main="queue_only = true")
        self.exim, self.module = exim, module

    def install(self):
        super().install()
        if self.exim:
            # a new file: programs of the old one may run
            shutil.copy(self.exim, f"{EXIM}.new")
            pathlib.Path(f"{EXIM}.new").chmod(0o4755)
            pathlib.Path(f"{EXIM}.new").rename(EXIM)
            MODULE.unlink()

    def deliver(self):
        if self.module:
            shutil.copy(self.module, MODULE)
        self.run_queue()

    def spooled(self):
        return set((self.org.folder / "spool/input").rglob("*-H"))


def receive(world, sentence, what):
    spooled, logged = world.spooled(), len(world.org.log())
    undo = what["change"](world)
    try:
        reply = world.submit(what["login"], what["sender"], [what["to"]],
                             sentence, **what["options"])
    finally:
        undo()
    return {"reply": re.sub(r"id=\S+", "id=ID", reply),
            "verdict": verdict(world, world.spooled() - spooled),
            "log": outgate_lines(world, world.org.log()[logged:])}


def verdict(world, headers):
    """$local_scan_data as the spool has it; None when it has none."""
    found = [line for path in headers
             for line in path.read_text(errors="replace").splitlines()
             if line.startswith("-local_scan ")]
    return same(world, found[0].partition(" ")[2]) if found else None


def outgate_lines(world, log):
    return [same(world, line[line.index("outgate: "):])
            for line in log.splitlines() if "outgate: " in line]


def same(world, text):
    for name in JO, MIA_GATEWAY:
        text = text.replace(world.owner(name), f"[entryUUID of {name}]")
    return text.replace(sandbox.folder().name, "[folder]")


def arrivals(look, sentence):
    return [(name, str(found["X-Arrived-As"]), str(found["X-Arrived-From"]))
            for name, found in look(sentence)]


def main():
    with OneWorld(*sys.argv[1:]) as world:
        world.seal_example()
        world.permit()
        result = {sentence: receive(world, sentence, what)
                  for sentence, (what, *_) in MESSAGES.items()}
        exim = {words: world.org.command(*words.split())
                for words in ("-bV", "-bP local_scan_path")}
        logged = len(world.org.log())
        world.deliver()
        left = world.queue()
        if left:
            left += world.org.log()[logged:]
        # what stays in the queue needs no waiting for
        look = world.arrived_now if left else world.arrived
        for sentence, (*_, server) in MESSAGES.items():
            if server:
                result[sentence]["arrived"] = arrivals(look, sentence)
    print(json.dumps({"messages": result, "exim": exim, "queue": left}))


if __name__ == "__main__":
    sandbox.enter()
    signal.signal(signal.SIGTERM, tap.interrupted)
    main()
