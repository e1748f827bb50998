#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_seal.py - outgate keygen and outgate seal, as a person uses them.

OUTGATE names the command; else it is build/outgate.  Nothing of the machine's
own configuration is read: every call names its directories or its settings.
"""

import base64
import datetime
import grp
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))

import tap  # noqa: E402

OUTGATE = os.environ.get("OUTGATE", str(ROOT / "build/outgate"))
OWNER = "8d9bd5ba-0000-4000-8000-3d64a6d63d94"
SECRET = "correct horse battery"
GATEWAY = ("--owner", OWNER, "--host", "smtp.partner.example",
           "--login", "jo.doe")
USAGE, DATA, CREATE, IO, CONFIG = 64, 65, 73, 74, 78


class Case(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self):
        # An interrupted test runs no clean-ups; the object's own end does.
        self.held = tempfile.TemporaryDirectory(prefix="og.")
        self.addCleanup(self.held.cleanup)
        self.folder = pathlib.Path(self.held.name)
        self.dir = self.folder / "seal"

    def outgate(self, *words, stdin="", code=0, env=None, **how):
        done = subprocess.run(
            [OUTGATE, *map(str, words)], capture_output=True, timeout=30,
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            env={**os.environ, **(env or {})}, **how)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, code, err)
        if code:
            self.assertEqual(out, "")
            self.assertTrue(err.startswith("outgate: "), err)
        return out, err

    def keygen(self, *words, **how):
        return self.outgate("keygen", "--dir", self.dir, "--name", "a",
                            *words, **how)

    def seal(self, *words, stdin=SECRET + "\n", gateway=GATEWAY, **how):
        return self.outgate("seal", "--certs", self.dir, *gateway, *words,
                            stdin=stdin, **how)

    def settings(self, **more):
        path = self.folder / "outgate.conf"
        lines = {"uri": "ldapi:///", "base": "dc=org,dc=example",
                 "org_domain": "org.example", **more}
        path.write_text("".join(f"{k} {v}\n" for k, v in lines.items()))
        path.chmod(0o600)
        return path

    def opened(self, value):
        """What a value holds, by the openssl command."""
        self.assertTrue(value.startswith("{CMS}"), value)
        done = subprocess.run(
            ["openssl", "cms", "-decrypt", "-inform", "DER", "-inkey",
             self.dir / "a.key", "-recip", self.dir / "a.crt"],
            input=base64.b64decode(value[5:], validate=True),
            capture_output=True, check=True)
        return json.loads(done.stdout)

    def mode(self, name):
        return stat.S_IMODE((self.dir / name).stat().st_mode)


class Keygen(Case):

    def test_pair(self):
        """keygen makes the directory, the key and the certificate"""
        out, err = self.keygen()
        self.assertEqual(out, f"{self.dir}/a.key\n{self.dir}/a.crt\n")
        self.assertEqual(sorted(os.listdir(self.dir)), ["a.crt", "a.key"])
        self.assertEqual(self.mode("."), 0o750)
        self.assertEqual(self.mode("a.key"), 0o600)
        self.assertEqual(self.mode("a.crt"), 0o644)

    def test_umask(self):
        """the umask of the caller neither loosens nor closes anything"""
        for mask in 0, 0o077:
            self.keygen(preexec_fn=lambda: os.umask(mask))
            self.assertEqual(self.mode("."), 0o750)
            self.assertEqual(self.mode("a.key"), 0o600)
            self.assertEqual(self.mode("a.crt"), 0o644)
            shutil.rmtree(self.dir)

    def test_again(self):
        """an existing key is never overwritten"""
        self.keygen()
        before = (self.dir / "a.key").read_text()
        _, err = self.keygen(code=CREATE)
        self.assertIn("a.key: exists already", err)
        self.assertEqual((self.dir / "a.key").read_text(), before)
        self.assertEqual(sorted(os.listdir(self.dir)), ["a.crt", "a.key"])

    def test_group(self):
        """--group lets a group read the key and enter the directory"""
        group = grp.getgrgid(os.getgid())
        self.keygen("--group", group.gr_name)
        self.assertEqual(self.mode("a.key"), 0o640)
        self.assertEqual((self.dir / "a.key").stat().st_gid, group.gr_gid)
        self.assertEqual(self.dir.stat().st_gid, group.gr_gid)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_group_number(self):
        """--group takes a number"""
        _, err = self.keygen("--group", "12345")
        self.assertEqual((self.dir / "a.key").stat().st_gid, 12345)
        self.assertEqual(self.dir.stat().st_gid, 12345)
        self.assertEqual(err, "")

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_no_group(self):
        """a key that only root can read is told, and only then"""
        _, err = self.keygen()
        self.assertIn("--group", err)

    def test_unknown_group(self):
        """an unknown group leaves nothing behind"""
        for group in "no-such-group", "-1", "4294967295", "1x", "":
            _, err = self.keygen("--group", group, code=DATA)
            self.assertIn("group", err)
            self.assertFalse(self.dir.exists())

    def test_bad_name(self):
        """a name that is no file name leaves nothing behind"""
        for name in "../a", "A", "", "a" * 33:
            self.outgate("keygen", "--dir", self.dir, "--name", name,
                         code=DATA)
            self.assertFalse(self.dir.exists())

    def test_date(self):
        """without --name the date is the name"""
        days = {datetime.datetime.now(datetime.timezone.utc)}
        out, _ = self.outgate("keygen", "--dir", self.dir)
        days.add(datetime.datetime.now(datetime.timezone.utc))
        self.assertIn(pathlib.Path(out.split()[0]).stem,
                      {day.strftime("%Y-%m-%d") for day in days})

    def test_proof(self):
        """--proof makes a key that signs proofs"""
        out, err = self.keygen("--proof")
        self.assertEqual(out, f"{self.dir}/a.key\n{self.dir}/a.pub\n")
        self.assertEqual(err, "")
        self.assertEqual(self.mode("a.key"), 0o600)
        text = subprocess.run(
            ["openssl", "pkey", "-pubin", "-in", self.dir / "a.pub", "-noout",
             "-text"], capture_output=True, check=True).stdout
        self.assertIn(b"ED25519", text)

    def test_settings(self):
        """the configuration names the directories"""
        path = self.settings(seal_dir=self.folder / "s",
                             proof_dir=self.folder / "p")
        self.outgate("-C", path, "keygen", "--name", "a")
        self.outgate("-C", path, "keygen", "--name", "a", "--proof")
        self.assertTrue((self.folder / "s/a.crt").exists())
        self.assertTrue((self.folder / "p/a.pub").exists())

    def test_relative_settings(self):
        """-C takes a path relative to where one is"""
        path = self.settings(seal_dir=self.folder / "s")
        self.outgate("-C", path.name, "keygen", "--name", "a",
                     cwd=self.folder)
        self.assertTrue((self.folder / "s/a.crt").exists())

    def test_bad_settings(self):
        """a configuration that is missing or wrong is told"""
        _, err = self.outgate("-C", self.folder / "none", "keygen",
                              code=CONFIG)
        self.assertIn("none", err)
        path = self.settings(colour="green")
        _, err = self.outgate("-C", path, "keygen", code=CONFIG)
        self.assertIn("colour", err)

    def test_relative_dir(self):
        """a relative directory is printed in full"""
        out, _ = self.outgate("keygen", "--dir", "seal", "--name", "a",
                              cwd=self.folder)
        self.assertEqual(out.split()[0], f"{self.dir}/a.key")

    def test_loose_dir(self):
        """no key is made in a directory that is open to others"""
        self.dir.mkdir()
        self.dir.chmod(0o755)
        _, err = self.keygen(code=IO)
        self.assertIn("0755", err)
        self.assertEqual(os.listdir(self.dir), [])

    def test_no_parent(self):
        """a directory whose parent is missing cannot be made"""
        self.dir = self.folder / "x/y"
        _, err = self.keygen(code=CREATE)
        self.assertIn("No such file", err)

    def test_usage(self):
        """what keygen does not know it refuses"""
        self.keygen("--colour", code=USAGE)
        self.keygen("extra", code=USAGE)
        self.outgate("keygen", "--dir", code=USAGE)
        self.assertFalse(self.dir.exists())


class Seal(Case):

    def setUp(self):
        super().setUp()
        self.keygen()

    def test_value(self):
        """the value holds the password and all it is bound to"""
        out, err = self.seal()
        self.assertEqual(err, "")
        held = self.opened(out.rstrip("\n"))
        self.assertEqual(held.pop("pad").strip(" "), "")
        self.assertEqual(held, {
            "v": "1", "owner": OWNER, "host": "smtp.partner.example",
            "port": "465", "tls": "implicit", "login": "jo.doe",
            "secret": SECRET})
        self.assertEqual(out.count("\n"), 1)

    def test_settings_given(self):
        """port and TLS mode are what was asked for, the host in lower case"""
        out, _ = self.seal("--port", "2465", "--tls", "starttls", gateway=(
            "--owner", "jo", "--host", "SMTP.Partner.Example",
            "--login", "Jo Doe"))
        held = self.opened(out.rstrip("\n"))
        self.assertEqual(
            (held["host"], held["port"], held["tls"], held["login"]),
            ("smtp.partner.example", "2465", "starttls", "Jo Doe"))

    def test_default_port(self):
        """starttls without a port is 587"""
        out, _ = self.seal("--tls", "starttls")
        self.assertEqual(self.opened(out.rstrip("\n"))["port"], "587")

    def test_octets(self):
        """a password comes through octet for octet"""
        for secret in ("^:{}$\\\"'`", "  blanks  ", "\ttab", "päß€😀",
                       "x" * 256, "ä" * 128):
            for end in "\n", "":
                out, _ = self.seal(stdin=secret + end)
                self.assertEqual(
                    self.opened(out.rstrip("\n"))["secret"], secret)

    def test_length(self):
        """the value's length does not tell the password's"""
        lengths = {len(self.seal(stdin=secret)[0])
                   for secret in ("x", "x" * 256, "\"" * 256, "ä" * 128)}
        self.assertEqual(len(lengths), 1)

    def test_unfit(self):
        """what is no password is refused and not quoted"""
        for secret in (b"", b"\n", b"hunter2\nhunter2\n", b"hunter2\r\n",
                       b"hunter2\0\n", b"\xe4hunter2\n", b"hunter2" * 40,
                       b"hunter2" * 40000):
            _, err = self.seal(stdin=secret, code=DATA)
            self.assertNotIn("hunter", err)
            self.assertIn("the password", err)

    def test_closed_input(self):
        """no standard input at all is an error"""
        done = subprocess.run(
            [OUTGATE, "seal", "--certs", self.dir, *GATEWAY],
            preexec_fn=lambda: os.close(0), capture_output=True, timeout=30)
        self.assertEqual(done.returncode, IO)
        self.assertEqual(done.stdout, b"")

    def test_argument(self):
        """a password as an argument is refused, with the reason"""
        for words in (("hunter2",), ("--password", "hunter2"),
                      ("--password=hunter2",), ("--pass=hunter2",),
                      ("--", "hunter2")):
            _, err = self.seal(*words, code=USAGE)
            self.assertNotIn("hunter2", err)
            self.assertIn("never an argument", err)

    def test_unknown(self):
        """an unknown option is refused and not quoted"""
        for word in "--secret=hunter2", "-phunter2":
            _, err = self.seal(word, code=USAGE)
            self.assertNotIn("hunter2", err)

    def test_missing(self):
        """owner, host and login are needed"""
        for left_out in 0, 2, 4:
            words = GATEWAY[:left_out] + GATEWAY[left_out + 2:]
            _, err = self.seal(gateway=words, code=USAGE)
            self.assertIn(f"{GATEWAY[left_out]} is missing", err)
        self.seal("--port", code=USAGE)

    def test_invalid(self):
        """settings that the directory could not use are refused"""
        for option, value in (
                ("--host", "localhost"), ("--host", "192.0.2.1"),
                ("--host", "smtp.partner.example;rm"), ("--port", "0"),
                ("--port", "65536"), ("--port", "x"), ("--tls", "none"),
                ("--login", ""), ("--login", "a\nb"),
                ("--login", "x" * 257)):
            _, err = self.seal(option, value, code=DATA)
            self.assertIn(option, err)
        self.seal("--owner", "", code=DATA)
        self.seal("--owner", "a\nb", code=DATA)

    def test_certs(self):
        """no certificate is an error of the files"""
        (self.dir / "a.crt").unlink()
        _, err = self.seal(code=IO)
        self.assertIn(str(self.dir), err)
        shutil.rmtree(self.dir)
        _, err = self.seal(code=IO)
        self.assertIn(str(self.dir), err)

    def test_config(self):
        """the configuration names the certificates"""
        path = self.settings(seal_dir=self.dir)
        out, _ = self.outgate("-C", path, "seal", *GATEWAY, stdin="x")
        self.assertEqual(self.opened(out.rstrip("\n"))["secret"], "x")
        self.outgate("-C", self.folder / "none", "seal", *GATEWAY, stdin="x",
                     code=CONFIG)

    def test_openssl_conf(self):
        """the crypto library's own configuration is not read"""
        conf = self.folder / "openssl.cnf"
        conf.write_text("openssl_conf = a\n[a]\nproviders = b\n[b]\n"
                        "null = c\n[c]\nactivate = 1\n")
        env = {"OPENSSL_CONF": str(conf)}
        broken = subprocess.run(
            ["openssl", "genpkey", "-algorithm", "ed25519"],
            env={**os.environ, **env}, capture_output=True)
        self.assertNotEqual(broken.returncode, 0, "it does no harm at all")
        out, _ = self.seal(env=env)
        self.assertEqual(self.opened(out.rstrip("\n"))["secret"], SECRET)

    def test_full_disk(self):
        """a value that could not be written is a failure"""
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [OUTGATE, "seal", "--certs", self.dir, *GATEWAY],
                input=b"x", stdout=full, stderr=subprocess.PIPE, timeout=30)
        self.assertEqual(done.returncode, IO)
        self.assertIn(b"standard output", done.stderr)


