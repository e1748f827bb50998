#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Passwords are sealed inside slapd when they are written.

The files of ldap-schema/ are loaded into a real slapd as ldap-schema/README.md
tells, the plug-in while it runs; whoever writes has really logged in.  What is
stored is read as the mail host does, and opened by the openssl command.
"""

import base64
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = TOP / "ldap-schema"
sys.path.insert(0, str(TOP / "tests/lib"))

import tap
from sealing import BUILD, OUTGATE, Keys, files_with
from slapd import ANONYMOUS, Slapd, check

PLUGIN = BUILD / "outgate-seal.so"
SUFFIX = "dc=org,dc=example"
STAFF = f"ou=staff,ou=people,{SUFFIX}"
JO, MIA, SAM, PAT = (f"uid={name},{STAFF}"
                     for name in ("jo", "mia", "sam", "pat"))
KIM = f"uid=kim,ou=students,ou=people,{SUFFIX}"
PARTNER = f"cn=partner,{MIA}"
SECOND = f"cn=second,{JO}"
STATUS = "retype the password: "
TEXT = "Koch!pass-9f3b"
OID = "2.25.166964127675132833053939338105204730945"
WAIT_S = 30
TRIES = 10
# ldapmodify(1) has lost the server
GONE = 255

OK, NO_MATCHING, CONSTRAINT, NO_OBJECT, DENIED, UNWILLING = \
    0, 18, 19, 32, 50, 53


def account(dn):
    """What example.ldif has: the name and "-secret"."""
    return dn, dn.split(",")[0].partition("=")[2] + "-secret"


OWNER, CHILD_OWNER, OTHER, ADMIN = map(account, (JO, MIA, SAM, PAT))
SERVICE = account(f"cn=outgate,ou=services,{SUFFIX}")

RULES = """\
access to attrs=userPassword by self =xw by anonymous auth by * none
access to * by * read
"""
# The logs as administrators have them: of what succeeded, and of everything.
LOGGED = """\
overlay accesslog
logdb cn=log
logops writes
logsuccess {success}
overlay syncprov
database mdb
suffix cn=log
rootdn {root}
directory {log}
dbnosync
overlay syncprov
syncprov-nopresent TRUE
syncprov-reloadhint TRUE
"""


def change(dn, *lines):
    return "\n".join([f"dn: {dn}", "changetype: modify", *lines, "-", ""])


def new_password(dn, text=TEXT, how="replace"):
    return change(dn, f"{how}: outgatePassword", f"outgatePassword: {text}")


def gateway(dn, *lines, text=TEXT):
    name = dn.split(",")[0].partition("=")[2]
    return "\n".join([
        f"dn: {dn}", "changetype: add", "objectClass: outgateEntry",
        f"cn: {name}", "outgateAddress: second@partner.example",
        "outgateHost: smtp.second.example", "outgateLogin: second",
        f"outgatePassword: {text}", *lines, ""])


def user(name, *lines, text=TEXT):
    return "\n".join([
        f"dn: uid={name},{STAFF}", "changetype: add",
        "objectClass: inetOrgPerson", "objectClass: outgateAccount",
        f"uid: {name}", f"cn: {name}", f"sn: {name}",
        "outgateAddress: new@partner.example",
        "outgateHost: smtp.partner.example", "outgateLogin: new",
        f"outgatePassword: {text}", *lines, ""])


class Server(Slapd):
    """A slapd with outgate's files, an access log and, mostly, the plug-in.

    above    "log": the access log is asked before the plug-in, and logs what
             is refused too; "plugin": the other way round
    """

    def __init__(self, keys, above="plugin", plugin=True, **more):
        self.keys = keys
        self.home = tempfile.TemporaryDirectory(prefix="og.")
        folder = pathlib.Path(self.home.name)
        log = folder / "log"
        log.mkdir()
        line = (f"plugin preoperation {PLUGIN} outgate_seal_init "
                f"{keys.certificates}\n")
        # overlays are asked in the reverse order
        early = line if plugin and above == "log" else ""
        database = RULES + early + LOGGED.format(
            success="TRUE" if above == "plugin" else "FALSE", log=log,
            root=f"cn=root,{SUFFIX}")
        super().__init__(
            directory=folder / "s", suffix=SUFFIX, dynamic=True,
            config=f"moduleload accesslog\nmoduleload syncprov\n"
                   f"pluginlog {folder}/plugin.log",
            schema=[SCHEMA / "outgate.schema"],
            database=more.pop("database", database), **more)
        self.start()
        for name in "index", "access":
            self.configure_file(SCHEMA / f"openldap-{name}.ldif")
        if plugin and above == "plugin":
            self.load()

    def __enter__(self):
        return self

    def load(self):
        """openldap-plugin.ldif, with the places of this test."""
        text = (SCHEMA / "openldap-plugin.ldif").read_text()
        text = "\n".join(line for line in text.split("\n")
                         if not line.startswith("#"))
        for old, new in (("/usr/lib/ldap/outgate-seal.so", PLUGIN),
                         ("/etc/ldap/outgate-seal", self.keys.certificates)):
            assert text.count(f" {old} ") == 1, old
            text = text.replace(f" {old} ", f" {new} ")
        check(self.modify(text, self.config), "openldap-plugin.ldif")

    def stop(self):
        super().stop()
        self.home.cleanup()

    def restart(self):
        """When this is done, all that an operation entails is done."""
        self.halt()
        self.start()

    def values(self, dn, attribute):
        answer = self.search("(objectClass=*)", attribute, base=dn,
                             scope="base", bind=self.root)
        check(answer, dn)
        return answer.entries[0].get(attribute.lower(), [])

    def value(self, dn, attribute="outgatePassword"):
        found = self.values(dn, attribute)
        assert len(found) == 1, found
        return found[0]

    def data(self):
        """Every file of the server: database, log, configuration."""
        return self.home.name


class Case(unittest.TestCase):
    """Each test meets the same data."""

    above = "plugin"
    slapd = None

    @classmethod
    def setUpClass(cls):
        cls.keys = Keys("a")
        cls.addClassCleanup(cls.keys.close)
        cls.slapd = Server(cls.keys, above=cls.above)
        cls.addClassCleanup(cls.slapd.stop)

    def setUp(self):
        self.slapd.clear()
        self.slapd.add_file(SCHEMA / "example.ldif")

    def change(self, who, ldif, code=OK, *words):
        answer = self.slapd.modify(ldif, who)
        self.assertEqual(answer.code, code, answer.text)
        for word in words:
            self.assertIn(word, answer.text)

    def sealed(self, dn, owner, key="a", text=TEXT, **settings):
        """What is stored opens, and is bound to what it must be."""
        want = {"v": "1", "owner": self.slapd.value(owner, "entryUUID"),
                "host": "smtp.partner.example", "port": "465",
                "tls": "implicit", "login": "jo.doe", "secret": text}
        self.assertEqual(self.keys.content(self.slapd.value(dn), key),
                         {**want, **settings})


@tap.tables
class Writing(Case):
    @tap.rows([(f"a typed password is sealed: {how} in the user's own entry",
                how) for how in ("add", "replace")])
    def flat(self, how):
        self.change(OWNER, new_password(JO, how=how))
        self.sealed(JO, JO)

    @tap.rows([(f"{how} over an old password replaces it", how)
               for how in ("add", "replace")])
    def again(self, how):
        self.change(OWNER, new_password(JO, "first"))
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
        self.change(self.slapd.root, user("new"))
        self.sealed(f"uid=new,{STAFF}", f"uid=new,{STAFF}", login="new")

    def test_uuid(self):
        """the entryUUID that is made for a new user is one, each time another
        """
        found = set()
        for name in "one", "two":
            self.change(self.slapd.root, user(name))
            found.add(self.slapd.value(f"uid={name},{STAFF}", "entryUUID"))
        self.assertEqual(len(found), 2)
        for uuid in found:
            self.assertRegex(uuid, r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-"
                                   r"[89ab][0-9a-f]{3}-[0-9a-f]{12}$")

    def test_settings_of_the_same_change(self):
        """what counts is host, port, TLS mode and login after the change"""
        self.change(OWNER, change(
            JO, "replace: outgatePassword", f"outgatePassword: {TEXT}", "-",
            "replace: outgateHost", "outgateHost: smtp.Other.example", "-",
            "add: outgateTLS", "outgateTLS: STARTTLS", "-",
            "add: outgatePort", "outgatePort: 2525", "-",
            "delete: outgateLogin", "outgateLogin: jo.doe", "-",
            "add: outgateLogin", "outgateLogin: Jo"))
        self.sealed(JO, JO, host="smtp.other.example", port="2525",
                    tls="starttls", login="Jo")

    def test_everything_at_once(self):
        """a user without a gateway becomes one with a password in one go"""
        self.change(account(KIM), change(
            KIM, "add: outgatePassword", f"outgatePassword: {TEXT}", "-",
            "add: objectClass", "objectClass: outgateAccount", "-",
            "add: outgateHost", "outgateHost: smtp.partner.example", "-",
            "add: outgateLogin", "outgateLogin: kim", "-",
            "add: outgateAddress", "outgateAddress: kim@partner.example"))
        self.sealed(KIM, KIM, login="kim")

    def test_delete_and_add(self):
        """tools that delete the old value and add the new one"""
        self.change(OWNER, new_password(JO, "first"))
        self.change(OWNER, change(
            JO, "delete: outgatePassword", "-",
            "add: outgatePassword", f"outgatePassword: {TEXT}"))
        self.sealed(JO, JO)

    def test_by_oid(self):
        """an attribute that is named by its OID is no way round"""
        self.change(OWNER, change(
            JO, f"replace: {OID}.1.8", f"{OID}.1.8: {TEXT}"))
        self.sealed(JO, JO)

    def test_class_by_oid(self):
        """a child whose class is named by its OID is sealed for its user"""
        ldif = gateway(SECOND).replace("outgateEntry", f"{OID}.2.3")
        self.change(self.slapd.root, ldif)
        self.sealed(SECOND, JO, host="smtp.second.example", login="second")

    def test_sealed_already(self):
        """a sealed value is stored as it is"""
        self.change(OWNER, new_password(JO))
        value = self.slapd.value(JO)
        self.change(OTHER, new_password(SAM, value))
        self.assertEqual(self.slapd.value(SAM), value)
        self.change(OTHER, new_password(SAM, value, "add"))
        self.change(OWNER, gateway(SECOND, text=value))
        self.assertEqual(self.slapd.value(SECOND), value)

    def test_removal(self):
        """the password, and all of a gateway, can be removed"""
        self.change(OWNER, new_password(JO))
        self.change(OWNER, change(JO, "delete: outgatePassword"))
        self.assertEqual(self.slapd.values(JO, "outgatePassword"), [])
        self.change(OWNER, new_password(JO))
        self.change(OWNER, change(
            JO, "delete: outgateHost", "-", "delete: outgateLogin", "-",
            "delete: outgateAddress", "-", "replace: outgatePassword", "-",
            "delete: objectClass", "objectClass: outgateAccount"))

    def test_two_certificates(self):
        """during a key change both keys open it, at once and while slapd runs
        """
        self.keys.add("b")
        self.change(OWNER, new_password(JO))
        self.sealed(JO, JO, key="a")
        self.sealed(JO, JO, key="b")
        self.keys.withdraw("a")
        self.addCleanup(self.keys.withdraw, "b")
        self.addCleanup(self.keys.publish, "a")
        self.change(OWNER, new_password(JO))
        self.sealed(JO, JO, key="b")
        self.assertFalse(self.keys.opens(self.slapd.value(JO), "a"))

    def test_other_changes(self):
        """what is none of outgate's is left alone"""
        self.change(self.slapd.root, change(
            JO, "replace: description", "description: {CMS}x"))
        self.assertEqual(self.slapd.value(JO, "description"), "{CMS}x")

    def test_module(self):
        """outgate itself opens it: explain finds no fault with the entry"""
        self.change(OWNER, new_password(JO))
        uuid = self.slapd.value(JO, "entryUUID")
        again = subprocess.run(
            [OUTGATE, "seal", "--certs", self.keys.keys, "--owner", uuid,
             "--host", "smtp.partner.example", "--login", "jo.doe"],
            input=TEXT, text=True, check=True, stdout=subprocess.PIPE).stdout
        self.assertEqual(self.keys.content(again.strip(), "a"),
                         self.keys.content(self.slapd.value(JO), "a"))


