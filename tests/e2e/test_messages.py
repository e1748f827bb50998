#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Odd messages and what an administrator does to them: none takes a gateway
that is not its sender's, and none that has one leaves another way.

Real Exim with outgate as installed, real slapd, real partner servers.
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import falls
import sandbox
import tap
from falls import (JO_AWAY, OUT, Client, build, configured, instead, message)
from world import (ADDRESS, EXIM, JO, OUTSIDE, PARTNER, PARTNER_PASSWORDS)

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
INBOX = "mail.org.example"
AMBIGUOUS = ("550 5.6.0 the From header is ambiguous; send with exactly one "
             "plain address there")
HEADER_MAX = 2**20
JO_UID = 4711
# What the module may add to the time a message takes.
SCAN_S = 0.1

world = None


def setUpModule():
    global world
    # core files as far as the kernel writes any: Exim is to prevent it
    resource.setrlimit(resource.RLIMIT_CORE, 2 * (resource.RLIM_INFINITY,))
    with open("/etc/passwd", "a", encoding="ascii") as passwd:
        passwd.write(f"jo:x:{JO_UID}:65534::/nonexistent:/bin/sh\n")
    world = falls.begin(main="dsn_advertise_hosts = *")


def tearDownModule():
    world.__exit__()


# ---- the corpus of From headers ----

class Corpus(falls.Row):
    """F80: every row of tests/data/from.jsonl, sent by Jo, whose gateway
    serves every address that is in one of them."""

    ADDRESS = re.compile(rb"[\w.+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")

    def setUp(self):
        super().setUp()
        self.save(JO)
        world.queue_only(True)
        self.corpus = [json.loads(line) for line in
                       (DATA / "from.jsonl").read_text().splitlines()]
        addresses = {row["addr"].lower() for row in self.corpus
                     if row["addr"]}
        for row in self.corpus:
            # one row is a list of two thousand
            addresses |= {text.decode().lower() for text in
                          self.ADDRESS.findall(octets(row))[:8]}
        world.replace(JO, "outgateAddress", *sorted(addresses))

    def test_F80_each_from_of_the_corpus_is_read_right_or_refused(self):
        seen = {"gateway": 0, "org": 0, "refused": 0}
        for row in self.corpus:
            with self.subTest(row["id"]):
                seen[self.send(row)] += 1
        tap.diagnose(", ".join(f"{n} {word}" for word, n in seen.items()))
        for word, count in seen.items():
            self.assertGreater(count, 0, word)
        world.org.command("-Mrm", *self.queued())

    def send(self, row):
        """What became of it; asserts that this was right."""
        with contextlib.suppress(FileNotFoundError):
            (world.org.folder / "log/mainlog").unlink()
        header = octets(row)
        if row["kind"] == "value":
            header = b"From:" + header
        reply = falls.talk(
            socket.create_connection(("127.0.0.1", 587)), "jo", [OUT],
            header.rstrip(b"\r\n") + b"\r\nSubject: x\r\n\r\nText.\r\n")
        self.assertRegex(reply, "^(250|5[05][0-9]) ", row["shown"])
        log = world.org.log()
        read = re.search(r"outgate: way=(\w+) why=[\w-]+ login=jo"
                         r"(?: from=(\S+))?", log)
        way = read[1] if read else "refused"
        address = read[2].lower() if read and read[2] else None
        if row["expect"] == "must":
            self.assertEqual(address, row["addr"].lower(), row["shown"])
        elif row["expect"] == "may":
            self.assertIn(address, (None, row["addr"].lower()), row["shown"])
        elif not another(row):
            # where there is no From at all, Exim writes one
            self.assertIn(address, (None, "jo@org.example"), row["shown"])
            self.assertNotEqual(way, "gateway", row["shown"])
        self.assertEqual(reply[:3] == "250", way in ("gateway", "org"))
        return way if reply[:3] == "250" else "refused"


def octets(row):
    return base64.b64decode(row["raw_b64"])


def another(row):
    """Does Exim make another header of it before anybody sees it?  It takes
    a lone CR for a blank or a line end, drops NUL, and ends the header at a
    line that neither begins one nor continues it."""
    return (re.search(rb"\r(?!\n)|\0", octets(row)) or
            row["kind"] == "value" and
            re.search(rb"\n(?![ \t]|$)", octets(row)))


# ---- odd headers ----

