#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Passwords are sealed inside 389 Directory Server when they are written.

The same source as for slapd, compiled with that server's header, loaded as
389-plugin.ldif tells; whoever writes has really logged in.
"""

import pathlib
import subprocess
import sys
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = TOP / "ldap-schema"
sys.path.insert(0, str(TOP / "tests/lib"))

import sandbox
import tap
from ds389 import Ds389
from sealing import BUILD, Keys, files_with
from slapd import check

SUFFIX = "dc=org,dc=example"
STAFF = f"ou=staff,ou=people,{SUFFIX}"
JO, MIA, SAM, PAT = (f"uid={name},{STAFF}"
                     for name in ("jo", "mia", "sam", "pat"))
PARTNER = f"cn=partner,{MIA}"
SECOND = f"cn=second,{JO}"
TEXT = "Koch!pass-9f3b"
OID = "2.25.166964127675132833053939338105204730945"
RETYPE = "retype the password: "
WAIT_S = 60
OK, NO_MATCHING, CONSTRAINT, NO_OBJECT, DENIED, UNWILLING = \
    0, 18, 19, 32, 50, 53

UUIDS = """\
dn: cn=entryuuid,cn=plugins,cn=config
changetype: modify
replace: nsslapd-pluginEnabled
nsslapd-pluginEnabled: on
"""


def account(dn):
    """What example.ldif has: the name and "-secret"."""
    return dn, dn.split(",")[0].partition("=")[2] + "-secret"


OWNER, CHILD_OWNER, OTHER, ADMIN = map(account, (JO, MIA, SAM, PAT))


def change(dn, *lines):
    return "\n".join([f"dn: {dn}", "changetype: modify", *lines, "-", ""])


def new_password(dn, text=TEXT, how="replace"):
    return change(dn, f"{how}: outgatePassword", f"outgatePassword: {text}")


def gateway(dn, text=TEXT):
    name = dn.split(",")[0].partition("=")[2]
    return "\n".join([
        f"dn: {dn}", "changetype: add", "objectClass: outgateEntry",
        f"cn: {name}", "outgateAddress: second@partner.example",
        "outgateHost: smtp.second.example", "outgateLogin: second",
        f"outgatePassword: {text}", ""])


def user(name, text=TEXT):
    return "\n".join([
        f"dn: uid={name},{STAFF}", "changetype: add",
        "objectClass: inetOrgPerson", "objectClass: outgateAccount",
        f"uid: {name}", f"cn: {name}", f"sn: {name}",
        "outgateAddress: new@partner.example",
        "outgateHost: smtp.partner.example", "outgateLogin: new",
        f"outgatePassword: {text}", ""])


class Case(unittest.TestCase):
    owner = "entryUUID"

    @classmethod
    def setUpClass(cls):
        cls.keys = Keys("a")
        cls.addClassCleanup(cls.keys.close)
        cls.server = Ds389(suffix=SUFFIX, schema=[SCHEMA / "389-schema.ldif"])
        cls.addClassCleanup(cls.server.stop)
        cls.server.change(UUIDS)
        text = (SCHEMA / "389-plugin.ldif").read_text()
        for old, new in (
                ("Path: outgate-seal\n",
                 f"Path: {BUILD / 'outgate-seal-389'}\n"),
                ("arg0: /etc/dirsrv/outgate-seal\n",
                 f"arg0: {cls.keys.certificates}\n"),
                ("arg1: entryUUID\n", f"arg1: {cls.owner}\n")):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        cls.server.change(text)
        cls.restart()

    @classmethod
    def restart(cls):
        cls.server.halt()
        cls.server.start()

    def setUp(self):
        self.server.clear()
        self.server.add_file(SCHEMA / "example.ldif")
        self.server.change_file(SCHEMA / "389-access.ldif")

    def values(self, dn, attribute):
        answer = self.server.search("(objectClass=*)", attribute, base=dn,
                                    scope="base", bind=self.server.root)
        check(answer, dn)
        return answer.entries[0].get(attribute.lower(), [])

    def value(self, dn, attribute="outgatePassword"):
        found = self.values(dn, attribute)
        self.assertEqual(len(found), 1)
        return found[0]

    def change(self, who, ldif, code=OK, *words):
        answer = self.server.modify(ldif, who)
        self.assertEqual(answer.code, code, answer.text)
        for word in words:
            self.assertIn(word, answer.text)

    def sealed(self, dn, owner, **settings):
        want = {"v": "1", "owner": self.value(owner, self.owner),
                "host": "smtp.partner.example", "port": "465",
                "tls": "implicit", "login": "jo.doe", "secret": TEXT}
        self.assertEqual(self.keys.content(self.value(dn), "a"),
                         {**want, **settings})


@tap.tables
class Writing(Case):
    @tap.rows([(f"a typed password is sealed: {how}", how)
               for how in ("add", "replace")])
    def flat(self, how):
        self.change(OWNER, new_password(JO, how=how))
        self.sealed(JO, JO)
        self.change(OWNER, new_password(JO, how=how))
        self.sealed(JO, JO)

    def test_child(self):
        """in an entry below the user's it is sealed for the user"""
        self.change(CHILD_OWNER, new_password(PARTNER))
        self.sealed(PARTNER, MIA, port="587", tls="starttls", login="mia.moe")

    def test_new_child(self):
        """a gateway that is added with its password"""
        self.change(OWNER, gateway(SECOND))
        self.sealed(SECOND, JO, host="smtp.second.example", login="second")

    def test_new_user(self):
        """a user who is added with gateway and password"""
        self.change(self.server.root, user("new"))
        self.sealed(f"uid=new,{STAFF}", f"uid=new,{STAFF}", login="new")

    def test_settings_of_the_same_change(self):
        """what counts is host, port, TLS mode and login after the change"""
        self.change(OWNER, change(
            JO, "replace: outgatePassword", f"outgatePassword: {TEXT}", "-",
            "replace: outgateHost", "outgateHost: smtp.Other.example", "-",
            "add: outgateTLS", "outgateTLS: STARTTLS", "-",
            "add: outgatePort", "outgatePort: 2525", "-",
            "replace: outgateLogin", "outgateLogin: Jo"))
        self.sealed(JO, JO, host="smtp.other.example", port="2525",
                    tls="starttls", login="Jo")

    def test_by_oid(self):
        """an attribute that is named by its OID is no way round"""
        self.server.modify(change(
            JO, f"replace: {OID}.1.8", f"{OID}.1.8: {TEXT}"), OWNER)
        for value in self.values(JO, "outgatePassword"):
            self.assertTrue(self.keys.opens(value, "a"))

    def test_sealed_already(self):
        """a sealed value is stored as it is"""
        self.change(OWNER, new_password(JO))
        value = self.value(JO)
        self.change(OTHER, new_password(SAM, value))
        self.assertEqual(self.value(SAM), value)

    def test_two_certificates(self):
        """during a key change both keys open it"""
        self.keys.add("b")
        self.addCleanup(self.keys.withdraw, "b")
        self.change(OWNER, new_password(JO))
        for name in "a", "b":
            self.assertEqual(
                self.keys.content(self.value(JO), name)["secret"], TEXT)

    def test_removal(self):
        """the password can be removed, by its user and by an administrator"""
        for who in OWNER, ADMIN:
            self.change(OWNER, new_password(JO))
            self.change(who, change(JO, "delete: outgatePassword"))
            self.assertEqual(self.values(JO, "outgatePassword"), [])

    def test_access(self):
        """nobody else writes it"""
        for who in OTHER, ADMIN:
            self.change(who, new_password(JO), DENIED)
        self.assertEqual(self.values(JO, "outgatePassword"), [])