VECTORS = json.loads((TOP / "tests/data/ldap.json").read_text())


def base64_line(octets):
    return f"outgatePassword:: {base64.b64encode(octets).decode()}"


def octets(vector):
    if vector["value_hex"] is not None:
        return bytes.fromhex(vector["value_hex"])
    return vector["value"].encode()


PASSWORDS = [(f"vector {number}: {vector['why'] or 'plain'}", octets(vector),
              vector["expect"].startswith("accept"))
             for number, vector in enumerate(VECTORS)
             if vector["attr"] == "password(in seal)"]


@tap.tables
class Refusing(Case):
    """Nothing is stored, and the tool shows what is to be mended."""

    def refused(self, who, dn, ldif, code, *words):
        before = self.slapd.values(dn, "*")
        self.change(who, ldif, code, *words)
        self.assertEqual(self.slapd.values(dn, "*"), before)
        self.assertEqual(self.slapd.values(dn, "outgatePassword"), [])

    @tap.rows(PASSWORDS)
    def vector(self, octets, accepted):
        ldif = change(JO, "replace: outgatePassword", base64_line(octets))
        if accepted:
            self.change(OWNER, ldif)
            self.sealed(JO, JO, text=octets.decode())
            return
        answer = self.slapd.modify(ldif, OWNER)
        self.assertNotEqual(answer.code, OK)
        self.assertEqual(self.slapd.values(JO, "outgatePassword"), [])

    @tap.rows([
        ("the password is longer than can be sealed", "x" * 257,
         "longer than 256 octets"),
        ("garbage behind {CMS}", "{CMS}garbage", "type the password itself"),
        ("nothing behind {CMS}", "{CMS}", "type the password itself"),
        ("base64 of something else behind {CMS}", "{CMS}MAA=",
         "type the password itself"),
    ])
    def password(self, text, says):
        self.refused(OWNER, JO, new_password(JO, text), CONSTRAINT,
                     "outgatePassword: ", says)
        answer = self.slapd.modify(gateway(SECOND, text=text), OWNER)
        self.assertEqual(answer.code, CONSTRAINT)
        self.assertIn(says, answer.text)

    @tap.rows([
        ("a line break in the password", b"one\ntwo"),
        ("a NUL in the password", b"one\0two"),
        ("a NUL behind a sealed value", None),
    ])
    def octets(self, value):
        if value is None:
            self.change(OTHER, new_password(SAM))
            value = self.slapd.value(SAM).encode() + b"\0rest"
        ldif = change(JO, "replace: outgatePassword", base64_line(value))
        self.refused(OWNER, JO, ldif, CONSTRAINT, "outgatePassword: ")

    @tap.rows([
        ("no host", ["delete: outgateHost"], "outgateHost is missing"),
        ("no login", ["delete: outgateLogin"], "outgateLogin is missing"),
    ])
    def missing(self, lines, says):
        """... in the same change, and in the one before"""
        ldif = change(JO, *lines, "-", "replace: outgatePassword",
                      f"outgatePassword: {TEXT}")
        self.refused(OWNER, JO, ldif, CONSTRAINT, says, "outgatePassword")
        self.change(OWNER, change(JO, *lines))
        self.refused(OWNER, JO, new_password(JO), CONSTRAINT, says)

    def test_wrong_before(self):
        """settings that were wrong before there was a plug-in"""
        with Server(self.keys, plugin=False) as slapd:
            slapd.add_file(SCHEMA / "example.ldif")
            check(slapd.modify(change(JO, "add: outgateTLS",
                                      "outgateTLS: optional"), OWNER), JO)
            slapd.load()
            answer = slapd.modify(new_password(JO), OWNER)
            self.assertEqual(answer.code, CONSTRAINT, answer.text)
            self.assertIn("outgateTLS is neither implicit nor starttls; set "
                          "it before outgatePassword or with it", answer.text)
            check(slapd.modify(change(
                JO, "add: outgateAddress", "outgateAddress: x@y.example"),
                OWNER), JO)

    @tap.rows([
        ("a host that is none", "outgateHost", "localhost",
         "is not a host name like smtp.partner.example"),
        ("an address in place of a host", "outgateHost", "192.0.2.1",
         "is not a host name like smtp.partner.example"),
        ("a TLS mode that is none", "outgateTLS", "optional",
         "is neither implicit nor starttls"),
        ("a port that is none", "outgatePort", "70000",
         "is not a number from 1 to 65535"),
        ("a login that cannot be sent", "outgateLogin", "a" * 257,
         "has several values, is too long or holds control characters"),
        ("an address of several", "outgateAddress", "a@b.example,c@d.example",
         "is not a plain address like jo.doe@partner.example"),
        ("an address in brackets", "outgateAddress", "<a@b.example>",
         "is not a plain address"),
        ("an address at a number", "outgateAddress", "a@[192.0.2.1]",
         "is not a plain address"),
    ])
    def setting(self, attribute, value, says):
        """... alone, with a password, and in a new gateway"""
        says = f"{attribute} {says}"
        lines = [f"replace: {attribute}", f"{attribute}: {value}"]
        self.refused(OWNER, JO, change(JO, *lines), CONSTRAINT, says)
        self.refused(OWNER, JO, change(
            JO, *lines, "-", "replace: outgatePassword",
            f"outgatePassword: {TEXT}"), CONSTRAINT, says)
        ldif = "".join(
            line + "\n" for line in gateway(SECOND).split("\n")
            if not line.startswith(f"{attribute}:"))
        self.change(OWNER, f"{ldif.strip()}\n{attribute}: {value}\n",
                    CONSTRAINT, says)

    def test_new_child_without_host(self):
        """a new gateway without a host"""
        ldif = gateway(SECOND).replace("outgateHost: smtp.second.example\n",
                                       "")
        self.change(OWNER, ldif, CONSTRAINT, "outgateHost is missing")

    def test_options(self):
        """a value with options is no way round"""
        for option in ";lang-en", ";x-hidden":
            text = f"outgatePassword{option}"
            answer = self.slapd.modify(
                change(JO, f"replace: {text}", f"{text}: {TEXT}"), OWNER)
            self.assertNotEqual(answer.code, OK)
        self.refused(OWNER, JO, change(
            JO, "replace: outgatePassword;lang-en",
            f"outgatePassword;lang-en: {TEXT}"), CONSTRAINT, "options")
        self.change(self.slapd.root, gateway(SECOND).replace(
            "outgatePassword:", "outgatePassword;lang-en:"), CONSTRAINT,
            "options")

    def test_plain_and_options(self):
        """a new entry with a password without and one with options"""
        for first, second in (("", ";lang-en"), (";lang-en", "")):
            ldif = gateway(SECOND).replace(
                f"outgatePassword: {TEXT}\n",
                f"outgatePassword{first}: {TEXT}-1\n"
                f"outgatePassword{second}: {TEXT}-2\n")
            self.assertIn(f"{TEXT}-2", ldif)
            self.change(OWNER, ldif, CONSTRAINT)
            self.assertEqual(files_with(self.slapd.data(), f"{TEXT}-"), [])

    def test_settings_with_options(self):
        """a setting with options, which no length would bound"""
        for name in "outgateLogin", "outgateHost", "outgateAddress":
            self.change(OWNER, change(
                JO, f"add: {name};lang-en", f"{name};lang-en: x"),
                CONSTRAINT, "options")
        self.change(OWNER, gateway(SECOND) + "outgateLogin;lang-en: x\n",
                    CONSTRAINT, "options")

    def test_relax(self):
        """with a password the Relax control opens no operational attribute"""
        owner = self.slapd.value(JO, "entryUUID")
        other = self.slapd.value(MIA, "entryUUID")
        for lines in ([], ["replace: outgatePassword",
                           f"outgatePassword: {TEXT}", "-"]):
            answer = self.slapd.modify(change(
                JO, *lines, "replace: entryUUID", f"entryUUID: {other}"),
                OWNER, ["-e", "relax"])
            self.assertNotEqual(answer.code, OK)
            self.assertEqual(self.slapd.value(JO, "entryUUID"), owner)
        self.assertIn("Relax", answer.text)

    def test_several_changes(self):
        """a password twice in one change: each would be sealed, at a price"""
        self.refused(OWNER, JO, change(
            JO, "replace: outgatePassword", "outgatePassword: one", "-",
            "replace: outgatePassword", f"outgatePassword: {TEXT}"),
            CONSTRAINT, "one value and no more")

    def test_several(self):
        """two values at once"""
        self.refused(OWNER, JO, change(
            JO, "add: outgatePassword", f"outgatePassword: {TEXT}",
            "outgatePassword: another"), CONSTRAINT)

    def test_delete_by_value(self):
        """a guess is not told from the truth"""
        self.change(OWNER, new_password(JO))
        for guess in TEXT, "wrong":
            self.change(OWNER, change(
                JO, "delete: outgatePassword", f"outgatePassword: {guess}"),
                NO_MATCHING, "cannot be deleted by its value")
        self.sealed(JO, JO)

    def test_no_entry(self):
        """an entry that is not there"""
        self.change(OWNER, new_password(f"uid=none,{STAFF}"), NO_OBJECT)

    def test_no_parent(self):
        """a gateway below an entry that is not there"""
        self.change(self.slapd.root, gateway(f"cn=x,uid=none,{STAFF}"),
                    NO_OBJECT, "the entry above this one")

    def test_rename(self):
        """a password does not get in as a part of a name"""
        self.slapd.command("ldapmodrdn", PARTNER,
                           f"outgatePassword={TEXT}", bind=self.slapd.root)
        self.assertEqual(files_with(self.slapd.data(), TEXT), [])

    def test_no_certificate(self):
        """without a certificate; the reason is in the log, not in the answer
        """
        self.keys.withdraw("a")
        self.addCleanup(self.keys.publish, "a")
        self.refused(OWNER, JO, new_password(JO), UNWILLING,
                     "cannot be sealed at the moment; ask your administrator")
        log = pathlib.Path(self.slapd.home.name, "plugin.log").read_text()
        self.assertIn(f"{self.keys.certificates}: 1 to 4 certificates", log)
        self.assertNotIn(TEXT, log)