def unfold(ldif):
    """The lines of RFC 2849."""
    return ldif.replace("\n ", "").split("\n")


class Ldif(Case):

    def setUp(self):
        super().setUp()
        self.keygen()

    def check(self, dn, line):
        out, err = self.seal("--dn", dn)
        self.assertEqual(err, "")
        self.assertLessEqual(max(map(len, out.split("\n"))), 76)
        self.assertTrue(out.isascii())
        lines = unfold(out)
        self.assertEqual(lines[0], line)
        self.assertEqual(lines[1:3],
                         ["changetype: modify", "replace: outgatePassword"])
        self.assertEqual(lines[4:], ["-", "", ""])
        name, _, value = lines[3].partition(": ")
        self.assertEqual(name, "outgatePassword")
        self.assertEqual(self.opened(value)["secret"], SECRET)
        return out

    def test_plain(self):
        """--dn gives a change that replaces the password"""
        dn = "uid=jo,ou=people,dc=org,dc=example"
        self.check(dn, f"dn: {dn}")

    def test_long(self):
        """a long DN is folded"""
        dn = "uid=jo," + "ou=people," * 40 + "dc=example"
        self.check(dn, f"dn: {dn}")

    def test_base64(self):
        """a DN that is no safe string is written in base64"""
        for dn in ("cn=Jürgen Groß,dc=org", " cn=a", ":cn=a", "<cn=a",
                   "cn=a ", "cn=" + "ä" * 100 + ",dc=org",
                   "cn=a\ndn: cn=admin", "cn=a\r"):
            code = base64.b64encode(dn.encode()).decode()
            self.check(dn, f"dn:: {code}")

    @unittest.skipUnless(shutil.which("ldapmodify"), "needs ldapmodify")
    def test_ldapmodify(self):
        """ldapmodify understands the change"""
        for dn in ("uid=jo,dc=org,dc=example", "cn=Jürgen,dc=org,dc=example"):
            out, _ = self.seal("--dn", dn)
            done = subprocess.run(
                ["ldapmodify", "-n", "-v", "-x", "-H", "ldap://127.0.0.1:9"],
                input=out.encode(), capture_output=True, timeout=30)
            self.assertEqual(done.returncode, 0, done.stderr)
            text = done.stdout.decode().replace("\n ", "")
            self.assertIn("modifying entry", text)
            self.assertIn(re.search(r"\{CMS\}\S+", out.replace("\n ", ""))[0],
                          text.replace("\n", "").replace("\t", ""))


