#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""outgate reseal: a change of keys, from the first step to the last.

A real slapd with the access rules of ldap-schema/; the command runs as root,
becomes Exim's user and is known to slapd by its uid, as on a mail host.  The
changes it prints are given to ldapmodify.
"""

import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = TOP / "ldap-schema"
sys.path.insert(0, str(TOP / "tests/lib"))

import tap
from sealing import OUTGATE, Keys
from slapd import Slapd, check

SUFFIX = "dc=org,dc=example"
STAFF = f"ou=staff,ou=people,{SUFFIX}"
JO, MIA, SAM = (f"uid={name},{STAFF}" for name in ("jo", "mia", "sam"))
PARTNER = f"cn=partner,{MIA}"
USER = "Debian-exim"
RULES = """\
access to attrs=userPassword by self =xw by anonymous auth by * none
access to * by * read
"""
USAGE, DATA, IO, UNAVAILABLE, CONFIG = 64, 65, 74, 75, 78
ASSERTION_FAILED = 122
# dn -> owner's entry, password, settings
GATEWAYS = {
    JO: (JO, "jo-Pass!1", ["--login", "jo.doe"]),
    SAM: (SAM, "sam-Pass!2", ["--login", "sam.roe"]),
    PARTNER: (MIA, "mia-Pass!3",
              ["--login", "mia.moe", "--port", "587", "--tls", "starttls"]),
}


def replace(dn, attribute, value):
    return (f"dn: {dn}\nchangetype: modify\nreplace: {attribute}\n"
            f"{attribute}: {value}\n-\n\n")


@unittest.skipIf(os.geteuid() != 0, "only root can become Exim's user")
class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.slapd = Slapd(suffix=SUFFIX, dynamic=True, database=RULES)
        cls.addClassCleanup(cls.slapd.stop)
        cls.slapd.directory.chmod(0o755)
        cls.slapd.start()
        cls.slapd.configure_file(SCHEMA / "outgate.ldif", "ldapadd")
        for name in "index", "access":
            cls.slapd.configure_file(SCHEMA / f"openldap-{name}.ldif")
        text = (SCHEMA / "openldap-authz.ldif").read_text()
        text = text.replace("EXIM_UID", str(pwd.getpwnam(USER).pw_uid))
        check(cls.slapd.modify(text, cls.slapd.config), "authz")

    def setUp(self):
        self.slapd.clear()
        self.slapd.add_file(SCHEMA / "example.ldif")
        self.keys = Keys("a", group=USER)
        self.addCleanup(self.keys.close)
        for dn in GATEWAYS:
            self.store(dn)

    def store(self, dn, host="smtp.partner.example"):
        owner, password, words = GATEWAYS[dn]
        done = subprocess.run(
            [OUTGATE, "seal", "--certs", self.keys.keys, "--owner",
             self.value(owner, "entryUUID"), "--host", host, *words],
            input=password, text=True, check=True, stdout=subprocess.PIPE)
        check(self.slapd.modify(
            replace(dn, "outgatePassword", done.stdout.strip()),
            self.slapd.root), dn)

    def value(self, dn, attribute="outgatePassword"):
        answer = self.slapd.search("(objectClass=*)", attribute, base=dn,
                                   scope="base", bind=self.slapd.root)
        check(answer, dn)
        return answer.entries[0][attribute.lower()][0]

    def reseal(self, *words, code=0, uri=None):
        path = self.keys.folder / "outgate.conf"
        path.write_text(f"uri {uri or self.slapd.ldapi}\nbase {SUFFIX}\n"
                        f"org_domain org.example\n"
                        f"seal_dir {self.keys.keys}\n")
        path.chmod(0o644)
        done = subprocess.run(
            [OUTGATE, "-C", path, "reseal", *map(str, words)], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stderr)
        for _, password, _ in GATEWAYS.values():
            self.assertNotIn(password, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def apply(self, ldif, code=0):
        answer = self.slapd.command("ldapmodify", "-c", bind=self.slapd.root,
                                    text=ldif)
        self.assertEqual(answer.code, code, answer.text)

    def opened_by(self, *names):
        """Every password opens with these keys, with its own content."""
        for dn, (owner, password, _) in GATEWAYS.items():
            for name in names:
                content = self.keys.content(self.value(dn), name)
                self.assertEqual(content["secret"], password)
                self.assertEqual(content["owner"],
                                 self.value(owner, "entryUUID"))

    def opened_by_none_of(self, *names):
        for dn in GATEWAYS:
            for name in names:
                self.assertFalse(self.keys.opens(self.value(dn), name))


class Reseal(Case):
    def test_key_change(self):
        """a key is changed: two keys, every password for both, one key"""
        self.keys.add("b", group=USER)
        out, err = self.reseal()
        self.assertIn("3 passwords: 3 sealed anew, 0 are right already", err)
        self.apply(out)
        self.opened_by("a", "b")
        for name in "a.key", "a.crt":
            shutil.move(self.keys.keys / name, self.keys.folder / name)
        out, _ = self.reseal()
        self.apply(out)
        for name in "a.key", "a.crt":
            shutil.move(self.keys.folder / name, self.keys.keys / name)
        self.opened_by("b")
        self.opened_by_none_of("a")

    def test_settings(self):
        """what a password is bound to stays"""
        before = {dn: self.keys.content(self.value(dn), "a")
                  for dn in GATEWAYS}
        self.keys.add("b", group=USER)
        self.apply(self.reseal()[0])
        for dn in GATEWAYS:
            self.assertEqual(self.keys.content(self.value(dn), "b"),
                             before[dn])

    def test_right_already(self):
        """what is right is left out: the second time there is nothing to do
        """
        self.assertEqual(self.reseal()[0], "")
        self.keys.add("b", group=USER)
        self.apply(self.reseal()[0])
        out, err = self.reseal()
        self.assertEqual(out, "")
        self.assertIn("3 passwords: 0 sealed anew, 3 are right already", err)

    def test_some_are_right(self):
        """a password that was typed after the new key came is left out"""
        self.keys.add("b", group=USER)
        self.store(JO)
        out, _ = self.reseal()
        self.assertNotIn(JO, out)
        self.assertIn(SAM, out)

    def test_certs(self):
        """--certs: for other certificates than those beside the keys"""
        self.keys.add("b", group=USER)
        self.keys.withdraw("a")
        self.apply(self.reseal("--certs", self.keys.certificates)[0])
        self.opened_by("b")
        self.opened_by_none_of("a")

    def test_meanwhile(self):
        """a password that is typed meanwhile is not overwritten"""
        self.keys.add("b", group=USER)
        out, _ = self.reseal()
        self.store(JO)
        typed = self.value(JO)
        self.apply(out, ASSERTION_FAILED)
        self.assertEqual(self.value(JO), typed)
        self.opened_by("a", "b")

    def test_long_name(self):
        """names that LDIF has to encode"""
        dn = f"cn=Büro,{JO}"
        check(self.slapd.add(
            f"dn: {dn}\nobjectClass: outgateEntry\ncn: Büro\n"
            "outgateHost: smtp.partner.example\noutgateLogin: x\n"
            "outgateAddress: buero@partner.example\n", self.slapd.root), dn)
        GATEWAYS[dn] = JO, "bü-Pass!4", ["--login", "x"]
        self.addCleanup(GATEWAYS.pop, dn)
        self.store(dn)
        self.keys.add("b", group=USER)
        self.apply(self.reseal()[0])
        self.opened_by("b")


class Failing(Case):
    def failing(self, dn, says):
        """This one is named; the others are done all the same."""
        before = self.value(dn)
        self.keys.add("b", group=USER)
        out, err = self.reseal(code=DATA)
        self.assertIn(f"outgate: {dn}: ", err)
        self.assertIn(says, err)
        self.assertIn("3 passwords: 2 sealed anew, 0 are right already, "
                      "1 failed", err)
        self.apply(out)
        self.assertEqual(self.value(dn), before)

    def test_other_settings(self):
        """sealed for another host"""
        self.store(JO, host="smtp.old.example")
        self.failing(JO, "sealed for another host")

    def test_bad_settings(self):
        """a gateway without a host"""
        check(self.slapd.modify(
            f"dn: {JO}\nchangetype: modify\ndelete: outgateHost\n-\n",
            self.slapd.root), JO)
        self.failing(JO, "outgateHost: is missing")

    def test_lost_key(self):
        """sealed for a key that is not here"""
        other = Keys("a", group=USER)
        self.addCleanup(other.close)
        mine, self.keys = self.keys, other
        self.store(PARTNER)
        self.keys = mine
        self.failing(PARTNER, "no key here fits the sealed value")

    def test_not_sealed(self):
        """one in clear text, which is not shown"""
        check(self.slapd.modify(
            replace(JO, "outgatePassword", "jo-Pass!1"), self.slapd.root), JO)
        self.failing(JO, "not sealed")

    def test_damaged(self):
        """a damaged one"""
        check(self.slapd.modify(
            replace(JO, "outgatePassword", "{CMS}MAA="), self.slapd.root), JO)
        self.failing(JO, "not a sealed value")

    def test_no_certificate(self):
        """without a certificate nothing is done, and it is said once"""
        shutil.rmtree(self.keys.certificates)
        self.keys.certificates.mkdir(mode=0o755)
        out, err = self.reseal("--certs", self.keys.certificates, code=IO)
        self.assertEqual(out, "")
        self.assertEqual(err.count("\n"), 1)

    def test_size_limit(self):
        """a server that shows only some of them"""
        config = "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\n"
        check(self.slapd.modify(
            config + "replace: olcSizeLimit\nolcSizeLimit: 2\n-\n",
            self.slapd.config), "limit")
        self.addCleanup(self.slapd.modify,
                        config + "replace: olcSizeLimit\n-\n",
                        self.slapd.config)
        _, err = self.reseal(code=UNAVAILABLE)
        self.assertIn("Size limit exceeded", err)

    def test_no_server(self):
        """no server"""
        _, err = self.reseal(code=UNAVAILABLE, uri="ldapi://%2Fnonexistent")
        self.assertIn("ldapi://%2Fnonexistent: ", err)

    def test_usage(self):
        """a wrong command line, and no settings"""
        for words in ["--new"], ["x"], ["--certs"]:
            self.reseal(*words, code=USAGE)
        done = subprocess.run([OUTGATE, "-C", "/nonexistent", "reseal"],
                              stderr=subprocess.DEVNULL)
        self.assertEqual(done.returncode, CONFIG)


class Count(Case):
    def count(self, code=0):
        return self.reseal("--count", code=code)[0]

    def test_count(self):
        """--count tells when an old key is not needed any more"""
        self.assertEqual(self.count(), "a\topens 3, 3 of them alone\n"
                                       "no key here opens 0\n")
        self.keys.add("b", group=USER)
        self.store(JO)
        self.assertEqual(self.count(), "a\topens 3, 2 of them alone\n"
                                       "b\topens 1, 0 of them alone\n"
                                       "no key here opens 0\n")
        self.apply(self.reseal()[0])
        self.assertEqual(self.count(), "a\topens 3, 0 of them alone\n"
                                       "b\topens 3, 0 of them alone\n"
                                       "no key here opens 0\n")

    def test_no_key(self):
        """it needs no key, and tells when none is left"""
        (self.keys.keys / "a.key").unlink()
        self.assertIn("a\topens 3, 3 of them alone\n", self.count())
        self.keys.add("b", group=USER)
        (self.keys.keys / "a.crt").unlink()
        self.assertEqual(self.count(), "b\topens 0, 0 of them alone\n"
                                       "no key here opens 3\n")

    def test_not_sealed(self):
        """what is not sealed is named"""
        check(self.slapd.modify(
            replace(JO, "outgatePassword", "jo-Pass!1"), self.slapd.root), JO)
        _, err = self.reseal("--count", code=DATA)
        self.assertIn(f"{JO}: not sealed", err)

    def test_empty(self):
        """no password at all"""
        self.slapd.clear()
        self.slapd.add_file(SCHEMA / "example.ldif")
        self.assertIn("a\topens 0, 0 of them alone\n", self.count())


if __name__ == "__main__":
    tap.main()