class Access(Case):
    """The access rules hold as they do without the plug-in."""

    def test_write_only(self):
        """the user cannot read what was sealed"""
        self.change(OWNER, new_password(JO))
        answer = self.slapd.search("(uid=jo)", "outgatePassword", bind=OWNER)
        self.assertNotIn("{CMS}", answer.text)
        answer = self.slapd.search("(uid=jo)", "outgatePassword",
                                   bind=SERVICE)
        self.assertIn("{CMS}", answer.text)

    def test_others(self):
        """nobody else writes it: another user, an administrator, nobody"""
        for who in OTHER, ADMIN, SERVICE:
            self.change(who, new_password(JO), DENIED)
            self.change(who, gateway(SECOND), DENIED)
        self.assertNotEqual(self.slapd.modify(new_password(JO),
                                              ANONYMOUS).code, OK)
        self.assertEqual(self.slapd.values(JO, "outgatePassword"), [])

    def test_no_oracle(self):
        """whoever may not write it learns nothing of the entry's settings"""
        self.change(OWNER, change(JO, "delete: outgateHost"))
        for dn in JO, SAM, KIM:
            answer = self.slapd.modify(new_password(dn), ADMIN)
            self.assertEqual(answer.code, DENIED, answer.text)
            self.assertNotIn("outgateHost", answer.text)

    def test_administrator(self):
        """an administrator still removes it"""
        self.change(OWNER, new_password(JO))
        self.change(ADMIN, change(JO, "delete: outgatePassword"))

    def test_status(self):
        """a user cannot write a status by way of the plug-in"""
        self.change(OWNER, change(
            JO, "replace: outgateStatus", "outgateStatus: ready", "-",
            "replace: outgatePassword", f"outgatePassword: {TEXT}"), DENIED)
        self.assertEqual(self.slapd.values(JO, "outgatePassword"), [])