class Terminal(Case):
    """A person at a terminal, played by this test."""

    def setUp(self):
        super().setUp()
        self.keygen()
        self.output = self.folder / "output"

    def begin(self):
        """Start the command with a terminal; its result goes to a file."""
        self.master, slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        self.slave = slave
        self.addCleanup(os.close, slave)
        self.before = termios.tcgetattr(slave)
        self.seen = b""
        with open(self.output, "wb") as output:
            self.child = subprocess.Popen(
                [OUTGATE, "seal", "--certs", str(self.dir), *GATEWAY],
                stdin=slave, stderr=slave, stdout=output,
                start_new_session=True)
        self.addCleanup(self.end)

    def end(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def wait_for(self, word):
        """Read what the terminal shows, until the word and echo off."""
        until = time.monotonic() + 20
        while word not in self.seen:
            left = until - time.monotonic()
            self.assertGreater(left, 0, self.seen)
            if select.select([self.master], [], [], left)[0]:
                self.seen += os.read(self.master, 4096)

    def wait_hidden(self):
        until = time.monotonic() + 20
        while termios.tcgetattr(self.slave)[3] & termios.ECHO:
            self.assertGreater(until, time.monotonic(), "echo is on")
            time.sleep(0.01)

    def type(self, text):
        os.write(self.master, text.encode())

    def finish(self, code):
        self.assertEqual(self.child.wait(timeout=20), code, self.seen)
        while select.select([self.master], [], [], 0.1)[0]:
            self.seen += os.read(self.master, 4096)
        self.assertEqual(termios.tcgetattr(self.slave), self.before)
        self.assertNotIn(b"hunter", self.seen)
        return self.output.read_text()

    def answer(self, first, second):
        self.begin()
        self.wait_for(b"smtp.partner.example: ")
        self.wait_hidden()
        self.type(first + "\n")
        self.wait_for(b"again: ")
        self.wait_hidden()
        self.type(second + "\n")

    def test_twice(self):
        """a terminal is asked twice and shows nothing of the password"""
        self.answer("hunter2", "hunter2")
        out = self.finish(0)
        self.assertEqual(self.opened(out.rstrip("\n"))["secret"], "hunter2")

    def test_differ(self):
        """two different answers are refused"""
        self.answer("hunter2", "hunter3")
        self.assertEqual(self.finish(DATA), "")
        self.assertIn(b"not the same", self.seen)

    def test_beginning(self):
        """an answer that only begins the same is refused"""
        self.answer("hunter2", "hunter22")
        self.assertEqual(self.finish(DATA), "")

    def test_beginning_of_line(self):
        """a line that ^D ends is compared whole"""
        self.begin()
        self.wait_for(b"smtp.partner.example: ")
        self.wait_hidden()
        self.type("hunter2\4\4")
        self.wait_for(b"again: ")
        self.wait_hidden()
        self.type("hunter22\n")
        self.assertEqual(self.finish(DATA), "")
        self.assertIn(b"not the same", self.seen)

    def test_empty(self):
        """two empty answers are refused"""
        self.answer("", "")
        self.assertEqual(self.finish(DATA), "")

    def test_long(self):
        """two answers that are too long are refused"""
        self.answer("hunter" * 50, "hunter" * 50)
        self.assertEqual(self.finish(DATA), "")

    def test_end(self):
        """the end of input is no answer"""
        self.begin()
        self.wait_for(b"smtp.partner.example: ")
        self.wait_hidden()
        self.type("\4")
        self.wait_for(b"again: ")
        self.wait_hidden()
        self.type("\4")
        self.assertEqual(self.finish(DATA), "")

    def test_signals(self):
        """a signal ends the command and the terminal echoes again"""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                       signal.SIGQUIT):
            self.begin()
            self.wait_for(b"smtp.partner.example: ")
            self.wait_hidden()
            self.type("hunter")
            os.kill(self.child.pid, number)
            self.assertEqual(self.finish(-number), "")

    def test_core(self):
        """the command writes no core file while it holds a password"""
        self.begin()
        self.wait_for(b"smtp.partner.example: ")
        self.wait_hidden()
        limits = pathlib.Path(f"/proc/{self.child.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0 ")


class Command(Case):

    def test_help(self):
        """--help lists every command on standard output"""
        out, err = self.outgate("--help")
        for name in "keygen", "seal", "explain", "probe":
            self.assertRegex(out, rf"(?m)^  {name} ")
        self.assertEqual(err, "")

    def test_command_help(self):
        """each command explains its options"""
        out, _ = self.outgate("keygen", "--help")
        self.assertIn("--proof", out)
        out, _ = self.outgate("seal", "--help")
        self.assertIn("--owner", out)

    def test_version(self):
        """--version tells the version"""
        self.assertEqual(self.outgate("--version")[0], "outgate 0.1.0\n")

    def test_nothing(self):
        """no command is a wrong use, and the usage helps"""
        done = subprocess.run([OUTGATE], capture_output=True, timeout=30)
        self.assertEqual((done.returncode, done.stdout), (USAGE, b""))
        self.assertIn(b"keygen", done.stderr)

    def test_wrong(self):
        """an unknown command or option is a wrong use"""
        self.outgate("sael", code=USAGE)
        self.outgate("--colour", "seal", code=USAGE)
        self.outgate("-C", code=USAGE)


if __name__ == "__main__":
    tap.main()
