#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_389.py - the schema and the access rules, asked of a real 389 server.

The list is the one of all servers: intents.py.  Beside outgate's rules stands
the one that older installations came with, which lets everybody read
everything: what is hidden here is hidden by outgate's rules alone.
"""

import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "lib"))

import module
import sandbox
import tap
from ds389 import Ds389
from intents import (
    ADMIN, ADMIN_CARETAKER, ALL, ANONYMOUS, CARETAKER, CARETAKER_READS,
    CHANGES, COMPARES, Case, DELEGATED, DELEGATED_READS, DENIED, JO, KIM,
    OCTETS, OK, OWNER, PASSWORD, PAT, PEOPLE, READS, SCHEMA, SELF_CHANGES,
    SELF_READS, SERVICE, STAFF, STUDENT, SUFFIX, USER, VALUES, base64_line,
    change, pick)

LEGACY = """\
aci: (targetattr != "userPassword || aci")(version 3.0; acl "read anything";
  allow (read, search, compare) userdn = "ldap:///anyone";)
"""
# What users see of each other; the rest is for outgate's rules to show, and to
# the services all.
CLOSED = f"""\
aci: (targetattr = "uid || cn || sn || mail || ou || creatorsName")
  (version 3.0; acl "users read names"; allow (read, search, compare)
  userdn = "ldap:///{PEOPLE}??sub?(objectClass=person)";)
"""
# As many sites have it: one's own entry is one's own, and so are the entries
# below it, for a personal address book.
# Two accounts look after all: Kim's, and Pat's, who administers outgate too.
WIDE = LEGACY + f"""\
aci: (targetattr = "*")(version 3.0; acl "write your own";
  allow (all) userdn = "ldap:///self" or userdn = "ldap:///parent";)
aci: (targetattr = "*")(version 3.0; acl "look after people";
  allow (all) userdn = "ldap:///{KIM} || ldap:///{PAT}";)
"""

# LDAP result codes that mean something else here
MISSING, EXISTS, CLASSES = 16, 20, 65

VALUES_TOLD = ("the server compares a value that is to go, or to be added, "
               "octet for octet, whatever the schema says")
CLASS_SHOWN = "a rule cannot hide one class of an entry that shows others"

CHANGES_389 = pick(CHANGES, {
    "a new gateway by nobody is refused": DENIED,
    "nobody writes a password": DENIED,
    "a gateway does not become a name that looks like a user": DENIED,
    "a password does not become part of a name, where all can read it":
        CLASSES,
}, {sentence: VALUES_TOLD for sentence in (
    "removing a password by its value tells nothing: right guess",
    "removing a password by its value tells nothing: wrong guess",
    "nor to an administrator: right guess",
    "nor to an administrator: wrong guess",
    "adding a password to one that is there tells nothing: right guess",
    "adding a password to one that is there tells nothing: wrong guess",
)})

# What is true instead.  Only a sealed value may rest in the directory, and
# nobody guesses one of those.
TOLD = [
    ("removing a password by its value tells whether it is stored: yes",
     OWNER, change(JO, "delete outgatePassword", PASSWORD), OK),
    ("removing a password by its value tells whether it is stored: no",
     OWNER, change(JO, "delete outgatePassword", "guess"), MISSING),
    ("adding a password tells whether it is stored: yes",
     OWNER, change(JO, "add outgatePassword", PASSWORD), EXISTS),
    ("adding a password tells whether it is stored: no",
     OWNER, change(JO, "add outgatePassword", "guess"), CLASSES),
    ("another user is not told",
     USER, change(JO, "delete outgatePassword", PASSWORD), DENIED),
]

READS_389 = pick(READS, lacks={sentence: CLASS_SHOWN for sentence in (
    "another user does not see that an entry is a gateway",
    "another user does not find gateways by class",
    "nobody sees that it is one",
    "nobody sees a permission",
)}) + [
    ("nobody sees a permission, only its class", ANONYMOUS, STAFF,
     "(ou=staff)", ["outgateAllowed", "outgateAllowedHost"], []),
]

VALUES_389 = pick(VALUES, {
    "two hosts are refused": CLASSES,
    "two passwords are refused": CLASSES,
    "two permissions are refused": CLASSES,
}) + [
    ("a length is not enforced", change(
        JO, "replace outgatePassword", "{CMS}" + "A" * 5465), OK),
]

WIDE_CHANGES = pick(SELF_CHANGES, lacks={
    "a new gateway of another class as well is refused":
        "a new entry is checked as a whole; which classes it may not have "
        "cannot be said but by naming them",
})

# Classes that the site's own rules show, or do not.
SITES_OWN = ("a user reads that his unit carries a permission",)

COMPARES_389 = pick(COMPARES, {
    "a user does not compare her password": DENIED,
    "an administrator does not compare a password": DENIED,
    "another user does not compare a password": DENIED,
    "an entry below another user is not there to compare": DENIED,
})


def setUpModule():
    global server, authorities
    authorities, certificate = module.prepare()
    server = Ds389(schema=[SCHEMA / "389-schema.ldif"],
                   certificate=certificate, host=module.HOST)
    server.change_file(SCHEMA / "389-index.ldif")


def tearDownModule():
    server.stop()


class Case389(Case):
    rules = LEGACY
    # The classes above the one that was named are stored too.
    implied = "top", "person", "organizationalPerson"
    files = "access",

    @classmethod
    def setUpClass(cls):
        cls.server = server

    @classmethod
    def tearDownClass(cls):
        """The server is for all classes."""

    def fill(self):
        super().fill()
        self.server.change(
            f"dn: {SUFFIX}\nchangetype: modify\nadd: aci\n{self.rules}")
        for name in self.files:
            self.server.change_file(SCHEMA / f"389-{name}.ldif")


@tap.tables
class Access(Case389):
    @tap.rows(CHANGES_389 + TOLD)
    def change(self, who, ldif, code):
        self.expect_change(who, ldif, code)

    @tap.rows(READS_389)
    def read(self, who, base, query, attributes, values):
        self.expect_read(who, base, query, attributes, values)

    @tap.rows(COMPARES_389)
    def compare(self, who, dn, assertion, code):
        answer = self.server.compare(dn, assertion, who)
        self.assertEqual(answer.code, code, answer.text)


@tap.tables
class Closed(Case389):
    """Where nobody is shown anything but by outgate's rules."""

    rules = CLOSED

    @tap.rows([(f"closed directory: {sentence}", *row)
               for sentence, *row in READS_389 if sentence not in SITES_OWN])
    def read(self, who, base, query, attributes, values):
        self.expect_read(who, base, query, attributes, values)