RETYPE = [
    ("the host", ["replace: outgateHost", "outgateHost: smtp.new.example"],
     "the server's name was changed"),
    ("the port", ["add: outgatePort", "outgatePort: 587"],
     "the server's port was changed"),
    ("the TLS mode", ["add: outgateTLS", "outgateTLS: starttls"],
     "the TLS mode was changed"),
    ("the login", ["replace: outgateLogin", "outgateLogin: Jo.Doe"],
     "the login was changed"),
]
# The same gateway in other words, or none that is whole.
SAME = [
    ("the host in capitals",
     ["replace: outgateHost", "outgateHost: SMTP.Partner.Example"]),
    ("the default port", ["add: outgatePort", "outgatePort: 465"]),
    ("the default TLS mode", ["add: outgateTLS", "outgateTLS: implicit"]),
    ("an address", ["add: outgateAddress", "outgateAddress: x@y.example"]),
    ("the switch", ["add: outgateEnabled", "outgateEnabled: FALSE"]),
    ("no host any more", ["delete: outgateHost"]),
    ("all of it removed", [
        "delete: outgateHost", "-", "delete: outgateLogin", "-",
        "delete: outgatePassword"]),
]


@tap.tables
class Status(Case):
    """A password that was sealed for something else has to be retyped."""

    def setUp(self):
        super().setUp()
        self.change(OWNER, new_password(JO))

    def wait_for(self, dn, status):
        """The status is written when the user has his answer already."""
        end = time.monotonic() + WAIT_S
        while self.slapd.values(dn, "outgateStatus") != status and \
                time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(self.slapd.values(dn, "outgateStatus"), status)

    @tap.rows([(f"{what} is changed: {says}", *row)
               for what, *row in RETYPE for says in row[1:]])
    def retype(self, lines, says):
        self.change(OWNER, change(JO, *lines))
        self.wait_for(JO, [STATUS + says])

    def test_child(self):
        """in an entry below the user's"""
        self.change(CHILD_OWNER, new_password(PARTNER))
        self.change(CHILD_OWNER, change(
            PARTNER, "replace: outgateLogin", "outgateLogin: x"))
        self.wait_for(PARTNER, [STATUS + "the login was changed"])

    def test_retyped(self):
        """the sentence goes when the password is retyped"""
        self.change(OWNER, change(JO, *RETYPE[0][1]))
        self.wait_for(JO, [STATUS + RETYPE[0][2]])
        self.change(OWNER, new_password(JO))
        self.wait_for(JO, [])
        self.sealed(JO, JO, host="smtp.new.example")

    def test_step_by_step(self):
        """a host that was removed and set again"""
        self.change(OWNER, change(JO, "delete: outgateHost"))
        self.change(OWNER, change(
            JO, "add: outgateHost", "outgateHost: smtp.new.example"))
        self.wait_for(JO, [
            STATUS + "the server, port, TLS mode or login was changed"])

    @tap.rows([(f"no sentence for {what}", *row) for what, *row in SAME])
    def same(self, lines):
        self.change(OWNER, change(JO, *lines))
        self.slapd.restart()
        self.assertEqual(self.slapd.values(JO, "outgateStatus"), [])

    def test_with_password(self):
        """no sentence when the password comes with the change"""
        self.change(OWNER, change(
            JO, *RETYPE[0][1], "-", "replace: outgatePassword",
            f"outgatePassword: {TEXT}"))
        self.slapd.restart()
        self.assertEqual(self.slapd.values(JO, "outgateStatus"), [])

    def test_no_password(self):
        """no sentence where there is no password"""
        self.change(OTHER, change(
            SAM, "replace: outgateHost", "outgateHost: smtp.new.example"))
        self.slapd.restart()
        self.assertEqual(self.slapd.values(SAM, "outgateStatus"), [])

    def test_refused(self):
        """no sentence for a change that was refused"""
        self.change(OTHER, change(JO, *RETYPE[0][1]), DENIED)
        self.slapd.restart()
        self.assertEqual(self.slapd.values(JO, "outgateStatus"), [])

    def test_other_status(self):
        """a status of another kind stays when a password is typed"""
        agent = account(f"cn=agent,ou=services,{SUFFIX}")
        self.change(agent, change(JO, "add: outgateStatus",
                                  "outgateStatus: ready"))
        self.change(OWNER, new_password(JO))
        self.slapd.restart()
        self.assertEqual(self.slapd.values(JO, "outgateStatus"), ["ready"])


