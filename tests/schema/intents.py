# SPDX-License-Identifier: GPL-2.0-or-later
"""intents.py - who may do what in the directory, whichever server it is.

One list of operations for OpenLDAP, 389 Directory Server and Active Directory.
Each is written as OpenLDAP sees it, in LDIF, with the result code it has there.
Where another server cannot say the same, its test names the sentence and what
is true instead; every other row runs there as it stands.
"""

import base64
import pathlib
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = TOP / "ldap-schema"
sys.path.insert(0, str(TOP / "tests" / "lib"))

from slapd import ANONYMOUS, check  # noqa: E402

SUFFIX = "dc=org,dc=example"
PEOPLE = f"ou=people,{SUFFIX}"
STAFF = f"ou=staff,{PEOPLE}"
SERVICES = f"ou=services,{SUFFIX}"
JO, MIA, SAM, PAT = (f"uid={name},{STAFF}" for name in
                     ("jo", "mia", "sam", "pat"))
STUDENTS = f"ou=students,{PEOPLE}"
KIM, LEE = (f"uid={name},{STUDENTS}" for name in ("kim", "lee"))
PARTNER = f"cn=partner,{MIA}"
OTHER = f"cn=other,{JO}"
STRAY = f"cn=stray,{SERVICES}"


def account(dn):
    """What example.ldif has: the name and "-secret"."""
    return dn, dn.split(",")[0].partition("=")[2] + "-secret"


OWNER, CHILD_OWNER, USER, STUDENT, ADMIN = map(
    account, (JO, MIA, SAM, KIM, PAT))
# Administers ou=staff, of which he is no part.
DELEGATE = account(LEE)
SERVICE = account(f"cn=outgate,{SERVICES}")
AGENT = account(f"cn=agent,{SERVICES}")

# LDAP result codes: RFC 4511, 4.1.9, and 122 of RFC 4528
OK, CONSTRAINT, SYNTAX, CLASSES = 0, 19, 21, 65
NO_MATCHING, NO_OBJECT, DENIED, ASSERTION = 18, 32, 50, 122
NOT_IN_NAME = 64
COMPARE_TRUE = 6

POLICY_OID = "2.25.166964127675132833053939338105204730945.2.1"
PASSWORD = "{CMS}c2VhbGVk"
PROOF = "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl"

# Beside example.ldif: what sealing, the agent and an administrator would add.
LIVED_IN = f"""
dn: {JO}
changetype: modify
add: outgatePassword
outgatePassword: {PASSWORD}
-
add: outgateProof
outgateProof: {PROOF}
-
add: outgateStatus
outgateStatus: works
-

dn: {PARTNER}
changetype: modify
add: outgatePassword
outgatePassword: {PASSWORD}
-
add: outgateProof
outgateProof: {PROOF}
-
add: outgateStatus
outgateStatus: works
-

dn: {PAT}
changetype: modify
add: objectClass
objectClass: outgateAccount
-
add: outgatePassword
outgatePassword: {PASSWORD}
-

dn: {STAFF}
changetype: modify
add: objectClass
objectClass: outgatePolicy
-
add: outgateAllowed
outgateAllowed: TRUE
-

dn: {OTHER}
changetype: add
objectClass: outgateEntry
cn: other
outgateAddress: jo@other.example
outgatePassword: {PASSWORD}

dn: {LEE}
changetype: add
objectClass: inetOrgPerson
objectClass: outgatePolicy
uid: lee
cn: Lee Noe
sn: Noe
outgateAllowed: FALSE
userPassword: lee-secret

dn: cn=staff outgate admins,{SERVICES}
changetype: add
objectClass: groupOfNames
cn: staff outgate admins
member: {LEE}

dn: {STRAY}
changetype: add
objectClass: outgateEntry
cn: stray
outgateAddress: stray@partner.example
outgatePassword: {PASSWORD}
outgateProof: {PROOF}
outgateStatus: works
"""

def change(dn, *parts):
    """LDIF: change(JO, "replace outgateHost", "a.example", "delete x")."""
    lines, attribute = [f"dn: {dn}", "changetype: modify"], None
    for part in parts:
        word, _, name = part.partition(" ")
        if word in ("add", "replace", "delete") and name:
            lines += ["-"] if attribute else []
            lines.append(f"{word}: {name}")
            attribute = name
        else:
            lines.append(f"{attribute}: {part}")
    return "\n".join([*lines, "-", ""])


def entry(dn, *lines):
    """LDIF: a new entry."""
    return "\n".join([f"dn: {dn}", "changetype: add", *lines, ""])


def gateway(dn, *lines):
    """LDIF: a new gateway of the structural class."""
    name = dn.split(",")[0].partition("=")[2]
    return entry(dn, "objectClass: outgateEntry", f"cn: {name}",
                 "outgateAddress: second@partner.example", *lines)


def remove(dn):
    return f"dn: {dn}\nchangetype: delete\n"


def rename(dn, rdn, parent=None, keep=False):
    lines = [f"dn: {dn}", "changetype: modrdn", f"newrdn: {rdn}",
             f"deleteoldrdn: {0 if keep else 1}"]
    return "\n".join(lines + ([f"newsuperior: {parent}"] if parent else [])
                     + [""])


NEW = f"cn=second,{JO}"