@tap.tables
class Delegated(Case389):
    files = "access", "delegate"

    @tap.rows(DELEGATED)
    def change(self, who, ldif, code):
        self.expect_change(who, ldif, code)

    @tap.rows(DELEGATED_READS)
    def read(self, who, base, query, attributes, values):
        self.expect_read(who, base, query, attributes, values)


@tap.tables
class WideAccess(Case389):
    """Beside rules that let users write all of their own."""

    rules = WIDE

    @tap.rows([(f"write-own-entry rules: {sentence}", *row)
               for sentence, *row in WIDE_CHANGES])
    def change(self, ldif, code):
        self.expect_change(OWNER, ldif, code)

    @tap.rows(ADMIN_CARETAKER)
    def administrator(self, ldif, code):
        self.expect_change(ADMIN, ldif, code)

    @tap.rows(CARETAKER)
    def caretaker(self, ldif, code):
        self.expect_change(STUDENT, ldif, code)

    @tap.rows(CARETAKER_READS)
    def caretaker_reads(self, base, query, attributes, values):
        self.expect_read(STUDENT, base, query, attributes, values)

    @tap.rows([(f"write-own-entry rules: {sentence}", *row)
               for sentence, *row in SELF_READS])
    def read(self, who, dn):
        answer = self.server.search(ALL, "outgatePassword",
                                    base=dn, scope="base", bind=who)
        self.assertEqual(answer.code, OK, answer.text)
        self.assertNotIn(PASSWORD, answer.text)


@tap.tables
class Schema(Case389):
    """What the schema takes, asked of whom no rule holds."""

    @tap.rows(VALUES_389)
    def value(self, ldif, code):
        self.expect_change(self.server.root, ldif, code)

    @tap.rows(OCTETS)
    def octets(self, attribute, value):
        ldif = change(JO, f"replace {attribute}", "PLACE").replace(
            f"{attribute}: PLACE", base64_line(attribute, value))
        self.expect_change(self.server.root, ldif, OK)
        self.expect_read(self.server.root, JO, "(uid=jo)", [attribute],
                         [value])


class Module(module.Questions, Case389):
    """The module and the command, in a directory that shows nothing else."""

    rules = CLOSED

    def make_site(self):
        return module.Site(self.server.ldaps, authorities, SERVICE, SUFFIX)

    def owner(self, dn):
        found = self.server.search(ALL, "entryUUID", base=dn, scope="base",
                                   bind=self.server.root)
        return found.entries[0]["entryuuid"][0]



if __name__ == "__main__":
    sandbox.enter()
    tap.main()
