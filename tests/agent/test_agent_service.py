#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""outgate agent as a service: it hears of changes, lasts, and ends."""

import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
from agent import USER, AgentWorld, Case, children, proof_in
from world import JO, MIA_GATEWAY, STAFF, WAIT_S, wait

NEVER = "proof_key p1\nagent_poll_s 3600\n"

world = None


def setUpModule():
    global world
    world = Case.world = AgentWorld()
    world.__enter__()


def tearDownModule():
    world.__exit__()


def is_alive(pid):
    try:
        return "(zombie)" not in pathlib.Path(
            f"/proc/{pid}/status").read_text()
    except OSError:
        return False


class HangUp:
    """A way to slapd that ends with the client's second request."""

    def __init__(self, path, server):
        self.server = server
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.path = path
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        os.unlink(self.path)

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, socket.socket(socket.AF_UNIX) as server:
                server.connect(self.server)
                server.sendall(client.recv(65536))
                client.sendall(server.recv(65536))
                client.recv(65536)


class Polling(Case):
    def test_a_directory_that_tells_nothing_is_asked_again_and_again(self):
        with world.agent():
            self.assertRegex(world.wait_status(JO, "waiting"), "waiting")
            self.replace("outgateHost")
            self.assertEqual(world.wait_status(JO, "missing"),
                             "outgateHost is missing")
            self.replace("outgateHost", "smtp.partner.example")
            self.assertRegex(world.wait_status(JO, "waiting"), "waiting")

    def test_it_waits_for_a_directory_that_is_down(self):
        world.slapd.halt()
        try:
            with world.agent() as agent:
                wait(agent.log.read_text, lambda text: "connect: " in text)
                world.slapd.start()
                self.assertRegex(world.wait_status(JO, "waiting"), "waiting")
        finally:
            if world.slapd.process is None:
                world.slapd.start()

    def test_a_directory_that_hangs_up_is_told_and_asked_again(self):
        path = str(world.folder / "hangs-up")
        with HangUp(path, str(world.slapd.socket)):
            os.chmod(path, 0o777)
            world.outgate_conf("proof_key p1\nagent_uri ldapi://"
                               + urllib.parse.quote(path, safe="") + "\n")
            said = world.once(code=75)
        self.assertIn("search for gateways: Can't contact LDAP server", said)
        self.assertNotIn("took too long", said)
        self.assertNotIn("signal", said)

    def test_a_process_that_is_killed_was_not_slow(self):
        os.kill(world.slapd.process.pid, signal.SIGSTOP)
        try:
            with world.agent() as agent:
                lister, = wait(lambda: self.listers(agent), bool)
                os.kill(lister, signal.SIGKILL)
                said = wait(agent.log.read_text, bool)
        finally:
            os.kill(world.slapd.process.pid, signal.SIGCONT)
        self.assertEqual(
            said, "outgate: the list of gateways was ended by signal 9\n")

    def listers(self, agent):
        """The child with the alarm clock: the other one is the watcher."""
        # both are there, and the watcher was started before
        pids = children(agent.pid)[1:]
        return pids[1:] if len(pids) == 2 else []

    def test_all_its_processes_are_the_agents_and_dump_no_core(self):
        uid = pwd.getpwnam(USER).pw_uid
        # as systemd starts it; root's setuid() alone would have an effect
        with world.agent(start=["setpriv", "--reuid", USER, "--regid", USER,
                                "--init-groups", "--"]) as agent:
            world.wait_status(JO, "waiting")
            for pid in children(agent.pid):
                folder = pathlib.Path(f"/proc/{pid}")
                try:
                    status = (folder / "status").read_text()
                    # who may not be looked into belongs to root in /proc
                    owner = (folder / "environ").stat().st_uid
                    limits = (folder / "limits").read_text()
                except OSError:
                    continue
                self.assertIn(f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}", status)
                self.assertIn("CapEff:\t0000000000000000", status)
                self.assertEqual(owner, 0)
                self.assertRegex(limits, r"Max core file size +0 +0")


