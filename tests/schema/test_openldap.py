#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_openldap.py - the schema and the access rules, asked of a real slapd.

The files of ldap-schema/ are loaded as they are.  The database has, behind
outgate's rules, the ones that Debian's slapd comes with, which let everybody
read everything: what is hidden here is hidden by outgate's rules alone.  A
second server has rules that let users write all of their own entry.

Every test is one operation by somebody who has really logged in, most of them
from the list that all servers share: intents.py.  A change that is refused must
have changed nothing, one that is granted must have changed something.
"""

import os
import pathlib
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "lib"))

import tap  # noqa: E402
from intents import (  # noqa: E402
    ADMIN, ADMIN_CARETAKER, AGENT, ALL, ASSERTION, CARETAKER, CARETAKER_READS,
    CHANGES, COMPARES, Case, DELEGATED, DELEGATED_READS, DENIED, JO, KIM,
    OCTETS, OK, OTHER, OWNER, PASSWORD, PAT, PEOPLE, READS, SCHEMA,
    SELF_CHANGES, SELF_READS, SERVICE, STAFF, STUDENT, SUFFIX, VALUES, account,
    base64_line, change, entry, gateway)
from slapd import ANONYMOUS, EXTERNAL, Slapd, check  # noqa: E402

# slapd.init.ldif of Debian's slapd
DEBIAN_RULES = """
access to attrs=userPassword by self write by anonymous auth by * none
access to attrs=shadowLastChange by self write by * read
access to * by * read
"""

# As many sites have it: one's own entry is one's own, and so are the entries
# below it, for a personal address book.  Two accounts look after all: Kim's, and
# Pat's, who administers outgate too.
SELF_RULES = f"""
access to attrs=userPassword by self write by anonymous auth by * none
access to dn.subtree="{PEOPLE}" by dn.exact="{KIM}" write
  by dn.exact="{PAT}" write by * break
access to dn.regex="^.+,(uid=[^,]+,ou=staff,{PEOPLE})$"
  by dn.exact,expand="$1" write
