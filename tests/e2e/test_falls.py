#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Exim or the module falls over: 250 was said if and only if the message is
in the queue, and no submission leaves by the org route because the module did
not run.

Real Exim with outgate as installed.  Modules that crash or hang are built here
and put in the installed one's place; strace(1) makes system calls fail and
kills at them.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import falls
import sandbox
import tap
from falls import (DIRECTORY, JO_AWAY, NO_REPLY, OUT, build, configured,
                   instead, message)
from world import ADDRESS, EXIM, OUTSIDE, PARTNER, wait_for_port

# Points of a sweep; each is one message and one process that is killed.
RECEPTION_POINTS = 60
ROUTING_POINTS = 12
DELIVERY_POINTS = 30
TRANSPORT_POINTS = 25

world = None


def setUpModule():
    global world
    world = falls.begin()


def tearDownModule():
    world.__exit__()


class Module(falls.Row):
    """The module is missing, foreign, or falls over."""

    def delivered_again(self):
        """The client tries again: accepted once, delivered once."""
        self.accepted("jo", JO_AWAY)
        self.by_gateway()
        world.run_queue()
        self.by_gateway()

    def test_F01_a_module_that_is_missing_accepts_nothing(self):
        self.panics = True
        with instead(None):
            reply = self.submit("jo", JO_AWAY)
            self.not_accepted(reply, "^451 ")
            self.assertNotIn("/", reply)
            self.not_accepted(self.submit("jo", "jo@org.example"), "^451 ")
        self.delivered_again()

    def test_F01_a_module_that_is_no_library_accepts_nothing(self):
        self.panics = True
        with instead(b"\x7fELF and no more"):
            reply = self.submit("jo", JO_AWAY)
            self.not_accepted(reply, "^451 ")
            self.assertNotIn("/", reply)
        self.delivered_again()

    def test_F01_with_a_module_that_is_missing_queued_mail_waits(self):
        self.panics = True
        world.queue_only(True)
        name = self.accepted("jo", JO_AWAY)
        with instead(None):
            self.deliver(name)
            self.waits(name)
        world.forget()
        self.deliver(name)
        self.by_gateway()

    def test_F02_without_local_scan_path_every_submission_is_held(self):
        with configured(world, "local_scan_path = .*", ""):
            for sender in JO_AWAY, "jo@org.example":
                name = self.accepted("jo", sender)
                self.waits(name, "R=outgate_unscanned")
            world.run_queue()
            self.nowhere()
        # what came in unseen stays so, also with the module back
        world.run_queue()
        self.assertEqual(len(self.queued()), 2)
        self.nowhere()
        # what docs/install-exim.md tells to do with it: it comes home
        found = world.org.inside("exipick", "-i", "$sender_host_authenticated",
                                 "!$local_scan_data").stdout.split()
        self.assertEqual(sorted(found), sorted(self.queued()))
        world.org.command("-Mg", *found)
        falls.until(lambda: not self.queued())
        self.assertEqual(self.queued(), [])
        self.assertEqual(
            [(copy["X-Arrived-At"], copy["X-Arrived-For"])
             for copy in self.bounces()],
            [("mail.org.example port 0", "jo@org.example")] * 2)

    def test_F02_without_local_scan_path_inbound_mail_flows(self):
        with configured(world, "local_scan_path = .*", ""):
            reply = world.submit("jo", "x@outside.example",
                                 ["kim@org.example"], self.id(), auth=False,
                                 envelope="x@outside.example")
            self.assertRegex(reply, "^250 OK")
            self.assertEqual(self.arrived()[0][0], "mail.org.example")

    def test_F02_a_foreign_module_that_accepts_all_is_held(self):
        with instead(build("return 0;")):
            name = self.accepted("jo", JO_AWAY)
            self.waits(name, "R=outgate_unscanned")

    def test_F02_a_verdict_of_nobodys_is_held(self):
        with instead(build('*text = (unsigned char *)strdup("way=org");'
                           "return 0;")):
            name = self.accepted("jo", JO_AWAY)
            self.waits(name, "R=outgate_unscanned")

    def test_F03_a_module_for_an_older_abi_accepts_nothing(self):
        with instead(build("return 0;", major=5)):
            self.not_accepted(self.submit("jo", JO_AWAY), "^4(21|51) ")
        self.delivered_again()

    def test_F03_a_module_for_a_newer_abi_accepts_nothing(self):
        with instead(build("return 0;", major=7)):
            self.not_accepted(self.submit("jo", JO_AWAY), "^4(21|51) ")

    def test_F04_a_scan_that_crashes_accepts_nothing(self):
        with instead(build("raise(SIGSEGV); return 0;")):
            self.not_accepted(self.submit("jo", JO_AWAY), "^421 ")
        self.delivered_again()

    def fallen(self, body):
        """No reply, nothing in the queue; the retry is accepted once."""
        with instead(build(body)):
            self.assertEqual(self.submit("jo", JO_AWAY), NO_REPLY)
        # Exim gets no chance to remove what it has begun to write
        self.orphans = ["-D"]
        self.assertEqual(self.queued(), [])
        self.assertEqual(len(self.spool()), 1)
        self.delivered_again()
        self.assertEqual(len(self.spool()), 1)

    def test_F05_a_scan_that_aborts_says_no_250(self):
        self.fallen("abort();")

    def test_F05_a_scan_that_exits_says_no_250(self):
        self.fallen("_exit(0);")

    def test_F05_a_scan_that_is_killed_says_no_250(self):
        self.fallen("raise(SIGKILL); return 0;")

    def test_F06_a_scan_that_hangs_is_ended(self):
        with configured(world, "local_scan_timeout = 20s",
                        "local_scan_timeout = 2s"):
            with instead(build("for (;;) pause();")):
                begun = time.monotonic()
                self.not_accepted(self.submit("jo", JO_AWAY), "^4(21|51) ")
                self.assertLess(time.monotonic() - begun, 5)
        self.delivered_again()

    def test_F06_a_directory_that_hangs_meets_our_own_deadline(self):
        world.slapd.process.send_signal(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            reply = self.submit("jo", JO_AWAY)
            self.assertLess(time.monotonic() - begun, 4)
            self.not_accepted(reply, f"^{re.escape(DIRECTORY)}$")
            self.others_flow(gateway=False)
        finally:
            world.slapd.process.send_signal(signal.SIGCONT)
        self.delivered_again()


class Disk(falls.Row):
    """There is no room, or nothing may be written."""

    @contextlib.contextmanager
    def small(self, part, *options):
        """A file system of its own, with this size, for the organisation's
        spool or log; no daemon holds it, no state of before is in it."""
        place = world.org.folder / part
        world.org.stop()
        sandbox.run("mount", "-t", "tmpfs", "-o",
                    ",".join(["mode=750", *options]), "small", place)
        shutil.chown(place, "Debian-exim", "Debian-exim")
        world.restart_org()
        try:
            yield place
        finally:
            falls.until_quiet(world)
            world.org.stop()
            sandbox.run("umount", place)
            world.restart_org()

    def fill(self, place, leave=0):
        """Take all blocks but so many."""
        path = place / "fill"
        with contextlib.suppress(OSError), open(path, "wb", 0) as file:
            while True:
                file.write(bytes(4096))
        if leave:
            size = path.stat().st_size // 4096
            os.truncate(path, max(0, size - leave) * 4096)

    def test_F11_a_spool_without_room_takes_nothing(self):
        with self.small("spool", "size=200k"):
            self.not_accepted(self.submit("jo", JO_AWAY), "^452 ")

    def test_F11_a_disk_that_fills_up_meanwhile_takes_all_or_nothing(self):
        replies = []
        with configured(world, "keep_environment =", "keep_environment =\n"
                        "check_spool_space = 0\ncheck_spool_inodes = 0\n"
                        "queue_only = true", "exim4.conf"):
            with self.small("spool", "size=200k") as place:
                for leave in range(7):
                    self.fill(place, leave)
                    reply = self.submit("jo", JO_AWAY)
                    replies.append(reply[:3])
                    self.assertRegex(reply, "^(250|45[12]) ")
                    self.assertEqual(len(self.queued()), reply[:3] == "250")
                    (place / "fill").unlink()
                    self.delivered_whole(reply)
        # the disk was full in time and not for ever
        self.assertEqual(replies[0], "451")
        self.assertEqual(replies[-1], "250")
        self.panics = True

    def delivered_whole(self, reply):
        """What was accepted left by the gateway; nothing else is there."""
        if reply.startswith("250"):
            self.deliver(self.queued()[0])
            self.by_gateway(count=len(self.world.arrived_now(self.id())))
            self.assertNotEqual(self.world.arrived_now(self.id()), [])
        self.assertEqual(self.spool(), [])

    def test_F12_a_log_without_room_loses_nothing(self):
        with configured(world, "keep_environment =", "keep_environment =\n"
                        "check_log_space = 0", "exim4.conf"):
            with self.small("log", "size=128k") as place:
                self.fill(place)
                reply = self.submit("jo", JO_AWAY)
                falls.until_quiet(world)
                if reply.startswith("250") or self.queued():
                    (place / "fill").unlink()
                    world.run_queue()
                    self.by_gateway()
                self.assertEqual(self.spool(), [])
        self.panics = True

    def test_F12_a_memory_of_failures_without_room_stops_no_mail(self):
        state = world.org.folder / "spool/outgate"
        state.mkdir()
        sandbox.run("mount", "-t", "tmpfs", "-o", "nr_inodes=1,mode=700",
                    "small", state)
        shutil.chown(state, "Debian-exim", "Debian-exim")
        world.restart_org()
        try:
            world.impostor(PARTNER)
            try:
                name = self.accepted("jo", JO_AWAY)
                self.waits(name, "T=outgate_implicit")
                self.assertIsNotNone(world.logged("No space left on device"),
                                     world.org.log()[-3000:])
            finally:
                world.restore(PARTNER)
            self.others_flow()
            world.run_queue()
            self.by_gateway()
        finally:
            falls.until_quiet(world)
            world.org.stop()
            sandbox.run("umount", state)
            world.restart_org()

    def test_F17_a_spool_that_is_read_only_takes_nothing(self):
        spool = world.org.folder / "spool"
        world.org.stop()
        sandbox.run("mount", "--bind", spool, spool)
        sandbox.run("mount", "-o", "remount,ro,bind", spool)
        world.restart_org()
        try:
            self.not_accepted(self.submit("jo", JO_AWAY), "^4")
        finally:
            world.org.stop()
            sandbox.run("umount", spool)
            world.restart_org()
        self.panics = True
        self.accepted("jo", JO_AWAY)
        self.by_gateway()


# ---- strace ----

class Trace:
    """What strace -o wrote about one process."""

    LINE = re.compile(r"(\w+)\(")

    def __init__(self, path):
        self.lines = [line for line in path.read_text(
            errors="replace").split("\n") if self.LINE.match(line)]

    def find(self, pattern, begin=0):
        """The number of the first line like this; None if there is none."""
        for number in range(begin, len(self.lines)):
            if re.search(pattern, self.lines[number]):
                return number
        return None

    def points(self, begin, end, most):
        """System calls of these lines as strace counts them: (name, nth)."""
        counts, found = {}, []
        for number, line in enumerate(self.lines[:end]):
            name = self.LINE.match(line)[1]
            counts[name] = counts.get(name, 0) + 1
            if number >= begin and not name.startswith("exit"):
                found.append((name, counts[name]))
        step = max(1, len(found) / most)
        return [found[int(n * step)]
                for n in range(min(most, len(found)))]


def kill_at(point):
    return ["-e", f"inject={point[0]}:signal=KILL:when={point[1]}"]


class OtherMail(falls.Row):
    """Notices of what is no gateway's message are Exim's own."""

    def test_other_mail_that_waits_is_told_of_without_a_panic(self):
        world.servers[OUTSIDE].stop()
        try:
            name = self.accepted("kim", "kim@org.example")
            falls.until_quiet(world)
            world.org.command("-M", name, faketime="+25h")
            warning, = world.warnings(self.id())
        finally:
            world.servers[OUTSIDE].start()
            wait_for_port("outside", ADDRESS[OUTSIDE], 25)
        self.assertNotIn("Outgate-Notice", warning)
        self.assertIn("A message that you sent has not yet been delivered",
                      warning.as_string())
        self.assertIn("You need do nothing", warning.as_string())
        world.org.command("-Mg", name)
        bounce, = world.bounces(self.id())
        self.assertNotIn("Outgate-Notice", bounce)
        self.assertIn("This is a permanent error", bounce.as_string())


class Reception(falls.Row):
    """System calls of the process that takes a message fail or kill it."""

    def setUp(self):
        super().setUp()
        world.queue_only(True)
        self.trace = world.folder / "trace"

    def receive(self, *options):
        """Submit to an Exim below strace; the reply."""
        with falls.listening(world, "strace", "-qq", "-o", self.trace,
                             *options) as client:
            return falls.talk(client, "jo", [OUT],
                              message(JO_AWAY, self.id()))

    def test_F13_a_write_that_does_not_reach_the_disk_is_451(self):
        for nth in 1, 2, 3:
            reply = self.receive("-e", f"inject=fsync:error=EIO:when={nth}")
            self.not_accepted(reply, "^451 ")
        # the fourth would have been of no message
        reply = self.receive("-e", "inject=fsync:error=EIO:when=4")
        self.assertRegex(reply, "^250 ")
        self.panics = True

    def test_F14_who_saw_250_finds_the_message_whenever_it_was_killed(self):
        self.assertRegex(self.receive(), "^250 ")
        whole = Trace(self.trace)
        begin = whole.find(r'^write\(1, "354 ')
        end = whole.find(r'^write\(1, "250 OK id=', begin) + 5
        world.empty_queue()
        points = whole.points(begin, end, RECEPTION_POINTS)
        self.assertGreater(len(points), RECEPTION_POINTS - 10)
        seen = [self.killed_at(point) for point in points]
        # both kinds were among them, or this was no sweep
        self.assertIn((NO_REPLY, 0), seen)
        self.assertIn(("250", 1), seen)
        self.by_gateway_each(sum(queued for _, queued in seen))
        self.orphans = ["-D"]
        self.assertFalse([name for name in self.spool()
                          if not re.search("-D$|^hdr", name)])
        self.orphans = ["-D", *self.spool()]

    def killed_at(self, point):
        """Returns what the client saw and how many messages that made."""
        before = set(self.queued())
        reply = self.receive(*kill_at(point))
        queued = set(self.queued()) - before
        here = f"killed at {point}: {reply!r}, {queued}"
        renamed = Trace(self.trace).find(r"^rename\(.*-H\"\) = 0")
        if reply:
            self.assertRegex(reply, "^250 OK id=", here)
            self.assertEqual({reply.partition("id=")[2]}, queued, here)
        else:
            # SMTP's own window: on disk, and the reply did not get out
            self.assertEqual(len(queued), renamed is not None, here)
        return reply[:3], len(queued)

    def by_gateway_each(self, count):
        """All that is in the queue is whole, with its verdict."""
        world.run_queue()
        self.by_gateway(count=count)
        self.assertEqual(self.queued(), [])


class Delivery(falls.Row):
    """A delivery is killed; whatever of it was lost, the message is not."""

    def setUp(self):
        super().setUp()
        world.queue_only(True)
        self.trace = world.folder / "trace"
        self.twice = 0
        # Exim's own, about a transport process that was killed
        self.panics = True
        # what a kill between two removals leaves; it is no message any more
        self.orphans = ["-D", "-J"]

    def accept(self, n):
        self.subject = f"{self.id()} {n}"
        reply = world.submit("jo", JO_AWAY, [OUT], self.subject)
        self.assertRegex(reply, "^250 OK id=")
        return reply.partition("id=")[2]

    def copies(self):
        return world.arrived_now(self.subject)

    def after(self, name, here):
        """The first attempt was killed: what is there, and what a second
        attempt makes of it."""
        self.assertTrue(falls.until_quiet(world), here)
        first = len(self.copies())
        self.assertLessEqual(first, 1, here)
        if name in self.queued():
            world.forget()
            self.deliver(name)
        else:
            self.assertEqual(first, 1, f"lost, {here}")
        # the partner may still be writing it down
        copies = world.arrived(self.subject)
        self.assertEqual({(server, str(copy["X-Arrived-As"]))
                          for server, copy in copies},
                         {(PARTNER, "jo.doe")}, here)
        # twice only when the server had it before the kill
        self.assertLessEqual(len(copies), 1 + first, here)
        self.assertNotIn(name, self.queued(), here)
        self.twice += len(copies) - 1
        world.forget()

    def trace_main(self, name, *options):
        """The whole delivery, but for its children, below strace."""
        falls.start(world, "strace", "-qq", "-o", self.trace, *options,
                    EXIM, "-Mc", name).wait(60)
        falls.until_quiet(world)

    def test_F15_the_delivery_process_is_killed_at_any_system_call(self):
        name = self.accept("whole")
        self.trace_main(name)
        whole = Trace(self.trace)
        self.assertEqual(len(self.copies()), 1)
        begin = whole.find(rf"^openat\(.*{name}-D")
        fork = whole.find(r"^(clone|fork|vfork)", whole.find(
            rf"^openat\(.*{name}-J"))
        points = (whole.points(begin, fork, ROUTING_POINTS) +
                  whole.points(fork, len(whole.lines), DELIVERY_POINTS))
        self.assertEqual(len(points), ROUTING_POINTS + DELIVERY_POINTS)
        for n, point in enumerate(points):
            name = self.accept(n)
            self.trace_main(name, *kill_at(point))
            self.after(name, f"killed at {point}")
        tap.diagnose(f"{len(points)} points, {self.twice} sent twice")
        self.assertLess(self.twice, len(points))

    def trace_transport(self, name, *options):
        """The process that speaks to the partner, from its first octet
        on: it is caught while the partner is stopped."""
        partner = world.servers[PARTNER].process
        partner.send_signal(signal.SIGSTOP)
        delivery = falls.start(world, EXIM, "-Mc", name)
        try:
            pids = falls.until(lambda: self.transports(name))
            self.assertTrue(pids, "no transport process")
            tracer = subprocess.Popen(
                ["strace", "-o", self.trace, "-p", str(pids[0]), *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True,
                preexec_fn=falls.die_with_parent)
            self.assertIn("attached", tracer.stderr.readline())
        finally:
            partner.send_signal(signal.SIGCONT)
        tracer.stderr.read()
        tracer.wait(60)
        tracer.stderr.close()
        delivery.wait(60)
        falls.until_quiet(world)

    def transports(self, name):
        """Processes of the delivery that have dialled the partner."""
        return [pid for pid in falls.processes("-Mc", name)
                if falls.sockets_of(pid) &
                falls.sockets_to(ADDRESS[PARTNER], 465)]

    def test_F15_a_killed_transport_freezes_the_message_until_it_is_thawed(
            self):
        name = self.accept("frozen")
        self.kill_transport(name)
        self.assertRegex(self.log_of(name), "terminated by signal 9.*\\n.*"
                         f"{name} Frozen")
        world.forget()
        world.run_queue("-q")
        self.assertEqual(self.copies(), [])
        self.assertIn(name, self.queued())
        self.assertEqual(
            world.org.inside("exiqgrep", "-z", "-i").stdout.split(), [name])
        world.org.command("-Mt", name)
        world.run_queue("-q")
        self.assertEqual(len(world.arrived(self.subject)), 1)

    def kill_transport(self, name):
        partner = world.servers[PARTNER].process
        partner.send_signal(signal.SIGSTOP)
        delivery = falls.start(world, EXIM, "-Mc", name)
        try:
            pids = falls.until(lambda: self.transports(name))
            self.assertTrue(pids, "no transport process")
            os.kill(pids[0], signal.SIGKILL)
        finally:
            partner.send_signal(signal.SIGCONT)
        delivery.wait(60)
        falls.until_quiet(world)

    def test_F15_the_transport_process_is_killed_at_any_system_call(self):
        name = self.accept("whole")
        self.trace_transport(name)
        whole = Trace(self.trace)
        self.assertEqual(len(self.copies()), 1)
        points = whole.points(0, len(whole.lines), TRANSPORT_POINTS)
        self.assertGreater(len(points), TRANSPORT_POINTS - 5)
        once = 0
        for n, point in enumerate(points):
            name = self.accept(n)
            self.trace_transport(name, *kill_at(point))
            once += not self.copies()
            self.after(name, f"killed at {point}")
        tap.diagnose(f"{len(points)} points, {self.twice} sent twice")
        # before and behind the final dot, or this was no sweep
        self.assertGreater(once, 0)
        self.assertLess(once, len(points))


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
