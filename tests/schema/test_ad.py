#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_ad.py - the schema and the access rules, asked of Active Directory.

A domain controller of Samba's, with what every domain shows: who has logged in
reads most of other people's attributes.  The list is the one of all servers,
intents.py, in the words of Active Directory: people are named by cn and log in
by sAMAccountName, and the classes of outgate are there without being added.
"""

import base64
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "lib"))

from samba.dcerpc import security
from samba.ndr import ndr_pack

import module
import sandbox
import tap
from intents import (
    ADMIN, AGENT, ALL, CHANGES, CHILD_OWNER, CLASSES, COMPARES, COMPARE_TRUE,
    Case, DELEGATED, DELEGATED_READS, DENIED, JO, KIM, LEE, MIA, NEW,
    NO_OBJECT, OK, OTHER, OWNER, PARTNER, PASSWORD, PAT, PEOPLE, PROOF, READS,
    SAM, SCHEMA, SECRETS, SERVICE, SERVICES, SETTINGS, STAFF, STUDENT,
    STUDENTS, SUFFIX, SYNTAX, USER, account, change, entry, gateway, pick,
    remove)
from samba_dc import SambaDc
from slapd import ANONYMOUS, check


def own_list(dn):
    """LDIF: an access list that lets everybody read everything."""
    rules = security.descriptor.from_sddl(
        "D:(A;;RPWPCRLCRC;;;WD)", security.dom_sid("S-1-5-21-1-2-3"))
    return (f"dn: {dn}\nchangetype: modify\n"
            "replace: nTSecurityDescriptor\nnTSecurityDescriptor:: "
            f"{base64.b64encode(ndr_pack(rules)).decode()}\n-\n")


# LDAP result codes that mean something else here
OPERATIONS, MISSING, EXISTS, UNWILLING, NAMING = 1, 16, 20, 53, 64

NO_CLASS = "an entry is what the schema has settled; nobody adds the class"
NOT_BELOW = "the schema has gateways below users only"
VALUES_TOLD = "a value that is to go is compared with what is stored"
UNCHECKED = ("Samba 4.17 lets whoever may add an entry fill it as he likes; "
             "README.md says what to do about it")
ALWAYS = "what a domain shows to those who have logged in"

CHANGES_AD = pick(CHANGES, {
    # The schema stands in front of the access rules.
    "a user does not permit himself a gateway in another language": MISSING,
    "a user does not write the status in another language": MISSING,
    "nor by its number": MISSING,
    "a user does not remove other classes": MISSING,
    "a user does not replace all classes": CLASSES,
    "a new gateway with a class of somebody else's is refused": MISSING,
    "a new gateway with an attribute of somebody else's is refused": MISSING,
    "a new entry below a user that is no gateway is refused": NAMING,
    "a new gateway below a gateway is refused": NAMING,
    "a new gateway below a unit is refused": NAMING,
    "a gateway does not move below a unit": NAMING,
    "a gateway does not become a name that looks like a user": UNWILLING,
    "a password does not become part of a name, where all can read it":
        UNWILLING,
    "an administrator does not get to add other classes": MISSING,
    "nor to a gateway below a user": MISSING,
    "a new gateway by nobody is refused": OPERATIONS,
    "nobody writes a password": OPERATIONS,
    "nor to an administrator: right guess": DENIED,
    "nor to an administrator: wrong guess": DENIED,
    "adding a password to one that is there tells nothing: right guess":
        EXISTS,
    "adding a password to one that is there tells nothing: wrong guess":
        EXISTS,
    # Both take the right to write.
    "an administrator removes a user's password": DENIED,
    "an administrator removes the password of an entry below a user": DENIED,
    "an administrator removes a status": DENIED,
}, {
    "a user does not add the class of the permission": NO_CLASS,
    "a user does not add the class of gateways to a unit": NO_CLASS,
    "another user's entry is not made a gateway": NO_CLASS,
    "the agent does not add a class": NO_CLASS,
    "a user gives up the gateway in her entry, status and class included":
        NO_CLASS,
    "a gateway may have its name from another of its attributes": NO_CLASS,
    "a gateway outside the people's tree is nobody's to change": NOT_BELOW,
    "the agent does not write a status outside the people's tree": NOT_BELOW,
    "removing a password by its value tells nothing: right guess":
        VALUES_TOLD,
    "removing a password by its value tells nothing: wrong guess":
        VALUES_TOLD,
    "a new gateway with a forged status is refused": UNCHECKED,
    "a new gateway that permits itself is refused": UNCHECKED,
    "a new gateway with the class of the permission is refused": UNCHECKED,
    "a new gateway one could log in as is refused": UNCHECKED,
    "an administrator does not add a gateway with a password": UNCHECKED,
})
# What is true instead, and what else there is to refuse
MORE_CHANGES = [
    ("a new gateway is filled as its maker likes, where Samba does not ask",
     OWNER, gateway(NEW, "outgateStatus: works"), OK),
    ("a password that is too long is refused", OWNER, change(
        JO, "replace outgatePassword", "{CMS}" + "A" * 5465), SYNTAX),
    ("a user gives up the gateway in her entry", OWNER, change(
        JO, *(f"delete outgate{name}" for name in
              ("Address", "Host", "Login", "Password", "Proof"))), OK),
    ("a user does not remove the status",
     OWNER, change(JO, "delete outgateStatus"), DENIED),
    ("removing a password by its value tells whether it is stored: yes",
     OWNER, change(JO, "delete outgatePassword", PASSWORD), OK),
    ("removing a password by its value tells whether it is stored: no",
     OWNER, change(JO, "delete outgatePassword", "guess"), MISSING),
    ("another user is not told",
     USER, change(JO, "delete outgatePassword", PASSWORD), DENIED),
    ("the service does not remove a password",
     SERVICE, change(JO, "delete outgatePassword"), DENIED),
    ("the service does not write the permission of a user",
     SERVICE, change(JO, "add outgateAllowed", "TRUE"), DENIED),
    ("an administrator switches a user's gateway off",
     ADMIN, change(JO, "replace outgateEnabled", "FALSE"), OK),
]

READS_AD = pick(READS, {
    "a shared address finds one's own gateway only": ["sam", "sam"],
    "the agent reads whose gateway it is": ["jo", "jo", "jo@org.example"],
    "nobody sees a permission": [],
}, {
    "a user sees that her own entry is a gateway": NO_CLASS,
    "another user does not see that an entry is a gateway": NO_CLASS,
    "nobody sees that it is one": NO_CLASS,
    "a user reads that his unit carries a permission": NO_CLASS,
    "an administrator reads who made a gateway below a user":
        "there is no creatorsName",
    "a user does not read it among all attributes":
        "they are too many; the next row asks for the one",
    "nor that she has none": "see MORE_READS",
    "nor one without it": "see MORE_READS",
    "another user finds no entry below": ALWAYS,
    "the service reads the permission": "there is no entryDN",
    "the service reads every level of the chain": "there is no entryDN",
    "the service reads nothing else of a user": ALWAYS,
    "a gateway outside the people's tree is shown to no user": NOT_BELOW,
    "nobody sees a gateway outside the people's tree": NOT_BELOW,
})
MORE_READS = [
    ("a user reads nothing of a password among all attributes",
     OWNER, OTHER, "(outgateAddress=*)", ["outgatePassword", "cn"],
     ["other"]),
    ("who has a password is found by not having one",
     OWNER, JO, "(&(cn=jo)(!(outgatePassword=*)))", ["cn"], ["jo"]),
    ("as is who has none", STUDENT, KIM, "(!(outgatePassword=*))", ["cn"],
     ["kim"]),
    ("and whatever it is", OWNER, JO,
     f"(&(cn=jo)(!(outgatePassword={PASSWORD})))", ["cn"], ["jo"]),
    ("another user sees an entry below, and nothing in it", USER, PARTNER,
     ALL, [*SETTINGS, *SECRETS, "outgatePort", "cn"], []),
    ("another user finds no entry below by what is in it", USER, MIA,
     "(|(outgatePort=587)(outgateHost=*)(outgateEnabled=*))", ["1.1"], []),
    ("the service reads the permission of a unit", SERVICE, STAFF,
     "(ou=staff)", ["outgateAllowed"], ["TRUE"]),
    ("the service reads the permission of a user", SERVICE, LEE, "(cn=lee)",
     ["outgateAllowed"], ["FALSE"]),
]

# Samba 4.17 answers a comparison without asking who may: not so in Windows.
COMPARES_AD = pick(COMPARES, dict.fromkeys((
    "a user does not compare her password",
    "an administrator does not compare a password",
    "another user does not compare a password",
    "another user does not compare a setting",
    "nobody compares a setting",
    "an entry below another user is not there to compare"), COMPARE_TRUE))

DELEGATED_AD = pick(DELEGATED, lacks={
    "an administrator of a unit adds the policy's class nowhere else":
        NO_CLASS,
    "an administrator of a unit does not make an entry a gateway": NO_CLASS,
})

# Without ad-entries.sddl
FLAT = [
    ("flat only: a user adds no gateway below", OWNER, gateway(NEW), DENIED),
    ("flat only: an administrator adds none", ADMIN, gateway(NEW), DENIED),
    ("flat only: a user writes the gateway in his entry",
     OWNER, change(JO, "replace outgateHost", "a.example"), OK),
    ("flat only: an administrator removes no gateway below",
     ADMIN, remove(OTHER), DENIED),
]

# Changes with every log-in
RESTLESS = {"lastlogon", "lastlogontimestamp", "logoncount", "badpwdcount",
            "badpasswordtime", "whenchanged", "usnchanged",
            "dscorepropagationdata"}


def words(text):
    """LDIF, names and filters as Active Directory has them."""
    # Which classes an entry has is settled by the schema.
    text = re.sub(r"(?m)^(add|delete): objectClass\n"
                  r"objectClass: outgate(Account|Policy)\n-\n", "", text)
    return re.sub(r"\buid=", "cn=", text)


class Domain(SambaDc):
    """Understands what is written for the other servers."""

    def command(self, name, *arguments, bind=ANONYMOUS, text=""):
        arguments = ["sAMAccountName" if word == "uid" else words(str(word))
                     for word in arguments]
        if bind:
            bind = words(bind[0]), bind[1]
        return super().command(name, *arguments, bind=bind, text=words(text))


def user(dn, *lines):
    """LDIF: somebody who can log in with the password of account()."""
    name, password = dn.split(",")[0].partition("=")[2], account(dn)[1]
    quoted = base64.b64encode(f'"{password}"'.encode("utf-16-le")).decode()
    return entry(dn, "objectClass: user", f"sAMAccountName: {name}",
                 "userAccountControl: 512", f"unicodePwd:: {quoted}",
                 f"mail: {name}@org.example", *lines)


def group(name):
    return entry(f"cn={name},{SERVICES}", "objectClass: group",
                 f"sAMAccountName: {name}")


GATEWAY = ["outgateHost: smtp.partner.example"]
UNITS = [STAFF, STUDENTS]
UNIT = "objectClass: organizationalUnit"
PEOPLE_LDIF = [
    *(entry(dn, UNIT) for dn in UNITS),
    user(JO, *GATEWAY, "outgateAddress: jo.doe@partner.example",
         "outgateLogin: jo.doe", f"outgatePassword: {PASSWORD}",
         f"outgateProof: {PROOF}", "outgateStatus: works"),
    user(MIA),
    user(SAM, *GATEWAY, "outgateAddress: team@partner.example",
         "outgateLogin: sam.roe"),
    user(KIM), user(LEE, "outgateAllowed: FALSE"),
    user(PAT, f"outgatePassword: {PASSWORD}"),
    change(STAFF, "add outgateAllowed", "TRUE"),
    change(f"cn=outgate admins,{SERVICES}", "add member", PAT),
    change(f"cn=staff outgate admins,{SERVICES}", "add member", LEE),
]
# Made by the user, whose they are then; None is the domain's administrator.
BELOW = [
    (CHILD_OWNER, entry(
        PARTNER, "objectClass: outgateEntry", *GATEWAY,
        "outgateAddress: team@partner.example", "outgatePort: 587",
        "outgateTLS: starttls", "outgateLogin: mia.moe",
        f"outgatePassword: {PASSWORD}", f"outgateProof: {PROOF}")),
    (OWNER, entry(
        OTHER, "objectClass: outgateEntry",
        "outgateAddress: jo@other.example", f"outgatePassword: {PASSWORD}")),
    (None, change(PARTNER, "add outgateStatus", "works")),
]
SERVICES_LDIF = [
    entry(SERVICES, UNIT),
    user(SERVICE[0]), user(AGENT[0]), group("outgate admins"),
    group("staff outgate admins"),
]


def setUpModule():
    global server, authorities
    authorities, certificate = module.prepare()
    server = Domain(certificate, authorities, module.HOST)
    try:
        for ldif in [(SCHEMA / "ad-schema.ldif").read_text(), *SERVICES_LDIF]:
            check(server.modify(ldif, server.root), ldif)
        server.sids = {
            "ADMINS_SID": server.sid(f"cn=outgate admins,{SERVICES}"),
            "STAFF_ADMINS_SID":
                server.sid(f"cn=staff outgate admins,{SERVICES}"),
            "OUTGATE_SID": server.sid(SERVICE[0]),
            "AGENT_SID": server.sid(AGENT[0])}
    except BaseException:
        server.stop()
        raise


def tearDownModule():
    server.stop()


class CaseAd(Case):
    """With the rules for gateways below users, which are not for all."""

    files = "access", "entries"
    below = BELOW
    # The class above the one that was named is stored too.
    implied = "top",
    # Who has not logged in is not even told that.
    nothing = OK, NO_OBJECT, OPERATIONS

    @classmethod
    def setUpClass(cls):
        cls.server = server
        server.command("ldapdelete", "-r", PEOPLE, bind=server.root)
        check(server.modify(entry(PEOPLE, UNIT), server.root), PEOPLE)
        for name in cls.files:
            server.allow(PEOPLE, SCHEMA / f"ad-{name}.sddl", **server.sids)

    @classmethod
    def tearDownClass(cls):
        """The server is for all classes."""

    def fill(self):
        """People and their gateways; the access rules of ou=people stay."""
        self.server.command("ldapdelete", "-r", *UNITS, bind=self.server.root)
        check(self.server.modify("\n".join(PEOPLE_LDIF), self.server.root),
              "PEOPLE_LDIF")
        for who, ldif in self.below:
            check(self.server.modify(ldif, who or self.server.root), ldif)

    def everything(self):
        """What is in ou=people; groups show as memberOf."""
        answer = self.server.search(ALL, "*", "nTSecurityDescriptor",
                                    base=PEOPLE, bind=self.server.root)
        self.assertEqual(answer.code, OK, answer.text)
        return [{name: values for name, values in item.items()
                 if name not in RESTLESS} for item in answer.entries]


@tap.tables
class Access(CaseAd):
    @tap.rows(CHANGES_AD + MORE_CHANGES)
    def change(self, who, ldif, code):
        self.expect_change(who, ldif, code)

    @tap.rows(READS_AD + MORE_READS)
    def read(self, who, base, query, attributes, values):
        self.expect_read(who, base, query, attributes, values)

    @tap.rows(COMPARES_AD)
    def compare(self, who, dn, assertion, code):
        answer = self.server.compare(dn, assertion, who)
        self.assertEqual(answer.code, code, answer.text)


    def change_list(self, dn):
        """The access list alone: the whole descriptor is for few to write."""
        return subprocess.run(
            ["ldbmodify", "-H", self.server.uri, "--controls=sd_flags:1:4",
             f"--simple-bind-dn={words(OWNER[0])}", f"--password={OWNER[1]}"],
            input=words(own_list(dn)), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT).stdout

    def test_access_list(self):
        """a user does not change the access list of her own entry"""
        before = self.everything()
        self.assertIn("LDAP error 50 ", self.change_list(JO))
        self.assertEqual(self.everything(), before)

    def test_access_list_below(self):
        """Samba heeds no owner rights: who made a gateway changes its list"""
        type(self).clean = False
        self.assertIn("Modified 1 record", self.change_list(OTHER))


@tap.tables
class Delegated(CaseAd):
    def fill(self):
        super().fill()
        self.server.allow(STAFF, SCHEMA / "ad-delegate.sddl",
                          **self.server.sids)

    @tap.rows(DELEGATED_AD)
    def change(self, who, ldif, code):
        self.expect_change(who, ldif, code)

    @tap.rows(DELEGATED_READS)
    def read(self, who, base, query, attributes, values):
        self.expect_read(who, base, query, attributes, values)


@tap.tables
class Flat(CaseAd):
    """With the rules for all, without those for gateways below users."""

    files = "access",
    below = [(None, ldif) for _, ldif in BELOW]

    @tap.rows(FLAT)
    def change(self, who, ldif, code):
        self.expect_change(who, ldif, code)


class Readme(CaseAd):
    """What an administrator types."""

    files = "access",
    below = ()

    def test_rules(self):
        """the commands of README.md load the rules as they are tested"""
        page = (SCHEMA / "README.md").read_text()
        block = next(block for block in re.findall(
            r"(?m)(?:^    .*\n)+", page) if "ad-access.sddl >rules" in block)
        typed = f"OU=typed,{SUFFIX}"
        check(self.server.modify(entry(typed, UNIT), self.server.root), typed)
        for old, new in (
                ("S-1-5-21-1-2-3-1104", self.server.sids["ADMINS_SID"]),
                ("S-1-5-21-1-2-3-1105", self.server.sids["OUTGATE_SID"]),
                ("S-1-5-21-1-2-3-1106", self.server.sids["AGENT_SID"]),
                ("OU=people,DC=example,DC=com", typed),
                ("ad-access.sddl", str(SCHEMA / "ad-access.sddl")),
                ("samba-tool dsacl set",
                 f"samba-tool dsacl set -s {self.server.conf}")):
            self.assertIn(old, block)
            block = block.replace(old, new)
        subprocess.run(["sh", "-e", "-c", block], check=True,
                       cwd=self.server.directory, stdout=subprocess.DEVNULL)
        self.assertEqual(self.rules(typed), self.rules(PEOPLE))
        self.assertIn("OD;", self.rules(typed))

    def rules(self, dn):
        text = self.server.tool("dsacl", "get", f"--objectdn={dn}")
        return text.partition("\n")[2].partition("S:")[0]


class Module(module.Questions, CaseAd):
    def make_site(self):
        return module.Site(
            self.server.ldaps, authorities, SERVICE, SUFFIX,
            "login_attribute sAMAccountName\nowner_attribute objectGUID")

    def owner(self, dn):
        """The sixteen octets in hexadecimal, as the module writes them."""
        return self.server.guid(words(dn)).bytes_le.hex()


if __name__ == "__main__":
    sandbox.enter()
    tap.main()
