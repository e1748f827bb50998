#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""gateway.sh and gateway.py, answered at a terminal by people like Jo."""

import fcntl
import os
import pathlib
import pty
import select
import subprocess
import sys
import termios
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))

import sandbox
import tap

if __name__ == "__main__":
    sandbox.enter()

from selfservice import (
    JO, KIM, MIA, SAM, SUFFIX, TOOLS, WAIT_S, Case, directory, install,
    recipe)

SHELL = f"{TOOLS}/ldif/gateway.sh"
PYTHON = f"{TOOLS}/python/gateway.py"
OTHER = f"cn=other,{JO}"
KEEP = ""

# What gateway.sh asks, in its order, from the address on.
ASKS = ("Send as this address", "Server", "Encryption", "Port", "Login there",
        "Proof", "Password there")


def setUpModule():
    global slapd, keys
    install()
    slapd, keys = directory(ldap=True)
    unittest.addModuleCleanup(keys.close)
    unittest.addModuleCleanup(slapd.stop)


class Terminal:
    """A program at a terminal of its own, and what it has said so far.

    Echo is on, as it is at anybody's: what is not to be seen, the program
    has to hide.
    """

    def __init__(self, *words):
        self.master, slave = pty.openpty()
        self.said = ""
        self.process = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=lambda: own(slave),
            env={**os.environ, "LDAPURI": slapd.ldapi, "LDAPBASE": SUFFIX,
                 "LC_ALL": "C"})
        os.close(slave)

    def read(self):
        """A bit more of it; False at its end."""
        ready, _, _ = select.select([self.master], [], [], WAIT_S)
        if not ready:
            raise AssertionError(f"it says no more than {self.said!r}")
        try:
            data = os.read(self.master, 4096)
        except OSError:  # EIO: nobody has the other end any more
            return False
        self.said += data.decode()
        return bool(data)

    def answer(self, question, reply):
        """Wait for a question, type the answer."""
        start = len(self.said)
        while question not in self.said[start:] or \
                not self.said.rstrip("\r\n").endswith((": ", ":")):
            if not self.read():
                raise AssertionError(f"{question!r} not in {self.said!r}")
        os.write(self.master, f"{reply}\n".encode())

    def end(self):
        while self.read():
            pass
        os.close(self.master)
        return self.process.wait(WAIT_S)