# sentence, who, LDIF, result code
CHANGES = [
    # The user and his own gateway
    ("a user changes a setting of her gateway",
     OWNER, change(JO, "replace outgateHost", "mail.partner.example"), OK),
    ("a user writes her gateway's password",
     OWNER, change(JO, "replace outgatePassword", "typed"), OK),
    ("a user removes her gateway's password",
     OWNER, change(JO, "delete outgatePassword"), OK),
    ("a user switches her gateway off",
     OWNER, change(JO, "replace outgateEnabled", "FALSE"), OK),
    ("a user pastes a proof",
     OWNER, change(JO, "add outgateProof", PROOF + "2"), OK),
    ("a user removes one of her proofs by its value",
     OWNER, change(JO, "delete outgateProof", PROOF), OK),
    ("a user pastes a proof into an entry below hers",
     CHILD_OWNER, change(PARTNER, "add outgateProof", PROOF + "2"), OK),
    ("a user changes a setting of an entry below hers",
     CHILD_OWNER, change(PARTNER, "replace outgateLogin", "mia"), OK),
    ("a user writes the password of an entry below hers",
     CHILD_OWNER, change(PARTNER, "replace outgatePassword", "typed"), OK),
    ("a user makes her own entry a gateway",
     STUDENT, change(KIM, "add objectClass", "outgateAccount",
                     "add outgateAddress", "kim@partner.example"), OK),
    ("a user gives up the gateway in her entry, status and class included",
     OWNER, change(JO, "delete objectClass", "outgateAccount",
                   *(f"delete outgate{name}" for name in
                     ("Address", "Host", "Login", "Password", "Proof",
                      "Status"))), OK),
    ("a user adds a gateway below her entry, password and proof included",
     OWNER, gateway(NEW, "outgatePassword: typed", f"outgateProof: {PROOF}"),
     OK),
    ("a gateway below an entry may name the class top",
     OWNER, gateway(NEW, "objectClass: top"), OK),
    ("a gateway may have its name from another of its attributes",
     OWNER, entry(f"outgateHost=a.example,{JO}", "objectClass: outgateEntry",
                  "cn: a", "outgateHost: a.example"), OK),
    ("a gateway's name may have a comma",
     OWNER, entry(f"cn=a\\2Cb,{JO}", "objectClass: outgateEntry", "cn: a,b"),
     OK),
    ("a user removes a gateway below her entry",
     CHILD_OWNER, remove(PARTNER), OK),
    ("a user renames a gateway below her entry",
     CHILD_OWNER, rename(PARTNER, "cn=renamed"), OK),

    # The user and what is not his to say
    ("a user does not permit himself a gateway",
     OWNER, change(JO, "add outgateAllowed", "TRUE"), DENIED),
    ("a user does not permit himself one, class included",
     OWNER, change(JO, "add objectClass", "outgatePolicy",
                   "add outgateAllowed", "TRUE"), DENIED),
    ("a user does not change the permission of his unit",
     OWNER, change(STAFF, "replace outgateAllowed", "FALSE"), DENIED),
    ("a user does not remove the permission of his unit",
     OWNER, change(STAFF, "delete outgateAllowed"), DENIED),
    ("a user does not choose the smarthosts of his unit",
     OWNER, change(STAFF, "add outgateAllowedHost", "a.example"), DENIED),
    ("a user does not add the class of the permission",
     OWNER, change(JO, "add objectClass", "outgatePolicy"), DENIED),
    ("nor by its number",
     OWNER, change(JO, "add objectClass", POLICY_OID), DENIED),
    ("nor in another case",
     OWNER, change(JO, "add objectClass", "OUTGATEPOLICY"), DENIED),
    ("a user does not permit himself a gateway in another language",
     OWNER, change(JO, "add outgateAllowed;lang-en", "TRUE"), DENIED),
    ("a user does not write the status in another language",
     OWNER, change(JO, "add outgateStatus;lang-en", "fine"), DENIED),
    ("a user does not add other classes",
     OWNER, change(JO, "add objectClass", "simpleSecurityObject"), DENIED),
    ("a user does not remove other classes",
     OWNER, change(JO, "delete objectClass", "inetOrgPerson"), DENIED),
    ("a user does not replace all classes",
     OWNER, change(JO, "replace objectClass", "inetOrgPerson",
                   "outgateAccount", "outgatePolicy"), DENIED),
    ("a user does not add the class of gateways to a unit",
     OWNER, change(STAFF, "add objectClass", "outgateAccount"), DENIED),
    ("a user does not write the status",
     OWNER, change(JO, "replace outgateStatus", "fine"), DENIED),
    ("a user does not write a status where there is none",
     USER, change(SAM, "add outgateStatus", "fine"), DENIED),
    ("a user does not write the status of an entry below hers",
     CHILD_OWNER, change(PARTNER, "replace outgateStatus", "fine"), DENIED),
    ("a user does not change his mail address",
     OWNER, change(JO, "replace mail", "sam@org.example"), DENIED),
    ("a user does not change his login",
     OWNER, change(JO, "add uid", "sam"), DENIED),

    # What a new entry may contain
    ("a new gateway with a forged status is refused",
     OWNER, gateway(NEW, "outgateStatus: works"), DENIED),
    ("a new gateway that permits itself is refused",
     OWNER, gateway(NEW, "objectClass: outgatePolicy", "outgateAllowed: TRUE"),
     DENIED),
    ("a new gateway with the class of the permission is refused",
     OWNER, gateway(NEW, "objectClass: outgatePolicy"), DENIED),
    ("a new gateway one could log in as is refused",
     OWNER, gateway(NEW, "objectClass: simpleSecurityObject",
                    "userPassword: mine"), DENIED),
    ("a new gateway with a class of somebody else's is refused",
     OWNER, gateway(NEW, "objectClass: labeledURIObject"), DENIED),
    ("a new gateway with an attribute of somebody else's is refused",
     OWNER, gateway(NEW, "objectClass: extensibleObject", "uid: sam"), DENIED),
    ("a new entry below a user that is no gateway is refused",
     OWNER, entry(f"cn=printer,{JO}", "objectClass: device", "cn: printer"),
     DENIED),
    ("a new gateway below another user is refused",
     OWNER, gateway(f"cn=second,{SAM}"), DENIED),
    ("a new gateway below a gateway is refused",
     OWNER, gateway(f"cn=second,{OTHER}"), DENIED),
    ("a new gateway below a unit is refused",
     OWNER, gateway(f"cn=second,{STAFF}"), DENIED),
    ("a new gateway by nobody is refused",
     ANONYMOUS, gateway(NEW), 8),

    # Moving
    ("a gateway does not move to another user",
     OWNER, rename(OTHER, "cn=other", SAM), DENIED),
    ("another user's gateway does not move here",
     USER, rename(OTHER, "cn=other", SAM), DENIED),
    ("a gateway does not move below a unit",
     OWNER, rename(OTHER, "cn=other", STAFF), DENIED),
    ("a gateway does not become a name that looks like a user",
     OWNER, rename(OTHER, "uid=sam", keep=True), CLASSES),
    ("a password does not become part of a name, where all can read it",
     OWNER, rename(OTHER, f"outgatePassword={PASSWORD}"), NOT_IN_NAME),

    # Other users
    ("another user's setting is not changed",
     USER, change(JO, "replace outgateHost", "a.example"), DENIED),
    ("another user's password is not written",
     USER, change(JO, "replace outgatePassword", "mine"), DENIED),
    ("another user's password is not removed",
     USER, change(JO, "delete outgatePassword"), DENIED),
    ("the password of another user's entry below is not written",
     USER, change(PARTNER, "replace outgatePassword", "mine"), DENIED),
    ("a proof is not pasted for another user",
     USER, change(JO, "add outgateProof", PROOF + "2"), DENIED),
    ("another user's proof is not removed",
     USER, change(JO, "delete outgateProof"), DENIED),
    ("another user's status is not removed",
     USER, change(JO, "delete outgateStatus"), DENIED),
    ("another user's entry is not made a gateway",
     USER, change(KIM, "add objectClass", "outgateAccount"), DENIED),
    ("another user's gateway is not removed", USER, remove(PARTNER), DENIED),
    ("another user's gateway is not renamed",
     USER, rename(PARTNER, "cn=renamed"), DENIED),
    ("a gateway outside the people's tree is nobody's to change",
     OWNER, change(STRAY, "replace outgateHost", "a.example"), DENIED),

    # Administrators
    ("an administrator permits gateways for a unit",
     ADMIN, change(STUDENTS, "add objectClass", "outgatePolicy",
                   "add outgateAllowed", "TRUE"), OK),
    ("an administrator withdraws the permission",
     ADMIN, change(STAFF, "replace outgateAllowed", "FALSE"), OK),
    ("an administrator lists smarthosts",
     ADMIN, change(STAFF, "add outgateAllowedHost", "*.partner.example"), OK),
    ("an administrator permits one user",
     ADMIN, change(KIM, "add objectClass", "outgatePolicy",
                   "add outgateAllowed", "TRUE"), OK),
    ("an administrator makes a user's entry a gateway",
     ADMIN, change(KIM, "add objectClass", "outgateAccount",
                   "add outgateHost", "a.example"), OK),
    ("an administrator changes a user's setting",
     ADMIN, change(JO, "replace outgateHost", "a.example"), OK),
    ("an administrator adds a gateway below a user",
     ADMIN, gateway(NEW, f"outgateProof: {PROOF}"), OK),
    ("an administrator removes a gateway below a user",
     ADMIN, remove(PARTNER), OK),
    ("an administrator removes a user's password",
     ADMIN, change(JO, "delete outgatePassword"), OK),
    ("an administrator removes the password of an entry below a user",
     ADMIN, change(PARTNER, "delete outgatePassword"), OK),
    ("an administrator removes a user's proofs",
     ADMIN, change(JO, "delete outgateProof"), OK),
    ("an administrator removes a status",
     ADMIN, change(JO, "delete outgateStatus"), OK),
    ("an administrator does not write a user's password",
     ADMIN, change(JO, "replace outgatePassword", "mine"), DENIED),
    ("an administrator does not write one where there is none",
     ADMIN, change(SAM, "add outgatePassword", "mine"), DENIED),
    ("an administrator does not add a gateway with a password",
     ADMIN, gateway(NEW, "outgatePassword: mine"), DENIED),
    ("an administrator does not write a status",
     ADMIN, change(JO, "replace outgateStatus", "fine"), DENIED),
    ("an administrator writes the password of his own gateway",
     ADMIN, change(PAT, "replace outgatePassword", "typed"), OK),
    ("an administrator does not get to write other attributes",
     ADMIN, change(JO, "replace sn", "Roe"), DENIED),
    ("an administrator does not get to add other classes",
     ADMIN, change(JO, "add objectClass", "labeledURIObject"), DENIED),
    ("nor to a gateway below a user",
     ADMIN, change(PARTNER, "add objectClass", "labeledURIObject"), DENIED),

    ("an administrator of a unit has no say before it is given to him",
     DELEGATE, change(STAFF, "replace outgateAllowed", "FALSE"), DENIED),

    # The mail hosts' account
    ("the service does not write a setting",
     SERVICE, change(JO, "replace outgateHost", "a.example"), DENIED),
    ("the service does not write a password",
     SERVICE, change(JO, "replace outgatePassword", "mine"), DENIED),
    ("the service does not write a proof",
     SERVICE, change(JO, "add outgateProof", PROOF + "2"), DENIED),
    ("the service does not write a status",
     SERVICE, change(JO, "replace outgateStatus", "fine"), DENIED),
    ("the service does not permit anything",
     SERVICE, change(STAFF, "replace outgateAllowed", "FALSE"), DENIED),
    ("the service does not add a gateway", SERVICE, gateway(NEW), DENIED),
    ("the service does not remove a gateway",
     SERVICE, remove(PARTNER), DENIED),

    # The agent
    ("the agent writes a status",
     AGENT, change(JO, "replace outgateStatus", "login refused"), OK),
    ("the agent writes the status of an entry below a user",
     AGENT, change(PARTNER, "replace outgateStatus", "login refused"), OK),
    ("the agent writes a proof",
     AGENT, change(JO, "replace outgateProof", PROOF + "2"), OK),
    ("the agent does not write a setting",
     AGENT, change(JO, "replace outgateHost", "a.example"), DENIED),
    ("the agent does not write a password",
     AGENT, change(JO, "replace outgatePassword", "mine"), DENIED),
    ("the agent does not remove a password",
     AGENT, change(JO, "delete outgatePassword"), DENIED),
    ("the agent does not permit anything",
     AGENT, change(STAFF, "replace outgateAllowed", "FALSE"), DENIED),
    ("the agent does not add a class",
     AGENT, change(KIM, "add objectClass", "outgateAccount"), DENIED),
    ("the agent does not add a gateway", AGENT, gateway(NEW), DENIED),
    ("the agent does not write a status outside the people's tree",
     AGENT, change(STRAY, "replace outgateStatus", "fine"), DENIED),

    # Nobody
    ("nobody writes a password",
     ANONYMOUS, change(JO, "replace outgatePassword", "mine"), 8),

    # Guesses: the right one and a wrong one get the same answer
    ("removing a password by its value tells nothing: right guess",
     OWNER, change(JO, "delete outgatePassword", PASSWORD), NO_MATCHING),
    ("removing a password by its value tells nothing: wrong guess",
     OWNER, change(JO, "delete outgatePassword", "guess"), NO_MATCHING),
    ("nor to an administrator: right guess",
     ADMIN, change(JO, "delete outgatePassword", PASSWORD), NO_MATCHING),
    ("nor to an administrator: wrong guess",
     ADMIN, change(JO, "delete outgatePassword", "guess"), NO_MATCHING),
    ("adding a password to one that is there tells nothing: right guess",
     OWNER, change(JO, "add outgatePassword", PASSWORD), NO_MATCHING),
    ("adding a password to one that is there tells nothing: wrong guess",
     OWNER, change(JO, "add outgatePassword", "guess"), NO_MATCHING),
]