class Headers(falls.Row):
    def test_F81_without_a_from_it_takes_the_org_route(self):
        self.accepted("jo", None)
        self.by_org_route()

    def test_F81_two_from_lines_one_of_them_the_gateways_are_refused(self):
        for first, second in (("x@y.example", JO_AWAY),
                              (JO_AWAY, "x@y.example"), (JO_AWAY, JO_AWAY)):
            reply = self.submit("jo", first, headers=[f"From: {second}"])
            self.not_accepted(reply, f"^{re.escape(AMBIGUOUS)}$")

    def test_F81_two_from_lines_of_others_take_the_org_route(self):
        self.accepted("jo", "x@y.example", headers=["From: z@y.example"])
        self.by_org_route()

    def test_F81_a_from_in_the_body_is_none(self):
        reply = self.talk(message("jo@org.example", self.id(),
                                  body=f"From: {JO_AWAY}\n\nText.\n"))
        self.assertRegex(reply, "^250 OK")
        self.by_org_route()

    def talk(self, data, **options):
        return falls.talk(socket.create_connection(("127.0.0.1", 587)), "jo",
                          [OUT], data, **options)

    def added(self, sender, lines):
        """What the module adds to the processor time that this header
        takes, in seconds: the least of three with it and of three without."""
        world.queue_only(True)
        data = (f"From: {sender}\r\nX: x\r\n{lines}"
                f"Subject: {self.id()}\r\n\r\nText.\r\n").encode()
        within = min(self.processor_s(data) for _ in range(3))
        with instead(build("return 0;")):
            without = min(self.processor_s(data) for _ in range(3))
        world.org.command("-Mrm", *self.queued())
        return within - without

    def processor_s(self, data):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with falls.listening(world) as client:
            self.assertRegex(falls.talk(client, "jo", [OUT], data), "^250 OK")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime -
                before.ru_utime - before.ru_stime)

    def test_F82_half_a_million_lines_of_one_header_cost_little(self):
        lines = " \r\n" * (HEADER_MAX // 2 - 1000)
        self.assertLess(self.added(JO_AWAY, lines), SCAN_S)
        self.assertLess(self.added("jo@org.example", lines), SCAN_S)

    def test_F82_a_third_of_a_million_headers_cost_little(self):
        lines = "a:\r\n" * (HEADER_MAX // 3 - 1000)
        self.assertLess(self.added(JO_AWAY, lines), SCAN_S)

    def test_F82_addresses_by_the_thousand_in_one_from_cost_little(self):
        world.queue_only(True)
        many = ",\r\n ".join(f"a{n}@y.example" for n in range(40000))
        begun = time.monotonic()
        reply = self.talk(f"From: {many}\r\nSubject: x\r\n\r\nText.\r\n")
        self.assertRegex(reply, "^(250 OK|550 5.6.0)")
        self.assertLess(time.monotonic() - begun, 3)
        world.empty_queue()

    def test_F82_a_header_above_a_megabyte_is_refused(self):
        lines = "a:\r\n" * (HEADER_MAX // 3 + 1000)
        self.not_accepted(self.talk(
            f"From: {JO_AWAY}\r\n{lines}\r\nText.\r\n"), "^552 ")


# ---- what is no submission ----

class Others(falls.Row):
    def test_F83_an_empty_sender_takes_no_gateway(self):
        reply = self.submit("jo", JO_AWAY, envelope="")
        self.assertRegex(reply, "^250 OK")
        self.takes_the_org_route()

    def test_F83_a_bounce_of_gateway_mail_comes_home(self):
        world.queue_only(True)
        name = self.accepted("jo", JO_AWAY)
        world.permit("FALSE")
        try:
            self.deliver(name)
            world.run_queue()
            self.at_home(world.bounces(self.id()))
        finally:
            world.permit()
        self.nowhere()

    def test_F83_a_delivery_status_report_comes_home(self):
        connection = socket.create_connection(("127.0.0.1", 587))
        with Client(connection) as client:
            client.ehlo("client.org.example")
            client.login("jo", "jo-org")
            client.mail("jo@org.example")
            code, text = client.rcpt(OUT, ["NOTIFY=SUCCESS"])
            self.assertEqual(code, 250, text)
            self.assertEqual(client.data(
                message(JO_AWAY, self.id()).encode())[0], 250)
        self.by_gateway()
        falls.until(self.bounces)
        self.at_home(self.bounces())

    def at_home(self, found):
        self.assertEqual(
            [(str(copy["X-Arrived-At"]).split()[0], copy["X-Arrived-For"])
             for copy in found], [(INBOX, "jo@org.example")])

    def test_F83_a_strangers_bounce_to_the_user_is_delivered_here(self):
        reply = world.submit("jo", JO_AWAY, ["jo@org.example"], self.id(),
                             auth=False, envelope="")
        self.assertRegex(reply, "^250 OK")
        self.assertEqual([server for server, _ in self.arrived()], [INBOX])

    def test_F84_local_sendmail_takes_no_gateway(self):
        self.sendmail("-f", "jo@org.example", OUT)

    def test_F84_local_sendmail_that_claims_a_login_takes_no_gateway(self):
        self.sendmail("-f", "jo@org.example", "-oMa", "192.0.2.1", "-oMaa",
                      "server_plain", "-oMai", "jo", OUT)

    def sendmail(self, *words):
        """As a user of this machine whose name there is Jo's login."""
        process = falls.start(
            world, "setpriv", f"--reuid={JO_UID}", "--regid=65534",
            "--clear-groups", EXIM, *words, stdin=subprocess.PIPE)
        process.communicate(message(JO_AWAY, self.id()).encode(), 30)
        self.takes_the_org_route()

    def test_F85_port_25_without_a_login_takes_no_gateway(self):
        reply = world.submit("jo", JO_AWAY, ["kim@org.example"], self.id(),
                             auth=False, envelope="x@outside.example")
        self.assertRegex(reply, "^250 OK")
        self.assertEqual([server for server, _ in self.arrived()], [INBOX])

    def test_F85_a_refused_login_takes_no_gateway(self):
        with Client(socket.create_connection(("127.0.0.1", 587))) as client:
            client.ehlo("client.org.example")
            token = base64.b64encode(b"\0jo\0wrong").decode()
            self.assertEqual(client.docmd("AUTH PLAIN", token)[0], 535)
            client.mail("jo@org.example")
            self.assertEqual(client.rcpt(OUT)[0], 550)
            self.assertEqual(client.rcpt("kim@org.example")[0], 250)
            client.data(message(JO_AWAY, self.id()).encode())
        self.assertEqual([server for server, _ in self.arrived()], [INBOX])

    def test_F88_an_internal_recipient_gets_it_by_the_gateway(self):
        self.accepted("jo", JO_AWAY, ["kim@org.example"])
        self.by_gateway()


# ---- what an administrator configures ----

class Configured(falls.Row):
    # all but the line that is looked for stays as it is
    CUTTHROUGH = ("         control = submission/domain=org.example",
                  "         control = submission/domain=org.example\n"
                  "         control = cutthrough_delivery", "exim4.conf")

    def test_F86_cutthrough_delivery_sends_no_gateway_mail_on(self):
        with configured(world, *self.CUTTHROUGH):
            before = world.servers[OUTSIDE].log().count(" <= ")
            reply = self.submit("jo", JO_AWAY)
            self.not_accepted(reply, "^451 4.3.5 ")
            falls.until_quiet(world)
            self.assertEqual(world.servers[OUTSIDE].log().count(" <= "),
                             before)
        self.accepted("jo", JO_AWAY)
        self.by_gateway()

    def test_F86_cutthrough_delivery_of_other_mail_works(self):
        with configured(world, *self.CUTTHROUGH):
            self.accepted("jo", "jo@org.example")
            self.by_org_route()
            # it was that way: the message was never in the queue
            self.assertIsNotNone(world.logged(" >> ", OUT))

    def redirected(self, data):
        return ("OUTGATE_ROUTERS = yes",
                "first:\n  driver = redirect\n"
                f"  data = ${{if eq{{$local_part}}{{alias}}{{{data}}}}}\n"
                "OUTGATE_ROUTERS = yes", "exim4.conf")

    def test_F87_behind_a_redirection_gateway_mail_is_held(self):
        with configured(world, *self.redirected("other@outside.example")):
            name = self.accepted("jo", JO_AWAY, ["alias@org.example"])
            self.waits(name, "R=outgate_guard")
        # once the routers stand in the right order it goes
        world.forget()
        self.deliver(name)
        self.by_gateway()

    def test_F87_behind_a_redirection_other_mail_flows(self):
        with configured(world, *self.redirected("other@outside.example")):
            self.accepted("jo", "jo@org.example", ["alias@org.example"])
            self.by_org_route()

    def test_F87_a_system_filters_copy_is_delivered_beside_the_gateways(self):
        archive = world.org.write(
            "filter", "# Exim filter\nunseen deliver kim@org.example\n"
            f"unseen deliver {OUT}\n", 0o644)
        with configured(world, "keep_environment =", "keep_environment =\n"
                        f"system_filter = /etc/exim4/{archive.name}\n"
                        "system_filter_user = Debian-exim", "exim4.conf"):
            self.accepted("jo", JO_AWAY, ["kim@outside.example"])
            found = self.arrived(3)
        self.assertEqual(
            sorted((server, str(copy["X-Arrived-For"]))
                   for server, copy in found),
            sorted([(PARTNER, "kim@outside.example"),
                    (INBOX, "kim@org.example"), (OUTSIDE, OUT)]))
        self.on_purpose = True


# ---- what an administrator does ----

class Administered(falls.Row):
    def setUp(self):
        super().setUp()
        world.queue_only(True)
        self.name = self.accepted("jo", JO_AWAY)

    def exim(self, *words):
        return world.org.command(*words)

    def test_F89_a_frozen_message_waits_and_then_takes_the_gateway(self):
        self.exim("-Mf", self.name)
        world.run_queue("-q")
        self.waits(self.name)
        self.exim("-Mt", self.name)
        world.run_queue("-q")
        self.by_gateway()

    def test_F89_a_frozen_message_that_is_forced_takes_the_gateway(self):
        self.exim("-Mf", self.name)
        world.run_queue("-qff")
        self.by_gateway()

    def test_F89_a_removed_message_is_gone_everywhere(self):
        self.exim("-Mrm", self.name)
        world.run_queue()
        self.nowhere()
        self.assertEqual(self.spool(), [])

    def test_F89_a_message_that_is_given_up_comes_home(self):
        self.exim("-Mg", self.name)
        world.run_queue()
        self.assertEqual([copy["X-Arrived-For"] for copy in
                          world.bounces(self.id())], ["jo@org.example"])
        self.nowhere()

    def test_F89_a_body_edited_by_hand_takes_the_gateway(self):
        # Exim 4 has no -Meb any more
        body = world.org.folder / f"spool/input/{self.name}-D"
        with open(body, "a", encoding="ascii") as file:
            file.write("Edited.\n")
        world.run_queue()
        self.by_gateway()
        self.assertIn("Edited.", self.arrived()[0][1].get_content())

    def test_F89_an_added_recipient_gets_it_by_the_gateway(self):
        self.exim("-Mar", self.name, "more@outside.example")
        world.run_queue()
        self.by_gateway(count=2)

    def test_F89_an_edited_sender_changes_nothing_of_the_way(self):
        self.exim("-Mes", self.name, "kim@org.example")
        world.run_queue()
        self.by_gateway()
        self.assertEqual(self.arrived()[0][1]["X-Arrived-From"],
                         f"<{JO_AWAY}>")

    def test_F90_debugging_shows_the_password_to_its_terminal_only(self):
        said = self.exim("-d+all", "-M", self.name)
        # documented: whoever may run this is root and can open the seal
        self.assertIn(PARTNER_PASSWORDS["jo.doe"], said)
        self.by_gateway()

    def test_F90_looking_on_shows_no_password(self):
        for option in "-v", "-d", "-d+transport":
            if self.name not in self.queued():
                self.name = self.accepted("jo", JO_AWAY)
            said = self.exim(option, "-M", self.name)
            self.assertIn(PARTNER, said)
            for form in falls.secret_forms():
                self.assertFalse(form.decode() in said, option)
        self.by_gateway(count=3)

    def cores(self):
        return [path for path in world.org.folder.rglob("core*")
                if path.is_file()]

    def killed(self, turn, *words):
        """A delivery, one of whose processes is killed for a core while it
        waits for its partner; returns how many there were."""
        partner = world.servers[PARTNER].process
        name = self.accepted("jo", JO_AWAY)
        partner.send_signal(signal.SIGSTOP)
        try:
            delivery = falls.start(world, EXIM, *words, name)
            pids = falls.until(self.working)
            self.assertGreater(len(pids), turn)
            os.kill(pids[turn], signal.SIGABRT)
        finally:
            partner.send_signal(signal.SIGCONT)
        delivery.wait(30)
        falls.until_quiet(world)
        self.assertEqual(self.cores(), [])
        world.empty_queue()
        world.forget()
        return len(pids)

    def working(self):
        """The processes of a delivery, once one of them has dialled."""
        pids = sorted(falls.processes("-M") + falls.processes("-qff"))
        dialled = falls.sockets_to(ADDRESS[PARTNER], 465)
        return pids if any(falls.sockets_of(pid) & dialled
                           for pid in pids) else []

    def test_F91_no_process_of_a_delivery_leaves_a_core(self):
        self.panics = True
        world.empty_queue()
        # the one that routes and the one that speaks to the partner
        for turn in range(2):
            self.assertEqual(self.killed(turn, "-M"), 2)
        # and the one that runs the queue, from this message on
        for turn in range(3):
            self.assertEqual(self.killed(turn, "-qff"), 3)

    def test_another_process_does_leave_a_core_there(self):
        """The kernel writes core files here: the test above can fail."""
        falls.start(world, "sh", "-c",
                    "cd /var/spool/exim4 && kill -ABRT $$").wait(10)
        found = self.cores()
        self.assertEqual(len(found), 1)
        found[0].unlink()


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