class Watching(Case):
    """The directory tells of changes; polls are an hour apart."""

    @classmethod
    def setUpClass(cls):
        world.tell_changes()

    def setUp(self):
        super().setUp()
        world.outgate_conf(NEVER)

    def test_a_change_is_heard_of(self):
        with world.agent():
            self.assertRegex(world.wait_status(JO, "waiting"), "waiting")
            for _ in range(3):
                self.replace("outgateHost")
                self.assertEqual(world.wait_status(JO, "missing"),
                                 "outgateHost is missing")
                self.replace("outgateHost", "smtp.partner.example")
                self.assertRegex(world.wait_status(JO, "waiting"), "waiting")

    def test_a_new_gateway_is_heard_of(self):
        dn = "cn=new,uid=kim,ou=students,ou=people,dc=org,dc=example"
        with world.agent():
            world.wait_status(JO, "waiting")
            world.modify(
                f"dn: {dn}\nchangetype: add\nobjectClass: outgateEntry\n"
                "cn: new\noutgateAddress: kim@partner.example\n")
            try:
                self.assertEqual(world.wait_status(dn, "."),
                                 "not permitted: ask your administrator")
            finally:
                world.modify(f"dn: {dn}\nchangetype: delete\n")

    def test_a_permission_is_heard_of(self):
        with world.agent():
            world.wait_status(JO, "waiting")
            self.replace("outgateAllowed", "FALSE", dn=STAFF)
            self.assertRegex(world.wait_status(JO, "not permitted"),
                             "not permitted")

    def test_a_pasted_proof_is_heard_of(self):
        with world.agent():
            world.wait_status(JO, "waiting")
            self.pasted(proof_in(world.mails()[0]))
            self.assertEqual(world.wait_status(JO, "ready"), "ready")

    def test_its_own_words_do_not_keep_it_busy(self):
        with world.agent():
            world.wait_status(JO, "waiting")
            self.assertTrue(self.is_quiet())
            self.replace("outgateHost")
            world.wait_status(JO, "missing")
            self.assertTrue(self.is_quiet())

    def is_quiet(self):
        """Does it come to ask nothing for three seconds?"""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            before = world.operations()
            time.sleep(3)
            # the one question is ours
            if world.operations() - before == 1:
                return True
        return False

    def test_a_directory_that_was_restarted_is_watched_again(self):
        with world.agent():
            world.wait_status(JO, "waiting")
            world.slapd.halt()
            world.slapd.start()
            self.replace("outgateHost")
            self.assertEqual(world.wait_status(JO, "missing"),
                             "outgateHost is missing")
            self.assertTrue(self.is_quiet())
            self.replace("outgateHost", "smtp.partner.example")
            self.assertRegex(world.wait_status(JO, "waiting"), "waiting")

    def test_after_a_list_that_took_long_it_rests_whatever_changes(self):
        os.kill(world.slapd.process.pid, signal.SIGSTOP)
        try:
            agent = world.start_agent()
            # both wait for the directory: watcher and lister
            wait(lambda: children(agent.pid), lambda pids: len(pids) > 2)
            time.sleep(0.5)
            listed = time.monotonic()
        finally:
            os.kill(world.slapd.process.pid, signal.SIGCONT)
        try:
            world.wait_status(JO, "waiting")
            self.replace("outgateHost")
            self.assertEqual(world.wait_status(JO, "missing"),
                             "outgateHost is missing")
        finally:
            agent.terminate()
            agent.wait(WAIT_S)
        # ten times as long as the list, which took half a second at least
        self.assertGreater(time.monotonic() - listed, 5)

    def test_two_services_mail_one_proof_and_agree(self):
        with world.agent(), world.agent():
            world.wait_status(JO, "waiting")
            self.reset(MIA_GATEWAY)
            world.wait_status(MIA_GATEWAY, "waiting")
            self.assertTrue(self.is_quiet())
        world.settle()
        self.assertEqual(len(world.mails_now()), 2)

    def test_a_terminated_agent_ends_well_and_leaves_no_process(self):
        agent = world.start_agent()
        world.wait_status(JO, "waiting")
        family = wait(lambda: children(agent.pid),
                      lambda pids: len(pids) > 1)
        agent.terminate()
        self.assertEqual(agent.wait(WAIT_S), 0)
        self.assertGreater(len(family), 1)
        self.assertEqual([pid for pid in family if is_alive(pid)], [])

    def test_a_killed_agent_leaves_no_process_either(self):
        agent = world.start_agent()
        world.wait_status(JO, "waiting")
        family = wait(lambda: children(agent.pid),
                      lambda pids: len(pids) > 1)
        agent.kill()
        agent.wait(WAIT_S)
        self.assertGreater(len(family), 1)
        self.assertEqual(wait(
            lambda: [pid for pid in family if is_alive(pid)],
            lambda left: not left), [])

    def test_a_silent_directory_does_not_keep_it_from_ending(self):
        agent = world.start_agent()
        world.wait_status(JO, "waiting")
        os.kill(world.slapd.process.pid, signal.SIGSTOP)
        try:
            family = children(agent.pid)
            agent.terminate()
            self.assertEqual(agent.wait(WAIT_S), 0)
            self.assertEqual(wait(
                lambda: [pid for pid in family if is_alive(pid)],
                lambda left: not left), [])
        finally:
            os.kill(world.slapd.process.pid, signal.SIGCONT)