@tap.tables
class Refusing(Case):
    @tap.rows([
        ("too long", "x" * 257, "longer than 256 octets"),
        ("garbage behind {CMS}", "{CMS}garbage", "type the password itself"),
    ])
    def password(self, text, says):
        self.change(OWNER, new_password(JO, text), CONSTRAINT,
                    "outgatePassword: ", says)
        self.change(OWNER, gateway(SECOND, text), CONSTRAINT, says)
        self.assertEqual(self.values(JO, "outgatePassword"), [])

    def test_missing(self):
        """no host, in the same change and in the one before"""
        lines = ["delete: outgateHost"]
        self.change(OWNER, change(
            JO, *lines, "-", "replace: outgatePassword",
            f"outgatePassword: {TEXT}"), CONSTRAINT,
            "outgateHost is missing; set it before outgatePassword")
        self.change(OWNER, change(JO, *lines))
        self.change(OWNER, new_password(JO), CONSTRAINT,
                    "outgateHost is missing")
        self.change(ADMIN, new_password(JO), DENIED)

    @tap.rows([
        ("a TLS mode that is none", "outgateTLS", "optional",
         "is neither implicit nor starttls"),
        ("an address in brackets", "outgateAddress", "<a@b.example>",
         "is not a plain address"),
    ])
    def setting(self, attribute, value, says):
        """... in a change and in a new gateway"""
        says = f"{attribute} {says}"
        self.change(OWNER, change(
            JO, f"replace: {attribute}", f"{attribute}: {value}"),
            CONSTRAINT, says)
        self.change(OWNER, gateway(SECOND).strip() +
                    f"\n{attribute}: {value}\n", CONSTRAINT, says)

    def test_options(self):
        """a value with options is no way round"""
        self.change(OWNER, change(
            JO, "replace: outgatePassword;lang-en",
            f"outgatePassword;lang-en: {TEXT}"), CONSTRAINT, "options")
        self.change(self.server.root, gateway(SECOND).replace(
            "outgatePassword:", "outgatePassword;lang-en:"), CONSTRAINT,
            "options")

    def test_several(self):
        """two values at once"""
        self.change(OWNER, change(
            JO, "add: outgatePassword", f"outgatePassword: {TEXT}",
            "outgatePassword: another"), CONSTRAINT)

    def test_delete_by_value(self):
        """a guess is not told from the truth"""
        self.change(OWNER, new_password(JO))
        for guess in TEXT, "wrong":
            self.change(OWNER, change(
                JO, "delete: outgatePassword", f"outgatePassword: {guess}"),
                NO_MATCHING)

    def test_no_certificate(self):
        """without a certificate"""
        self.keys.withdraw("a")
        self.addCleanup(self.keys.publish, "a")
        self.change(OWNER, new_password(JO), UNWILLING,
                    "cannot be sealed at the moment; ask your administrator")

    def test_no_parent(self):
        """a gateway below an entry that is not there"""
        self.change(self.server.root, gateway(f"cn=x,uid=none,{STAFF}"),
                    NO_OBJECT)