access to * by self write by users read
"""


def configured(database, files=("index", "access", "authz"), **more):
    """A server with the files of ldap-schema/, loaded as README.md tells."""
    slapd = Slapd(suffix=SUFFIX, dynamic=True, database=database, **more)
    try:
        slapd.start()
        slapd.configure_file(SCHEMA / "outgate.ldif", "ldapadd")
        for name in files:
            slapd.configure_file(SCHEMA / f"openldap-{name}.ldif")
    except BaseException:
        slapd.stop()
        raise
    return slapd


@tap.tables
class Access(Case):
    """Rules of Debian's slapd behind outgate's."""

    @classmethod
    def setUpClass(cls):
        cls.server = configured(DEBIAN_RULES)

    @tap.rows(CHANGES)
    def change(self, who, ldif, code):
        self.expect_change(who, ldif, code)

    @tap.rows(READS)
    def read(self, who, base, query, attributes, values):
        self.expect_read(who, base, query, attributes, values)

    @tap.rows(COMPARES)
    def compare(self, who, dn, assertion, code):
        answer = self.server.compare(dn, assertion, who)
        self.assertEqual(answer.code, code, answer.text)

    def test_assertion_control(self):
        """a change on condition tells nothing about the password"""
        for guess in "*", PASSWORD, "guess":
            answer = self.server.modify(
                change(JO, "replace outgatePort", "465"), OWNER,
                ["-e", f"!assert=(outgatePassword={guess})"])
            self.assertEqual(answer.code, ASSERTION, answer.text)

    def test_read_controls(self):
        """reading before and after a change does not show the password"""
        type(self).clean = False
        answer = self.server.modify(
            change(JO, "replace outgatePassword", "typed"), OWNER,
            ["-e", "preread=outgatePassword,outgateHost",
             "-e", "postread=outgatePassword,outgateHost"])
        self.assertEqual(answer.code, OK, answer.text)
        self.assertEqual(answer.text.count("smtp.partner.example"), 2)
        self.assertNotIn("outgatePassword: ", answer.text)
        self.assertNotIn(PASSWORD, answer.text)

    def test_language(self):
        """a password in another language is as hidden as the other"""
        tagged = "outgatePassword;lang-en"
        self.expect_change(OWNER, change(JO, f"add {tagged}", "typed"), OK)
        for who, values in (OWNER, []), (SERVICE, [PASSWORD, "typed"]):
            self.expect_read(who, JO, "(uid=jo)", ["outgatePassword"], values)

    def test_permit(self):
        """permit.ldif, given by an administrator, permits gateways"""
        type(self).clean = False
        check(self.server.modify(change(
            STAFF, "delete outgateAllowed",
            "delete objectClass", "outgatePolicy"), self.server.root), STAFF)
        answer = self.server.command(
            "ldapmodify", "-f", SCHEMA / "permit.ldif", bind=ADMIN)
        self.assertEqual(answer.code, OK, answer.text)
        self.expect_read(SERVICE, STAFF, "(outgateAllowed=TRUE)",
                         ["outgateAllowed"], ["TRUE"])

    def test_example_is_off(self):
        """the example permits nothing until permit.ldif has been given"""
        self.assertNotIn("\noutgateAllowed",
                         (SCHEMA / "example.ldif").read_text())
        type(self).clean = False
        self.server.clear()
        self.server.add_file(SCHEMA / "example.ldif")
        self.expect_read(SERVICE, SUFFIX, "(outgateAllowed=*)", ["1.1"], [])


@tap.tables
class Delegated(Case):
    """With openldap-delegate.ldif for ou=staff."""

    @classmethod
    def setUpClass(cls):
        cls.server = configured(DEBIAN_RULES, ("access", "delegate"))

    @tap.rows(DELEGATED)
    def change(self, who, ldif, code):
        self.expect_change(who, ldif, code)

    @tap.rows(DELEGATED_READS)
    def read(self, who, base, query, attributes, values):
        self.expect_read(who, base, query, attributes, values)


class Index(Case):
    @classmethod
    def setUpClass(cls):
        # slapd tells at this level where it had to read every entry.
        cls.server = configured(DEBIAN_RULES, debug="filter")

    def test_index(self):
        """a search by address uses the index; one by host has none"""
        for attribute in "outgateAddress", "outgateHost":
            self.server.search(f"({attribute}=a.example)", bind=SERVICE)
        log = self.server.log.read_text()
        self.assertNotIn("(outgateAddress) not indexed", log)
        self.assertIn("(outgateHost) not indexed", log)


@tap.tables
class WideAccess(Case):
    """Rules that let users write their own entry behind outgate's."""

    @classmethod
    def setUpClass(cls):
        cls.server = configured(SELF_RULES)

    @tap.rows([(f"write-own-entry rules: {sentence}", *row)
               for sentence, *row in SELF_CHANGES])
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

    def test_caretaker(self):
        """who looks after people may still add entries below them"""
        self.expect_change(
            STUDENT, entry(f"cn=book,{JO}", "objectClass: device", "cn: book"),
            OK)

    def test_caretaker_below(self):
        """who looks after people does not add entries below a gateway"""
        self.expect_change(STUDENT, entry(
            f"cn=b,{OTHER}", "objectClass: device", "cn: b"), DENIED)

    def test_caretaker_reads(self):
        """who looks after people does not read their passwords"""
        self.expect_read(STUDENT, JO, "(uid=jo)", ["outgatePassword"], [])

    @tap.rows([(f"write-own-entry rules: {sentence}", *row)
               for sentence, *row in SELF_READS])
    def read(self, who, dn):
        answer = self.server.search(ALL, "outgatePassword", base=dn,
                                   scope="base", bind=who)
        self.assertEqual(answer.code, OK, answer.text)
        self.assertNotIn(PASSWORD, answer.text)