class Transactions(unittest.TestCase):
    """RFC 5805.  slapd 2.5.13 often falls over a transaction, with and without
    the plug-in: then it is tried again."""

    def setUp(self):
        self.keys = Keys("a")
        self.addCleanup(self.keys.close)
        self.slapd = Server(self.keys)
        self.addCleanup(self.slapd.stop)
        self.slapd.add_file(SCHEMA / "example.ldif")

    def commit(self, ldif):
        for _ in range(TRIES):
            answer = self.slapd.command(
                "ldapmodify", "-E", "!txn=commit", bind=OWNER, text=ldif)
            self.slapd.restart()
            if answer.code != GONE:
                break
        return answer

    def refused(self, ldif):
        answer = self.commit(ldif)
        self.assertEqual(answer.code, UNWILLING, answer.text)
        self.assertEqual(self.slapd.values(JO, "outgatePassword"), [])
        self.assertEqual(files_with(self.slapd.data(), TEXT), [])

    def test_change(self):
        """a password is not taken: the other changes cannot be seen"""
        self.refused(new_password(JO))

    def test_add(self):
        """nor with a new gateway"""
        self.refused(gateway(SECOND))

    def test_settings(self):
        """changed settings are taken, and nothing waits for itself"""
        check(self.slapd.modify(new_password(JO), OWNER), JO)
        answer = self.commit(change(JO, *RETYPE[0][1]))
        self.assertEqual(answer.code, OK, answer.text)
        self.assertEqual(self.slapd.value(JO, "outgateHost"),
                         "smtp.new.example")