ALL = "(objectClass=*)"
SETTINGS = ["outgateAddress", "outgateHost", "outgateLogin"]
SECRETS = ["outgatePassword", "outgateProof", "outgateStatus"]

# sentence, who, base, filter, attributes, values found in any order
READS = [
    # Settings
    ("a user reads the settings of her gateway", OWNER, JO, "(uid=jo)",
     SETTINGS, ["jo.doe@partner.example", "smtp.partner.example", "jo.doe"]),
    ("a user reads the settings of an entry below hers",
     CHILD_OWNER, PARTNER, ALL, ["cn", "outgatePort", "objectClass"],
     ["partner", "587", "outgateEntry"]),
    ("a user finds her gateways by class",
     CHILD_OWNER, MIA, "(objectClass=outgateEntry)", ["cn"], ["partner"]),
    ("a user sees that her own entry is a gateway", OWNER, JO, "(uid=jo)",
     ["objectClass"], ["inetOrgPerson", "outgateAccount"]),
    ("a user reads her status", OWNER, JO, "(uid=jo)", ["outgateStatus"],
     ["works"]),
    ("a user reads her proofs", OWNER, JO, "(uid=jo)", ["outgateProof"],
     [PROOF]),
    ("another user reads none of it", USER, JO, "(uid=jo)",
     SETTINGS + SECRETS, []),
    ("another user does not see that an entry is a gateway", USER, JO,
     "(uid=jo)", ["objectClass"], ["inetOrgPerson"]),
    ("another user does not find gateways by class", USER, SUFFIX,
     f"(&(objectClass=outgateAccount)(!(entryDN={SAM})))", ["uid"], []),
    ("another user does not find gateways by address", USER, SUFFIX,
     "(outgateAddress=jo.doe@partner.example)", ["uid"], []),
    ("another user finds no entry below", USER, MIA,
     "(!(objectClass=inetOrgPerson))", ["1.1"], []),
    ("a shared address finds one's own gateway only", USER, SUFFIX,
     "(outgateAddress=team@partner.example)", ["uid", "cn"],
     ["sam", "Sam Roe"]),
    ("a user reads the permission of his unit", OWNER, STAFF,
     "(ou=staff)", ["outgateAllowed"], ["TRUE"]),
    ("a user reads that his unit carries a permission", OWNER, STAFF,
     "(ou=staff)", ["objectClass"], ["organizationalUnit", "outgatePolicy"]),
    ("an administrator reads settings, proofs and status", ADMIN, JO,
     "(uid=jo)", ["outgateLogin", "outgateProof", "outgateStatus"],
     ["jo.doe", PROOF, "works"]),
    ("an administrator reads who made a gateway below a user", ADMIN, PARTNER,
     ALL, ["creatorsName"], [f"cn=root,{SUFFIX}"]),
    ("an administrator finds who uses a partner", ADMIN, STAFF,
     "(outgateAddress=*@partner.example)", ["outgateLogin"],
     ["jo.doe", "mia.moe", "sam.roe"]),
    ("a gateway outside the people's tree is shown to no user", OWNER,
     SERVICES, "(cn=stray)", SETTINGS + SECRETS, []),

    # Passwords
    ("a user does not read her password", OWNER, JO, "(uid=jo)",
     ["outgatePassword"], []),
    ("a user does not read it among all attributes", OWNER, OTHER, ALL,
     ["*", "!"], ["outgateEntry", "other", "jo@other.example"]),
    ("a user does not read the password of an entry below hers",
     CHILD_OWNER, PARTNER, ALL, ["outgatePassword"], []),
    ("another user does not read a password", USER, JO, "(uid=jo)",
     ["outgatePassword"], []),
    ("an administrator does not read a password", ADMIN, JO, "(uid=jo)",
     ["outgatePassword"], []),
    ("nor one below an entry", ADMIN, PARTNER, ALL, ["outgatePassword"], []),
    ("nor his own", ADMIN, PAT, "(uid=pat)", ["outgatePassword"], []),
    ("a user does not find out by a filter that she has a password", OWNER,
     JO, "(outgatePassword=*)", ["1.1"], []),
    ("nor that she has none", OWNER, JO, "(!(outgatePassword=*))", ["1.1"],
     []),
    ("a filter with the password finds nothing", OWNER, JO,
     f"(outgatePassword={PASSWORD})", ["1.1"], []),
    ("nor one without it", OWNER, JO, "(!(outgatePassword=guess))", ["1.1"],
     []),
    ("nor for an administrator", ADMIN, SUFFIX, "(outgatePassword=*)",
     ["1.1"], []),
    ("nor for another user", USER, SUFFIX, "(outgatePassword=*)", ["1.1"],
     []),

    # The mail hosts' account
    ("the service finds a user by login", SERVICE, SUFFIX, "(uid=jo)",
     ["uid", "mail"], ["jo", "jo@org.example"]),
    ("the service finds a gateway in the user's entry", SERVICE, JO,
     "(outgateAddress=jo.doe@partner.example)", SETTINGS + SECRETS,
     ["jo.doe@partner.example", "smtp.partner.example", "jo.doe", PASSWORD,
      PROOF, "works"]),
    ("the service finds a gateway below the user's entry", SERVICE, MIA,
     "(outgateAddress=team@partner.example)",
     ["outgateHost", "outgatePort", "outgateTLS", "outgateLogin",
      "outgatePassword", "outgateProof"],
     ["smtp.partner.example", "587", "starttls", "mia.moe", PASSWORD, PROOF]),
    ("the service reads the permission", SERVICE, SUFFIX,
     f"(|(entryDN={JO})(entryDN={STAFF})(entryDN={PEOPLE}))",
     ["outgateAllowed"], ["TRUE"]),
    ("the service reads every level of the chain", SERVICE, SUFFIX,
     f"(|(entryDN={STAFF})(entryDN={PEOPLE})(entryDN={SUFFIX}))",
     ["objectClass"], ["organizationalUnit", "outgatePolicy",
                       "organizationalUnit", "organization", "dcObject"]),
    ("the service reads nothing else of a user", SERVICE, JO, ALL,
     ["cn", "sn", "userPassword", "creatorsName"], []),
    ("the service finds nobody by another attribute", SERVICE, SUFFIX,
     "(sn=Doe)", ["1.1"], []),

    # The agent
    ("the agent reads settings, proofs and status", AGENT, PARTNER, ALL,
     ["outgateAddress", "outgateHost", "outgatePort", "outgateTLS",
      "outgateLogin", "outgateProof", "outgateStatus"],
     ["team@partner.example", "smtp.partner.example", "587", "starttls",
      "mia.moe", PROOF, "works"]),
    ("the agent reads the sealed password, to try the gateway", AGENT, JO,
     "(uid=jo)", ["outgatePassword"], [PASSWORD]),
    ("the agent reads the sealed password of an entry below a user", AGENT,
     PARTNER, ALL, ["outgatePassword"], [PASSWORD]),
    ("the agent reads whose gateway it is", AGENT, JO, "(uid=jo)",
     ["uid", "cn", "mail"], ["jo", "Jo Doe", "jo@org.example"]),
    ("the agent reads the permission", AGENT, STAFF, "(outgateAllowed=TRUE)",
     ["outgateAllowed"], ["TRUE"]),
    ("the agent reads nothing else of a user", AGENT, JO, ALL,
     ["sn", "userPassword", "creatorsName"], []),

    # Nobody, under rules that show everybody everything else
    ("nobody sees a gateway in a user's entry", ANONYMOUS, JO, "(uid=jo)",
     SETTINGS + SECRETS, []),
    ("nobody sees that it is one", ANONYMOUS, JO, "(uid=jo)",
     ["objectClass"], ["inetOrgPerson"]),
    ("nobody finds an entry below a user", ANONYMOUS, MIA,
     "(!(objectClass=inetOrgPerson))", ["1.1"], []),
    ("nobody finds an address", ANONYMOUS, SUFFIX, "(outgateAddress=*)",
     ["1.1"], []),
    ("nobody sees a permission", ANONYMOUS, STAFF, "(ou=staff)",
     ["outgateAllowed", "objectClass"], ["organizationalUnit"]),
    ("nobody sees a gateway outside the people's tree", ANONYMOUS, SERVICES,
     "(cn=stray)", SETTINGS + SECRETS, []),
]