class Peercred(Case):
    """openldap-authz.ldif; the test's own uid takes the places in turn."""

    def setUp(self):
        self.server = configured(DEBIAN_RULES)
        self.addCleanup(self.server.stop)

    def peer(self):
        return (f"gidNumber={os.getegid()}+uidNumber={os.geteuid()},"
                "cn=peercred,cn=external,cn=auth")

    def fill_in(self, **uids):
        """Load the file again with numbers in it, in place of the first."""
        text = (SCHEMA / "openldap-authz.ldif").read_text()
        for name, uid in uids.items():
            self.assertIn(f"uidNumber={name},", text)
            text = text.replace(name, str(uid))
        text = text.replace("add: olcAuthzRegexp", "replace: olcAuthzRegexp")
        check(self.server.modify(text, self.server.config), "authz")

    def test_as_it_is(self):
        """before the numbers are filled in, the file makes nobody anybody"""
        self.assertEqual(self.server.whoami(EXTERNAL), self.peer())

    def test_service(self):
        """Exim's uid is the service account, at once and by socket alone"""
        self.fill_in(EXIM_UID=os.geteuid())
        self.assertEqual(self.server.whoami(EXTERNAL), SERVICE[0])

    def test_agent(self):
        """the agent's uid is the agent"""
        self.fill_in(AGENT_UID=os.geteuid())
        self.assertEqual(self.server.whoami(EXTERNAL), AGENT[0])

    @unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
    def test_other_uid(self):
        """a uid that only begins or ends the same is nobody"""
        self.fill_in(EXIM_UID=12, AGENT_UID=23)
        os.chmod(self.server.directory, 0o755)
        for uid, name in (12, "cn=outgate"), (23, "cn=agent"), (123, "gid"):
            done = subprocess.run(
                ["ldapwhoami", "-Q", "-Y", "EXTERNAL", "-H", self.server.ldapi],
                user=uid, stdout=subprocess.PIPE, check=True, text=True,
                env={**os.environ, "LDAPNOINIT": "1"})
            self.assertTrue(done.stdout.startswith(f"dn:{name}"), done.stdout)


@tap.tables
class Schema(Case):
    """outgate.schema from slapd.conf, without any rules of outgate's."""

    @classmethod
    def setUpClass(cls):
        cls.server = Slapd(suffix=SUFFIX, schema=[SCHEMA / "outgate.schema"])
        cls.server.start()

    @tap.rows(VALUES)
    def value(self, ldif, code):
        self.expect_change(self.server.root, ldif, code)

    @tap.rows(OCTETS)
    def octets(self, attribute, value):
        ldif = change(JO, f"replace {attribute}", "PLACE").replace(
            f"{attribute}: PLACE", base64_line(attribute, value))
        self.expect_change(self.server.root, ldif, OK)
        self.expect_read(self.server.root, JO, "(uid=jo)", [attribute], [value])

    def test_address_case(self):
        """an address is found in any case"""
        self.expect_read(self.server.root, SUFFIX,
                         "(outgateAddress=JO.DOE@Partner.Example)", ["uid"],
                         ["jo"])

    def test_login_case(self):
        """a login in another case is another login"""
        for login, found in ("jo.doe", ["jo"]), ("Jo.Doe", []):
            self.expect_read(self.server.root, SUFFIX,
                             f"(outgateLogin={login})", ["uid"], found)

    def test_password_unasked(self):
        """not even the rootdn finds an entry by its password"""
        self.expect_read(self.server.root, SUFFIX,
                         f"(outgatePassword={PASSWORD})", ["1.1"], [])

    def test_both_forms(self):
        """slapd.conf and cn=config give the same schema"""
        kinds = ["attributeTypes", "objectClasses"]
        with Slapd(suffix=SUFFIX, dynamic=True) as other:
            other.configure_file(SCHEMA / "outgate.ldif", "ldapadd")
            found = []
            for slapd in self.server, other:
                answer = slapd.search(ALL, *kinds, base="cn=Subschema",
                                      scope="base", bind=slapd.root)
                found.append([text for kind in kinds
                              for text in answer.entries[0][kind.lower()]
                              if "NAME 'outgate" in text])
        self.assertEqual(found[0], found[1])
        self.assertEqual(len(found[0]), 14)
        for text in found[0]:
            self.assertTrue(text.startswith(
                "( 2.25.166964127675132833053939338105204730945."), text)


if __name__ == "__main__":
    tap.main()