def own(slave):
    """In the child: this is its terminal.  The sandbox ends it in the end."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


class Tool(Case):
    def setUp(self):
        self.renew(slapd, keys)

    def talk(self, *words, answers, code=0):
        terminal = Terminal(*words)
        for question, reply in answers:
            terminal.answer(question, reply)
        self.assertEqual(terminal.end(), code, terminal.said)
        return terminal.said


class Shell(Tool):
    def ask(self, user, *replies, secret=None, words=(), code=0):
        """replies: as many of ASKS as there are; Enter to the rest."""
        replies = [*replies, *[KEEP] * (len(ASKS) - len(replies))]
        return self.talk(SHELL, *words, user, code=code, answers=[
            ("password for the directory", secret or f"{user}-secret"),
            *zip(ASKS, replies)])

    def test_a_user_without_a_gateway_sets_one(self):
        self.ask("kim", "kim.poe@partner.example", "smtp.partner.example",
                 KEEP, KEEP, "kim.poe", KEEP, " k:m ")
        self.expect_entry(KIM, objectclass=["inetOrgPerson", "outgateAccount"],
                          outgateaddress=["kim.poe@partner.example"],
                          outgatehost=["smtp.partner.example"],
                          outgatetls=["implicit"], outgateport=None,
                          outgatelogin=["kim.poe"])
        self.expect_password(KIM, " k:m ")

    def test_a_change_keeps_the_password_that_is_not_typed_again(self):
        before = self.set_password(JO, "old")
        said = self.ask("jo", KEEP, KEEP, "starttls")
        self.assertIn("[smtp.partner.example]", said)
        self.expect_entry(JO, outgatetls=["starttls"],
                          outgatehost=["smtp.partner.example"],
                          outgatepassword=[before])

    def test_the_password_alone_is_changed(self):
        before = self.set_password(JO, "old")
        self.ask("jo", *[KEEP] * 6, "n{e}w")
        self.expect_password(JO, "n{e}w", instead_of=before)
        self.expect_entry(JO, outgatehost=["smtp.partner.example"],
                          outgatelogin=["jo.doe"])

    def test_it_says_the_status(self):
        self.change(JO, "add", "outgateStatus", "waiting for your proof")
        said = self.ask("jo", KEEP, KEEP, KEEP, KEEP, KEEP, "a.b.c")
        self.assertIn("status: waiting for your proof", said)
        self.expect_entry(JO, outgateproof=["a.b.c"])

    def test_the_gateway_is_removed_with_its_password(self):
        self.set_password(JO, "old")
        self.change(JO, "add", "outgateStatus", "ready")
        self.talk(SHELL, "-r", "jo", answers=[
            ("password for the directory", "jo-secret")])
        self.expect_entry(JO, objectclass=["inetOrgPerson"],
                          mail=["jo@org.example"], outgatehost=None,
                          outgatepassword=None, outgatestatus=None)

    def test_a_refusal_is_told_and_changes_nothing(self):
        before = self.entry(JO)
        said = self.ask("jo", KEEP, KEEP, KEEP, "abc", code=21)
        self.assertIn("Invalid syntax", said)
        self.assertIn("outgatePort", said)
        self.assertEqual(self.entry(JO), before)

    def test_a_wrong_password_is_told(self):
        said = self.talk(SHELL, "jo", code=49, answers=[
            ("password for the directory", "wrong")])
        self.assertIn("Invalid credentials", said)

    def test_an_unknown_user_is_told(self):
        said = self.talk(SHELL, "nobody", code=1, answers=[])
        self.assertIn("knows no user", said)

    def test_a_login_name_is_no_filter(self):
        said = self.talk(SHELL, "*", code=64, answers=[])
        self.assertIn("not a login name", said)

    def test_passwords_are_not_seen(self):
        said = self.ask("jo", *[KEEP] * 6, "typed-there")
        self.assertNotIn("typed-there", said)
        self.assertNotIn("jo-secret", said)

    def test_passwords_are_no_arguments(self):
        trace = sandbox.folder() / "trace"
        self.talk("strace", "-f", "-qq", "-s", "4096", "-e", "execve",
                  "-o", trace, SHELL, "jo", answers=[
                      ("password for the directory", "jo-secret"),
                      *zip(ASKS, [*[KEEP] * 6, "typed-there"])])
        text = trace.read_text()
        self.assertIn("ldapmodify", text)
        for secret in "jo-secret", "typed-there", "dHlwZWQtdGhlcmU", \
                "am8tc2VjcmV0":
            self.assertNotIn(secret, text)


class ByHand(Tool):
    """What docs/self-service.md tells to type, as it stands."""

    def test_ldapmodify(self):
        self.talk("sh", "-ec", "printf 'There: '; " + recipe("A terminal", 1),
                  answers=[("There", "by hand"),
                           ("Enter LDAP Password", "jo-secret")])
        self.expect_entry(JO, outgatehost=["smtp.partner.example"],
                          outgatelogin=["jo.doe"])
        self.expect_password(JO, "by hand")

    def test_the_class_for_everybody_of_a_unit(self):
        folder = sandbox.folder()
        self.talk("sh", "-ec", f"cd {folder}; " + recipe("Other tools"),
                  answers=[("Enter LDAP Password", "pat-secret"),
                           ("Enter LDAP Password", "pat-secret")])
        for dn in JO, MIA, SAM:
            self.expect_entry(dn, objectclass=[
                "inetOrgPerson", "outgateAccount"])
        self.expect_entry(KIM, objectclass=["inetOrgPerson"])


class Network(Tool):
    """A directory that offers no TLS gets no password."""

    def test_gateway_sh_asks_for_none(self):
        said = self.talk(SHELL, "-H", f"ldap://127.0.0.1:{slapd.ldap_port}/",
                         "jo", answers=[], code=1)
        self.assertNotIn("password", said)

    def test_gateway_py_asks_for_none(self):
        said = self.talk(PYTHON, "--uri",
                         f"ldap://127.0.0.1:{slapd.ldap_port}/", "--user",
                         "jo", "show", answers=[], code=1)
        self.assertNotIn("password", said)


class Python(Tool):
    def run_it(self, user, *words, password=None, code=0):
        answers = [("password for the directory", f"{user}-secret")]
        if "set" in words:
            answers.append(("Password at the other server", password or ""))
        return self.talk(PYTHON, "--user", user, *words, answers=answers,
                         code=code)

    def test_a_user_without_a_gateway_sets_one(self):
        self.run_it("kim", "set", "--address", "kim.poe@partner.example",
                    "--host", "smtp.partner.example", "--login", "kim.poe",
                    "--wait", "0", password=" k:m ")
        self.expect_entry(KIM, objectclass=["inetOrgPerson", "outgateAccount"],
                          outgateaddress=["kim.poe@partner.example"],
                          outgatehost=["smtp.partner.example"],
                          outgatelogin=["kim.poe"])
        self.expect_password(KIM, " k:m ")

    def test_a_change_keeps_the_password_that_is_not_typed_again(self):
        before = self.set_password(JO, "old")
        self.run_it("jo", "set", "--tls", "starttls", "--wait", "0")
        self.expect_entry(JO, outgatetls=["starttls"],
                          outgatehost=["smtp.partner.example"],
                          outgatepassword=[before])

    def test_the_password_alone_is_changed(self):
        before = self.set_password(JO, "old")
        self.run_it("jo", "set", "--wait", "0", password="n{e}w")
        self.expect_password(JO, "n{e}w", instead_of=before)

    def test_a_child_entry_is_created_changed_and_removed(self):
        words = "--entry", "other", "set", "--wait", "0"
        self.run_it("jo", *words, "--address", "jo@other.example", "--host",
                    "smtp.other.example", "--login", "jo", password="there")
        self.expect_entry(OTHER, objectclass=["outgateEntry"],
                          outgateaddress=["jo@other.example"])
        self.expect_password(OTHER, "there")
        before = self.entry(OTHER)["outgatepassword"]
        self.run_it("jo", *words, "--port", "587")
        self.expect_entry(OTHER, outgateport=["587"], outgatepassword=before)
        self.run_it("jo", "--entry", "other", "remove")
        self.assertIsNone(self.entry(OTHER))

    def test_it_waits_for_another_status(self):
        self.change(JO, "add", "outgateStatus", "old news")
        terminal = Terminal(PYTHON, "--user", "jo", "set", "--proof", "a.b.c")
        terminal.answer("password for the directory", "jo-secret")
        terminal.answer("Password at the other server", "")
        while "saved; status:" not in terminal.said:
            self.assertTrue(terminal.read(), terminal.said)
        self.change(JO, "replace", "outgateStatus", "ready")
        self.assertEqual(terminal.end(), 0)
        self.assertEqual(terminal.said.split()[-1], "ready")

    def test_it_shows_what_is_set(self):
        self.change(JO, "add", "outgateStatus", "ready")
        said = self.run_it("jo", "show")
        self.assertIn("outgateHost: smtp.partner.example", said)
        self.assertIn("outgateStatus: ready", said)

    def test_the_gateway_is_removed_with_its_password(self):
        self.set_password(JO, "old")
        self.change(JO, "add", "outgateStatus", "ready")
        self.run_it("jo", "remove")
        self.expect_entry(JO, objectclass=["inetOrgPerson"],
                          mail=["jo@org.example"], outgatehost=None,
                          outgatepassword=None, outgatestatus=None)

    def test_a_refusal_is_told_and_changes_nothing(self):
        before = self.entry(JO)
        said = self.run_it("jo", "set", "--port", "abc", code=1)
        self.assertIn("Invalid syntax: outgatePort", said)
        self.assertEqual(self.entry(JO), before)

    def test_a_wrong_password_is_told(self):
        said = self.talk(PYTHON, "--user", "jo", "show", code=1, answers=[
            ("password for the directory", "wrong")])
        self.assertIn("Invalid credentials", said)

    def test_a_login_name_is_no_filter(self):
        said = self.talk(PYTHON, "--user", "j*", "show", code=1, answers=[])
        self.assertIn("knows no user", said)

    def test_passwords_are_not_seen(self):
        said = self.run_it("jo", "set", "--wait", "0", password="typed-there")
        self.assertNotIn("typed-there", said)
        self.assertNotIn("jo-secret", said)


if __name__ == "__main__":
    tap.main()