# sentence, who, entry, assertion, result code
COMPARES = [
    ("a user does not compare her password", OWNER, JO,
     f"outgatePassword:{PASSWORD}", NO_MATCHING),
    ("an administrator does not compare a password", ADMIN, JO,
     f"outgatePassword:{PASSWORD}", NO_MATCHING),
    ("another user does not compare a password", USER, JO,
     f"outgatePassword:{PASSWORD}", NO_MATCHING),
    ("another user does not compare a setting", USER, JO,
     "outgateHost:smtp.partner.example", DENIED),
    ("nobody compares a setting", ANONYMOUS, JO,
     "outgateHost:smtp.partner.example", DENIED),
    ("a user compares a setting of her own", OWNER, JO,
     "outgateHost:smtp.partner.example", COMPARE_TRUE),
    ("an entry below another user is not there to compare", USER, PARTNER,
     "cn:partner", NO_OBJECT),
]

# sentence, who, LDIF, result code: where ou=staff has administrators of its own
DELEGATED = [
    ("an administrator of a unit withdraws its permission",
     DELEGATE, change(STAFF, "replace outgateAllowed", "FALSE"), OK),
    ("an administrator of a unit leaves the decision to those above",
     DELEGATE, change(STAFF, "delete outgateAllowed",
                      "delete objectClass", "outgatePolicy"), OK),
    ("an administrator of a unit permits one user of it",
     DELEGATE, change(JO, "add objectClass", "outgatePolicy",
                      "add outgateAllowed", "TRUE"), OK),
    ("an administrator of a unit does not choose its smarthosts",
     DELEGATE, change(STAFF, "add outgateAllowedHost", "a.example"), DENIED),
    ("an administrator of a unit does not permit the unit above",
     DELEGATE, change(PEOPLE, "add objectClass", "outgatePolicy",
                      "add outgateAllowed", "TRUE"), DENIED),
    ("an administrator of a unit does not permit another unit",
     DELEGATE, change(STUDENTS, "add objectClass", "outgatePolicy",
                      "add outgateAllowed", "TRUE"), DENIED),
    ("an administrator of a unit does not permit a user of another unit",
     DELEGATE, change(KIM, "add objectClass", "outgatePolicy",
                      "add outgateAllowed", "TRUE"), DENIED),
    ("an administrator of a unit who is outside it does not permit himself",
     DELEGATE, change(LEE, "replace outgateAllowed", "TRUE"), DENIED),
    ("an administrator of a unit adds the policy's class nowhere else",
     DELEGATE, change(STUDENTS, "add objectClass", "outgatePolicy"), DENIED),
    ("an administrator of a unit does not change a setting",
     DELEGATE, change(JO, "replace outgateHost", "a.example"), DENIED),
    ("an administrator of a unit does not write a password",
     DELEGATE, change(JO, "replace outgatePassword", "mine"), DENIED),
    ("an administrator of a unit does not paste a proof",
     DELEGATE, change(JO, "add outgateProof", PROOF + "2"), DENIED),
    ("an administrator of a unit does not write a status",
     DELEGATE, change(JO, "replace outgateStatus", "fine"), DENIED),
    ("an administrator of a unit does not make an entry a gateway",
     DELEGATE, change(PAT, "delete objectClass", "outgateAccount"), DENIED),
    ("an administrator of a unit does not add a gateway below a user",
     DELEGATE, gateway(NEW), DENIED),
    ("an administrator of a unit does not remove a user's gateway",
     DELEGATE, remove(PARTNER), DENIED),
    ("an administrator of a unit appoints nobody else", DELEGATE,
     change(f"cn=staff outgate admins,{SERVICES}", "add member", KIM), DENIED),
    ("a user of the unit is no administrator of it",
     USER, change(STAFF, "replace outgateAllowed", "FALSE"), DENIED),
    ("an administrator of all may still permit the unit",
     ADMIN, change(STAFF, "replace outgateAllowed", "FALSE"), OK),
]