class AtRest(Case):
    """No file of the server holds a password, the log of refusals included."""

    above = "log"

    def test_files(self):
        """neither what was stored nor what was refused is anywhere in clear"""
        text = [f"{TEXT}-{number}" for number in range(8)]
        self.change(OWNER, new_password(JO, text[0]))
        self.change(OWNER, new_password(JO, text[1], "add"))
        self.change(OWNER, gateway(SECOND, text=text[2]))
        self.change(self.slapd.root, user("new", text=text[3]))
        self.change(OTHER, new_password(JO, text[4]), DENIED)
        self.change(OWNER, new_password(JO, text[5] + "x" * 256), CONSTRAINT)
        self.change(OWNER, change(
            JO, "delete: outgatePassword", f"outgatePassword: {text[6]}"),
            NO_MATCHING)
        self.change(OWNER, gateway(
            f"cn=bad,{JO}", "outgateTLS: optional", text=text[7]), CONSTRAINT)
        self.slapd.halt()
        self.addCleanup(self.slapd.start)
        for word in text:
            self.assertEqual(files_with(self.slapd.data(), word), [], word)

    def test_the_log_is_there(self):
        """the log has the sealed value, and the refusals"""
        self.change(OWNER, new_password(JO))
        self.change(OWNER, new_password(JO, "{CMS}x"), CONSTRAINT)
        self.change(OWNER, gateway(SECOND))
        answer = self.slapd.search("(objectClass=auditWriteObject)", "reqMod",
                                   "reqResult", base="cn=log",
                                   bind=self.slapd.root)
        self.assertIn(f"outgatePassword:= {self.slapd.value(JO)}",
                      answer.text)
        self.assertIn(f"outgatePassword:+ {self.slapd.value(SECOND)}",
                      answer.text)
        self.assertIn("reqresult", {name for entry in answer.entries
                                    for name in entry})
        self.assertIn(str(CONSTRAINT), {
            code for entry in answer.entries for code in entry["reqresult"]})

    def test_grep_would_find_it(self):
        """the search finds a password that is stored in clear"""
        with Server(self.keys, plugin=False) as other:
            other.add_file(SCHEMA / "example.ldif")
            check(other.modify(new_password(JO), other.root), JO)
            other.halt()
            self.assertNotEqual(files_with(other.data(), TEXT), [])


