#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo shows nine steps, notices what goes wrong, and leaves nothing."""

import base64
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
from world import (BUILD, ORG_PASSWORDS, PARTNER_PASSWORDS, RELAY, TOP, wait)

DEMO = pathlib.Path(__file__).resolve().parent / "demo.py"
# What the demo may take, on a machine that is busy with other tests.
BOUND_S = 120
ESCAPE = "\033"
END = "All servers have ended"


class Run:
    """The demo, and what it has written so far.

    errors  where its standard error goes; None is where its output goes
    """

    def __init__(self, terminal=False, errors=None, **environment):
        self.text = ""
        self.end, theirs = pty.openpty() if terminal else os.pipe()
        inherited = {name: value for name, value in os.environ.items()
                     if name not in ("NO_COLOR", "TERM")}
        self.process = subprocess.Popen(
            [DEMO], stdin=subprocess.DEVNULL, stdout=theirs,
            stderr=theirs if errors is None else errors,
            env={**inherited, "TERM": "xterm", **environment})
        os.close(theirs)
        self.folder = wait(self.find_folder, lambda found: found or
                           self.process.poll() is not None)

    def find_folder(self):
        """The sandbox's folder, as its first process was told it."""
        pid = self.process.pid
        for child in read(f"/proc/{pid}/task/{pid}/children").split():
            found = re.search(rf"\b{sandbox.MARK}=([^\0]+)",
                              read(f"/proc/{child}/environ"))
            if found:
                return pathlib.Path(found[1])
        return None

    def read_until(self, text):
        """Read until this text is there, or to the end without one."""
        end = time.monotonic() + BOUND_S
        while text is None or text not in self.text:
            left = end - time.monotonic()
            if left < 0 or not select.select([self.end], [], [], left)[0]:
                raise AssertionError(f"no {text!r} in time:\n{self.text}")
            try:
                octets = os.read(self.end, 65536)
            except OSError:  # a terminal's way to say that it is closed
                octets = b""
            if not octets:
                if text is not None:
                    raise AssertionError(f"no {text!r} in:\n{self.text}")
                return
            self.text += octets.decode(errors="replace")

    def finish(self):
        """Wait for its end; returns the exit status as a shell would."""
        self.read_until(None)
        code = self.process.wait(BOUND_S)
        return code if code >= 0 else 128 - code

    def people(self):
        """The processes that see the sandbox's folder mounted."""
        return [path.name for path in pathlib.Path("/proc").iterdir()
                if path.name.isdigit() and
                f" {self.folder} " in read(path / "mountinfo")]

    def clear(self):
        """Leave nothing, whatever the test has found."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self.end)


def read(path):
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError:
        return ""


class Started(unittest.TestCase):
    def start(self, **options):
        run = Run(**options)
        self.addCleanup(run.clear)
        self.assertIsNotNone(run.folder, "there is no sandbox")
        return run

    def nothing_left(self, run):
        self.assertEqual(run.people(), [])
        self.assertFalse(run.folder.exists())


class Whole(Started):
    """One run from the beginning to the end."""

    @classmethod
    def setUpClass(cls):
        begun = time.monotonic()
        cls.run_ = Run()
        cls.addClassCleanup(cls.run_.clear)
        cls.run_.read_until("\n1. ")
        cls.seen = cls.run_.people()
        cls.code = cls.run_.finish()
        cls.took_s = time.monotonic() - begun
        cls.text = cls.run_.text

    def test_everything_goes_as_announced(self):
        self.assertEqual(self.code, 0, self.text)
        self.assertIn("all as announced", self.text)

    def test_it_takes_less_than_two_minutes(self):
        self.assertLess(self.took_s, BOUND_S)

    def test_nine_steps_in_their_order(self):
        self.assertEqual(re.findall(r"(?m)^(\d)\. [A-Z]", self.text),
                         list("123456789"))

    def test_every_step_has_its_row_in_the_summary(self):
        summary = self.text.partition("What went where")[2]
        self.assertEqual(sorted(set(re.findall(r"(?m)^(\d)  ", summary))),
                         list("123456789"))

    def test_every_message_is_followed_by_what_became_of_it(self):
        words = re.findall(r"(?m)^  (sent|arrived|bounced|waits) ", self.text)
        refused = len(re.findall(r"(?m)^  sent .*: 451 ", self.text))
        self.assertEqual(words.count("sent"),
                         words.count("arrived") + refused +
                         words.count("bounced"))
        self.assertEqual((refused, words.count("bounced")), (1, 1))

    def test_the_administrators_command_and_ldif_are_shown(self):
        self.assertRegex(self.text, r"\$ ldapmodify .*\\\n +-D uid=pat,")
        self.assertRegex(self.text, r"(?m)^ +outgateAllowed: TRUE$")

    def test_no_password_is_shown(self):
        example = (TOP / "ldap-schema/example.ldif").read_text()
        secrets = re.findall(r"(?m)^userPassword: (.*)$", example)
        tables = {**ORG_PASSWORDS, **PARTNER_PASSWORDS, RELAY[0]: RELAY[1]}
        self.assertGreater(len(secrets), 3)
        for login, password in tables.items():
            secrets += [password,
                        base64.b64encode(password.encode()).decode(),
                        base64.b64encode(
                            f"\0{login}\0{password}".encode()).decode()]
        self.assertEqual([s for s in secrets if s in self.text], [])

    def test_no_escape_codes_when_it_is_not_on_a_terminal(self):
        self.assertNotIn(ESCAPE, self.text)

    def test_no_line_is_longer_than_100_columns(self):
        self.assertEqual([line for line in self.text.split("\n")
                          if len(line) > 100], [])

    def test_its_processes_were_seen(self):
        """What finds nothing below does find them while they run"""
        self.assertGreater(len(self.seen), 5)

    def test_nothing_is_left(self):
        self.nothing_left(self.run_)


@tap.tables
class Ended(Started):
    """Told to end, it leaves nothing."""

    @tap.rows([
        ("SIGTERM while it starts", signal.SIGTERM, ""),
        ("SIGTERM while messages go", signal.SIGTERM, "\n4. "),
        ("SIGINT while messages go", signal.SIGINT, "\n2. "),
        ("SIGHUP while a server is stopped", signal.SIGHUP, "slapd stopped"),
    ])
    def signal(self, number, when):
        run = self.start()
        run.read_until(when)
        run.process.send_signal(number)
        self.assertEqual(run.finish(), 128 + number, run.text)
        self.nothing_left(run)
        self.assertFalse(END in run.text, "it went on to its end")
        self.assertRegex(run.text, "(?m)^demo: interrupted; all it had "
                         "started has ended$")
        self.assertNotRegex(run.text, "Traceback|unshare:")

    def test_killed_it_takes_its_servers_along(self):
        run = self.start()
        run.read_until("\n1. ")
        run.process.kill()
        run.process.wait()
        self.addCleanup(shutil.rmtree, run.folder, ignore_errors=True)
        run.read_until(None)
        self.assertFalse(END in run.text, "it went on to its end")
        self.assertEqual(wait(run.people, lambda found: not found), [])

    def test_nobody_reads_it(self):
        errors = self.enterContext(tempfile.TemporaryFile())
        run = self.start(errors=errors)
        run.read_until("\n1. ")
        os.close(run.end)
        run.end = os.open(os.devnull, os.O_RDONLY)
        self.assertEqual(run.process.wait(BOUND_S), 1)
        self.nothing_left(run)
        self.assertEqual(errors.seek(0, os.SEEK_END), 0)


class Terminal(Started):
    def first_step(self, **environment):
        run = self.start(terminal=True, **environment)
        run.read_until("2. ")
        run.process.terminate()
        run.finish()
        return run.text

    def test_colours_on_a_terminal(self):
        self.assertIn(f"{ESCAPE}[", self.first_step())

    def test_no_colours_with_no_color(self):
        self.assertNotIn(ESCAPE, self.first_step(NO_COLOR="1"))

    def test_colours_with_an_empty_no_color(self):
        self.assertIn(f"{ESCAPE}[", self.first_step(NO_COLOR=""))


class Wrong(Started):
    """What it announces is compared with what happens."""

    def build_without(self, pattern):
        """The build, but lines of the Exim configuration are missing."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="outgate-demo."))
        self.addCleanup(shutil.rmtree, folder)
        build = folder / "build"
        shutil.copytree(BUILD, build,
                        ignore=shutil.ignore_patterns("asan", "static",
                                                      "tests"))
        include = build / "outgate.include"
        text, count = re.subn(pattern, "", include.read_text())
        self.assertGreater(count, 0)
        include.write_text(text)
        return build

    def differs(self, pattern, text):
        run = self.start(BUILD=str(self.build_without(pattern)))
        self.assertEqual(run.finish(), 1, run.text)
        last = run.text[run.text.rindex("WRONG: "):]
        self.assertEqual(" ".join(last.split()), text)
        self.assertNotIn("What went where", run.text)
        self.nothing_left(run)

    def test_another_envelope_sender_is_noticed(self):
        self.differs(
            r"(?m)^  return_path = .*\n",
            "WRONG: step 3: envelope: announced is 'jo.doe@partner.example', "
            "but seen was 'jo@org.example'")

    def test_a_sender_header_is_noticed(self):
        self.differs(
            r"(?m)^  headers_remove = .*\n",
            "WRONG: step 3: sender: announced is None, but seen was "
            "'jo@org.example'")


if __name__ == "__main__":
    tap.main()