# sentence, who, base, filter, attributes, values
DELEGATED_READS = [
    ("an administrator of a unit reads its permission", DELEGATE, STAFF,
     "(ou=staff)", ["outgateAllowed"], ["TRUE"]),
    ("an administrator of a unit reads nobody's gateway", DELEGATE, JO,
     "(uid=jo)", SETTINGS + SECRETS, []),
]

# sentence, LDIF, result code: what the schema takes, asked of the rootdn
VALUES = [
    ("a port that is no number is refused",
     change(JO, "replace outgatePort", "smtp"), SYNTAX),
    ("a permission other than TRUE and FALSE is refused",
     change(STAFF, "replace outgateAllowed", "yes"), SYNTAX),
    ("an address with a Kelvin sign is refused",
     change(JO, "replace outgateAddress", "\u212aim@partner.example"), SYNTAX),
    ("a host that is not ASCII is refused",
     change(JO, "replace outgateHost", "sm\u0442p.partner.example"), SYNTAX),
    ("two hosts are refused", change(
        JO, "replace outgateHost", "a.example", "b.example"), CONSTRAINT),
    ("two passwords are refused", change(
        JO, "replace outgatePassword", "a", "b"), CONSTRAINT),
    ("two permissions are refused", change(
        STAFF, "replace outgateAllowed", "TRUE", "FALSE"), CONSTRAINT),
    ("several addresses and proofs are taken", change(
        JO, "replace outgateAddress", "a@a.example", "b@b.example",
        "replace outgateProof", "a.b.c", "a.b.d", "A.b.c"), OK),
    ("the same address in another case is the same address", change(
        JO, "add outgateAddress", "JO.Doe@partner.example"), 20),
    ("a sealed password of full length is taken", change(
        JO, "replace outgatePassword", "{CMS}" + "A" * 5464), OK),
    ("a proof of full length is taken",
     change(JO, "replace outgateProof", "A" * 1023), OK),
    ("a gateway entry needs a name", entry(
        f"outgateHost=a.example,{JO}", "objectClass: outgateEntry",
        "outgateHost: a.example"), CLASSES),
    ("a gateway's attribute needs the class",
     change(KIM, "add outgateHost", "a.example"), CLASSES),
    ("a permission needs the class",
     change(KIM, "add outgateAllowed", "TRUE"), CLASSES),
    ("a permission does not come with a gateway",
     change(JO, "add outgateAllowed", "TRUE"), CLASSES),
]