CONSUMER = """\
{plugin}
syncrepl rid=001 provider={uri} type=refreshAndPersist retry="1 +"
  searchbase={suffix} bindmethod=simple binddn={dn} credentials={password}
  schemachecking=on {delta}
updateref {uri}
"""
DELTA = """logbase=cn=log syncdata=accesslog
  logfilter="(&(objectClass=auditWriteObject)(reqResult=0))" """


class Consumer(Server):
    def __init__(self, provider, delta, keys):
        self.provider = provider
        line = (f"plugin preoperation {PLUGIN} outgate_seal_init "
                f"{keys.certificates}")
        super().__init__(keys, above="none", database=CONSUMER.format(
            plugin=line, uri=provider.ldapi, suffix=SUFFIX,
            dn=provider.root[0], password=provider.root[1],
            delta=DELTA if delta else ""))

    def catch_up(self):
        """Wait until it has what the provider has."""
        end = time.monotonic() + WAIT_S
        want = self.provider.value(SUFFIX, "contextCSN")
        while time.monotonic() < end:
            answer = self.search("(objectClass=*)", "contextCSN",
                                 scope="base", bind=self.root)
            if answer.entries and want in answer.entries[0]["contextcsn"]:
                return
            time.sleep(0.05)
        raise AssertionError("the consumer does not catch up")


class Replication(unittest.TestCase):
    def setUp(self):
        self.keys = Keys("a")
        self.addCleanup(self.keys.close)

    def start(self, delta, plugin):
        provider = Server(self.keys, plugin=plugin)
        self.addCleanup(provider.stop)
        provider.add_file(SCHEMA / "example.ldif")
        consumer = Consumer(provider, delta, self.keys)
        self.addCleanup(consumer.stop)
        consumer.catch_up()
        return provider, consumer

    def replicate(self, delta):
        provider, consumer = self.start(delta, True)
        for ldif in (new_password(JO), gateway(SECOND),
                     new_password(JO, how="add")):
            check(provider.modify(ldif, OWNER), ldif)
        check(provider.modify(user("new"), provider.root), "new")
        provider.restart()
        consumer.catch_up()
        for dn in JO, SECOND, f"uid=new,{STAFF}":
            self.assertEqual(consumer.value(dn), provider.value(dn))
            self.assertTrue(self.keys.opens(consumer.value(dn), "a"))
            self.assertEqual(consumer.value(dn, "entryUUID"),
                             provider.value(dn, "entryUUID"))
        for server in provider, consumer:
            server.halt()
            self.assertEqual(files_with(server.data(), TEXT), [])

    def test_syncrepl(self):
        """a syncrepl consumer has what the provider has, and nothing in clear
        """
        self.replicate(False)

    def test_delta_syncrepl(self):
        """a delta-syncrepl consumer has the same, from the access log"""
        self.replicate(True)

    def left_alone(self, delta):
        provider, consumer = self.start(delta, False)
        check(provider.modify(new_password(JO), provider.root), JO)
        check(provider.modify(gateway(SECOND, text="{CMS}x"), provider.root),
              SECOND)
        consumer.catch_up()
        self.assertEqual(consumer.value(JO), TEXT)
        self.assertEqual(consumer.value(SECOND), "{CMS}x")

    def test_replicated(self):
        """what comes from a provider without the plug-in is left alone"""
        self.left_alone(False)

    def test_replicated_changes(self):
        """... by delta-syncrepl too"""
        self.left_alone(True)