class Status(Case):
    def wait_for(self, dn, status):
        end = time.monotonic() + WAIT_S
        while self.values(dn, "outgateStatus") != status and \
                time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(self.values(dn, "outgateStatus"), status)

    def test_retype(self):
        """a changed host says so, until the password is retyped"""
        self.change(OWNER, new_password(JO))
        self.change(OWNER, change(
            JO, "replace: outgateHost", "outgateHost: smtp.new.example"))
        self.wait_for(JO, [RETYPE + "the server's name was changed"])
        self.change(OWNER, new_password(JO))
        self.wait_for(JO, [])

    def test_same(self):
        """nothing is said when nothing has changed, or it was refused"""
        self.change(OWNER, new_password(JO))
        self.change(OWNER, change(
            JO, "replace: outgateHost", "outgateHost: SMTP.Partner.Example"))
        self.change(OTHER, change(
            JO, "replace: outgateHost", "outgateHost: a.example"), DENIED)
        self.restart()
        self.assertEqual(self.values(JO, "outgateStatus"), [])


class AtRest(Case):
    def test_files(self):
        """no file of the server holds a password, its logs included"""
        self.server.change(change(
            "cn=config", "replace: nsslapd-auditlog-logging-enabled",
            "nsslapd-auditlog-logging-enabled: on", "-",
            "replace: nsslapd-auditfaillog-logging-enabled",
            "nsslapd-auditfaillog-logging-enabled: on"))
        self.change(OWNER, new_password(JO, TEXT))
        self.change(OWNER, new_password(JO, TEXT, "add"))
        self.change(OWNER, gateway(SECOND))
        self.change(self.server.root, user("new"))
        self.change(OTHER, new_password(JO), DENIED)
        self.change(OWNER, new_password(JO, TEXT * 20), CONSTRAINT)
        self.change(OWNER, gateway(f"cn=long,{JO}", TEXT * 20), CONSTRAINT)
        self.restart()
        self.assertEqual(files_with(self.server.directory, TEXT), [])
        self.assertNotEqual(
            files_with(self.server.directory, self.value(JO)[:40]), [])


class OtherOwner(Case):
    owner = "nsUniqueId"

    def test_flat_and_child(self):
        """the owner can be nsUniqueId"""
        self.change(OWNER, new_password(JO))
        self.sealed(JO, JO)
        self.change(OWNER, gateway(SECOND))
        self.sealed(SECOND, JO, host="smtp.second.example", login="second")


class Load(Case):
    THREADS, CHANGES = 8, 1000

    def write(self, number, codes):
        ldif = "\n".join(new_password(JO if number % 2 else PARTNER,
                                      f"{number}-{turn}")
                         for turn in range(self.CHANGES))
        codes[number] = self.server.modify(ldif, self.server.root)

    def test_threads(self):
        """8 threads of 1000 changes each, without an error"""
        codes = {}
        threads = [threading.Thread(target=self.write, args=(number, codes))
                   for number in range(self.THREADS)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begin
        tap.diagnose(f"{self.THREADS * self.CHANGES / took:.0f} changes a "
                     "second")
        for number in range(self.THREADS):
            self.assertEqual(codes[number].code, OK, codes[number].text[-300:])
        last = {f"{n}-{self.CHANGES - 1}" for n in range(self.THREADS)}
        for dn in JO, PARTNER:
            self.assertIn(
                self.keys.content(self.value(dn), "a")["secret"], last)


if __name__ == "__main__":
    sandbox.enter()
    subprocess.run(["make", "-s", "-C", TOP, f"BUILD={BUILD}", "dirsrv"],
                   check=True)
    tap.main()