# sentence, typed value; each must come back octet for octet
OCTETS = [
    ("a password keeps its blanks", "outgatePassword", "  two  blanks  "),
    ("a password keeps its case", "outgatePassword", "AbC"),
    ("a password keeps characters beyond ASCII", "outgatePassword",
     "p\u00e4ss"),
    ("a password keeps its composition", "outgatePassword", "a\u0308"),
    ("a password keeps what means something elsewhere", "outgatePassword",
     "^:{}$\\,;\"<>"),
    ("a login keeps its blanks and its case", "outgateLogin", "  Jo  Doe "),
]

# sentence, LDIF, result code: where users write all of their own entry and of
# those below it
SELF_CHANGES = [
    ("a user does change her mail address",
     change(JO, "replace mail", "j@org.example"), OK),
    ("a user does add an entry to her address book",
     entry(f"cn=book,{JO}", "objectClass: device", "cn: book"), OK),
    ("a user does not permit himself a gateway",
     change(JO, "add objectClass", "outgatePolicy",
            "add outgateAllowed", "TRUE"), DENIED),
    ("a user does not add the policy's class",
     change(JO, "add objectClass", "outgatePolicy"), DENIED),
    ("nor by its number", change(JO, "add objectClass", POLICY_OID), DENIED),
    ("nor in another case",
     change(JO, "add objectClass", "OUTGATEPOLICY"), DENIED),
    ("a user does not write the status",
     change(JO, "replace outgateStatus", "fine"), DENIED),
    ("a new gateway with a forged status is refused",
     gateway(NEW, "outgateStatus: works"), DENIED),
    ("a new gateway of another class as well is refused",
     gateway(NEW, "objectClass: labeledURIObject"), DENIED),
    ("a gateway does not become one of another class as well",
     change(OTHER, "add objectClass", "labeledURIObject"), DENIED),
    ("a new entry below a gateway is refused",
     entry(f"cn=below,{OTHER}", "objectClass: device", "cn: below"), DENIED),
]
# sentence, LDIF, result code: by somebody to whom the site has given all people
CARETAKER = [
    ("a caretaker does change a user's mail address",
     change(JO, "replace mail", "j@org.example"), OK),
    ("a caretaker does not change a setting",
     change(JO, "replace outgateHost", "a.example"), DENIED),
    ("a caretaker does not write a password",
     change(JO, "replace outgatePassword", "mine"), DENIED),
    ("a caretaker does not write one where there is none",
     change(SAM, "add outgatePassword", "mine"), DENIED),
    ("a caretaker does not remove a password",
     change(JO, "delete outgatePassword"), DENIED),
    ("a caretaker does not write a proof",
     change(JO, "add outgateProof", PROOF + "2"), DENIED),
    ("a caretaker does not write a status",
     change(SAM, "add outgateStatus", "fine"), DENIED),
    ("a caretaker does not remove a status",
     change(JO, "delete outgateStatus"), DENIED),
    ("a caretaker permits nobody",
     change(LEE, "replace outgateAllowed", "TRUE"), DENIED),
    ("a caretaker chooses no smarthosts",
     change(LEE, "add outgateAllowedHost", "a.example"), DENIED),
    ("a caretaker does not add the policy's class",
     change(JO, "add objectClass", "outgatePolicy"), DENIED),
    ("a caretaker does not add a gateway below a user", gateway(NEW), DENIED),
    ("a caretaker does not remove one", remove(PARTNER), DENIED),
    ("a caretaker does not rename one",
     rename(PARTNER, "cn=renamed"), DENIED),
    ("a caretaker does not add a user who has a permission",
     entry(f"uid=new,{STAFF}", "objectClass: inetOrgPerson",
           "objectClass: outgatePolicy", "uid: new", "cn: New", "sn: New",
           "outgateAllowed: TRUE"), DENIED),
    ("a caretaker does not add a user who has a password",
     entry(f"uid=new,{STAFF}", "objectClass: inetOrgPerson",
           "objectClass: outgateAccount", "uid: new", "cn: New", "sn: New",
           "outgatePassword: mine"), DENIED),
    ("a caretaker does not add a user who has a status",
     entry(f"uid=new,{STAFF}", "objectClass: inetOrgPerson",
           "objectClass: outgateAccount", "uid: new", "cn: New", "sn: New",
           "outgateStatus: fine"), DENIED),
]
# The same by one who administers outgate as well
ADMIN_CARETAKER = [
    ("an administrator and caretaker does not write a password",
     change(JO, "replace outgatePassword", "mine"), DENIED),
    ("an administrator and caretaker does not add a gateway with a password",
     gateway(NEW, "outgatePassword: mine"), DENIED),
    ("an administrator and caretaker does not write a status",
     change(JO, "replace outgateStatus", "fine"), DENIED),
    ("an administrator and caretaker does not add a gateway with a status",
     gateway(NEW, "outgateStatus: fine"), DENIED),
    ("an administrator and caretaker does not add one that is a user too",
     gateway(NEW, "objectClass: extensibleObject", "uid: sam"), DENIED),
    ("an administrator and caretaker gives a gateway no other class",
     change(PARTNER, "add objectClass", "labeledURIObject"), DENIED),
    ("an administrator and caretaker gives a gateway no other attribute",
     change(PARTNER, "add description", "mine"), DENIED),
]
CARETAKER_READS = [
    ("a caretaker reads no settings, proofs, passwords", JO, "(uid=jo)",
     [*SETTINGS, *SECRETS], []),
    ("a caretaker reads none below a user", PARTNER, ALL,
     [*SETTINGS, *SECRETS, "cn", "creatorsName"], []),
    ("a caretaker finds none by who made it", MIA,
     "(&(creatorsName=*)(!(objectClass=inetOrgPerson)))", ["1.1"], []),
]
SELF_READS = [
    ("a user does not read her password", OWNER, JO),
    ("nor the one of an entry below hers", OWNER, OTHER),
    ("others do not read it", USER, JO),
]