class Unit(Case):
    """The unit file that is installed."""

    PATH = pathlib.Path("/usr/lib/systemd/system/outgate-agent.service")

    def options(self):
        """(name, value) of each line, in their order."""
        return [tuple(line.split("=", 1))
                for line in self.PATH.read_text().splitlines()
                if "=" in line and not line.startswith("#")]

    def analyze(self, *words):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd is not installed")
        return subprocess.run(
            ["systemd-analyze", *words], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def test_systemd_understands_it(self):
        done = self.analyze("verify", self.PATH)
        mine = [line for line in done.stdout.splitlines()
                if "outgate-agent" in line]
        self.assertEqual(mine, [], done.stdout)

    def test_what_exims_group_may_read_is_hidden_but_its_memory(self):
        hidden = [path.lstrip("-") for name, value in self.options()
                  if name == "InaccessiblePaths" for path in value.split()]
        exim = pwd.getpwnam("Debian-exim").pw_gid
        world.submit("jo", None, ["x@outside.example"], "in the spool")
        mounts = world.command("find", "/etc/exim4", "/var/spool/exim4",
                               "/var/log/exim4", "-type", "f", "-gid",
                               str(exim), "-perm", "-040")
        found = subprocess.run(mounts, check=True, text=True,
                               stdout=subprocess.PIPE).stdout.split()
        self.assertIn("/etc/exim4/passwd.client", found)
        self.assertEqual(
            [path for path in found
             if not path.startswith("/var/spool/exim4/outgate/") and
             not any(path.startswith(f"{there}/") for there in hidden)], [])

    def test_systemd_finds_little_that_is_exposed(self):
        done = self.analyze("security", "--offline=true", "--no-pager",
                            "--threshold=20", self.PATH)
        self.assertEqual(done.returncode, 0, done.stdout)

    def allowed(self):
        """The system calls that its filters leave."""
        groups = {}
        for line in self.analyze("syscall-filter").stdout.splitlines():
            if line.startswith("@"):
                members = groups.setdefault(line.strip(), set())
            elif line.startswith("    ") and "#" not in line:
                members.add(line.strip())

        def of(name):
            if not name.startswith("@"):
                return {name}
            return set().union(*map(of, groups[name]))
        calls = set()
        for name, value in self.options():
            if name == "SystemCallFilter" and value.startswith("~"):
                calls -= of(value[1:])
            elif name == "SystemCallFilter":
                calls |= of(value)
        return calls

    def test_it_makes_no_system_call_that_the_unit_forbids(self):
        allowed = self.allowed()
        self.assertIn("openat", allowed)
        self.assertNotIn("chown", allowed)
        trace = world.folder / "trace"
        subprocess.run(
            world.command(
                "strace", "-f", "-qq", "-o", trace, "setpriv", "--reuid",
                USER, "--regid", USER, "--init-groups", "--",
                "/usr/bin/outgate", "agent", "--once"),
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=300)
        self.is_waiting()
        lines = trace.read_text().splitlines()
        # from its start on: what setpriv does is systemd's part
        first = next(n for n, line in enumerate(lines)
                     if 'execve("/usr/bin/outgate"' in line)
        used = {match.group(1) for line in lines[first:]
                if (match := re.match(r"\d+ +(\w+)\(", line))}
        self.assertGreater(len(used), 20)
        self.assertEqual(used - allowed, set())

    def test_it_opens_sockets_of_the_allowed_families_only(self):
        families = set(dict(self.options())["RestrictAddressFamilies"].split())
        trace = world.folder / "trace"
        subprocess.run(
            world.command("strace", "-f", "-qq", "-e", "trace=socket", "-o",
                          trace, "/usr/bin/outgate", "agent", "--once"),
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=300)
        used = set(re.findall(r"socket\((AF_\w+)", trace.read_text()))
        self.assertIn("AF_UNIX", used)
        self.assertLessEqual(used, families)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