class Loading(unittest.TestCase):
    def setUp(self):
        self.keys = Keys("a")
        self.addCleanup(self.keys.close)

    def add_plugin(self, slapd, *arguments):
        words = " ".join(map(str, arguments))
        return slapd.modify(change(
            "olcDatabase={1}mdb,cn=config", "add: olcPlugin",
            f"olcPlugin: preoperation {PLUGIN} outgate_seal_init {words}"),
            slapd.config)

    def not_loaded(self, says, *arguments):
        with Server(self.keys, plugin=False) as slapd:
            answer = self.add_plugin(slapd, *arguments)
            self.assertNotEqual(answer.code, OK, answer.text)
            log = pathlib.Path(slapd.home.name, "plugin.log").read_text()
            self.assertIn(says, log)

    def test_no_argument(self):
        """without a directory it is not loaded"""
        self.not_loaded("the arguments are a directory")

    def test_three_arguments(self):
        """with an argument too many it is not loaded"""
        self.not_loaded("the arguments are a directory", "/x", "y", "z")

    def test_no_certificate(self):
        """without a certificate it is not loaded"""
        self.keys.withdraw("a")
        self.not_loaded("holds no certificate", self.keys.certificates)

    def test_keys(self):
        """with keys in the directory it is not loaded"""
        shutil.copy(self.keys.keys / "a.key", self.keys.certificates)
        self.not_loaded("holds keys", self.keys.certificates)

    def test_writable(self):
        """a directory that others may write to is refused"""
        self.keys.certificates.chmod(0o777)
        self.not_loaded("lets group or others write", self.keys.certificates)

    def test_owner_attribute(self):
        """another attribute can be the owner"""
        with Server(self.keys, plugin=False) as slapd:
            slapd.add_file(SCHEMA / "example.ldif")
            check(self.add_plugin(slapd, self.keys.certificates, "mail"), "")
            check(slapd.modify(new_password(JO), OWNER), JO)
            self.assertEqual(
                self.keys.content(slapd.value(JO), "a")["owner"],
                "jo@org.example")
            check(slapd.modify(gateway(SECOND), OWNER), SECOND)
            self.assertEqual(
                self.keys.content(slapd.value(SECOND), "a")["owner"],
                "jo@org.example")
            answer = slapd.modify(user("new"), slapd.root)
            self.assertEqual(answer.code, UNWILLING, answer.text)
            self.assertIn("has no mail to seal it for", answer.text)

    def test_connection_before(self):
        """a connection from before the plug-in is no way round"""
        with Server(self.keys, plugin=False) as slapd:
            slapd.add_file(SCHEMA / "example.ldif")
            words = ["ldapmodify", "-H", slapd.ldapi, "-x", "-D", JO, "-w",
                     OWNER[1]]
            with subprocess.Popen(words, stdin=subprocess.PIPE, text=True,
                                  stdout=subprocess.PIPE) as tool:
                tool.stdin.write(change(JO, "replace: outgateEnabled",
                                        "outgateEnabled: TRUE") + "\n")
                tool.stdin.flush()
                end = time.monotonic() + WAIT_S
                while not slapd.values(JO, "outgateEnabled") and \
                        time.monotonic() < end:
                    time.sleep(0.02)
                check(self.add_plugin(slapd, self.keys.certificates), "")
                tool.stdin.write(new_password(JO) + "\n")
                tool.stdin.write(change(JO, *RETYPE[0][1]) + "\n")
                tool.stdin.close()
                tool.wait(WAIT_S)
            self.assertEqual(tool.returncode, OK)
            self.assertTrue(self.keys.opens(slapd.value(JO), "a"))
            slapd.restart()
            self.assertEqual(slapd.values(JO, "outgateStatus"),
                             [STATUS + RETYPE[0][2]])


class Load(Case):
    THREADS, CHANGES = 8, 1000

    def write(self, number, codes):
        ldif = "\n".join(
            new_password(JO if number % 2 else PARTNER, f"{number}-{turn}",
                         ("add", "replace")[turn % 2])
            for turn in range(self.CHANGES))
        codes[number] = self.slapd.modify(ldif, self.slapd.root)

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
                self.keys.content(self.slapd.value(dn), "a")["secret"], last)


if __name__ == "__main__":
    tap.main()