def base64_line(attribute, value):
    """An LDIF line for a value that LDIF would change or not take."""
    return f"{attribute}:: {base64.b64encode(value.encode()).decode()}"


def pick(table, differs=(), lacks=()):
    """The rows of a table as another server has them.

    differs  {sentence: what its row ends with there}
    lacks    {sentence: why it cannot be asked there}
    """
    differs, lacks = dict(differs), dict(lacks)
    sentences = [row[0] for row in table]
    for sentence in [*differs, *lacks]:
        if sentences.count(sentence) != 1:
            raise ValueError(f"not one row: {sentence}")
    return [row[:-1] + (differs.get(row[0], row[-1]),)
            for row in table if row[0] not in lacks]


class Case(unittest.TestCase):
    """Each test meets the same data."""

    server = None
    clean = False
    # values that a server adds to what was written
    implied = ()
    # result codes with which a server says that there is nothing to see
    nothing = OK, NO_OBJECT

    @classmethod
    def tearDownClass(cls):
        if cls.server:
            cls.server.stop()

    def setUp(self):
        if not type(self).clean:
            self.fill()
            type(self).clean = True

    def fill(self):
        """example.ldif, and what people have made of it."""
        self.server.clear()
        self.server.add_file(SCHEMA / "example.ldif")
        check(self.server.modify(LIVED_IN, self.server.root), "LIVED_IN")

    def everything(self):
        answer = self.server.search(ALL, "*", "entryCSN", bind=self.server.root)
        self.assertEqual(answer.code, 0)
        return answer.entries

    def expect_change(self, who, ldif, code):
        before = self.everything()
        type(self).clean = False
        answer = self.server.modify(ldif, who)
        self.assertEqual(answer.code, code, answer.text)
        if code == OK:
            self.assertNotEqual(self.everything(), before)
        else:
            self.assertEqual(self.everything(), before)
            type(self).clean = True

    def expect_read(self, who, base, query, attributes, values):
        answer = self.server.search(query, *attributes, base=base, bind=who)
        found = [value for entry in answer.entries
                 for name, some in entry.items() if name != "dn"
                 for value in some if value not in self.implied]
        self.assertIn(answer.code, self.nothing, answer.text)
        self.assertCountEqual(found, values, answer.text)
        if attributes == ["1.1"]:
            self.assertEqual(answer.entries, [])
