#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the schema files that directory servers load from outgate.toml.

    generate.py [--check] [DIRECTORY]

Without --check the files are written, beside outgate.toml or into DIRECTORY;
with it nothing is written and the exit status is 1 when one of them is not what
outgate.toml says.  The source is checked first: a number used twice or an
attribute nobody declared would otherwise be found by the first server that
refuses the file.
"""

import base64
import pathlib
import sys
import tomllib
import uuid

HERE = pathlib.Path(__file__).resolve().parent

NOTICE = """\
# SPDX-License-Identifier: GPL-2.0-or-later
#
# {name} - outgate's {what}.
#
# Written by generate.py from outgate.toml: change that one.  README.md tells
# what each attribute means and how to load this file.
"""

# RFC 4517, 3.3
SYNTAX = {
    "boolean": "1.3.6.1.4.1.1466.115.121.1.7",
    "integer": "1.3.6.1.4.1.1466.115.121.1.27",
    "ia5": "1.3.6.1.4.1.1466.115.121.1.26",
    "text": "1.3.6.1.4.1.1466.115.121.1.15",
}

# RFC 4517, 4.2
EQUALITY = {
    ("boolean", None): "booleanMatch",
    ("integer", None): "integerMatch",
    ("ia5", "ignore-case"): "caseIgnoreIA5Match",
    ("ia5", "exact"): "caseExactIA5Match",
    ("text", "ignore-case"): "caseIgnoreMatch",
    ("text", "exact"): "caseExactMatch",
    ("text", "none"): None,
}

SUBSTRINGS = {
    "caseIgnoreIA5Match": "caseIgnoreIA5SubstringsMatch",
}

ATTRIBUTE_KEYS = {
    "name", "number", "describe", "syntax", "equality", "contains", "max",
    "single", "index", "access",
}
CLASS_KEYS = {"name", "number", "describe", "kind", "on", "must", "may"}

ACCESS = {"policy", "setting", "secret", "status"}

# Attributes of others that a class of ours may name.
FOREIGN = {"cn"}


def load():
    """outgate.toml, checked; ValueError says what is wrong with it."""
    schema = tomllib.loads((HERE / "outgate.toml").read_text())
    for kind, keys in ("attribute", ATTRIBUTE_KEYS), ("class", CLASS_KEYS):
        check_items(schema[kind], kind, keys)
    known = FOREIGN | {item["name"] for item in schema["attribute"]}
    for attribute in schema["attribute"]:
        check_attribute(attribute)
    for item in schema["class"]:
        missing = {*item.get("must", ()), *item.get("may", ())} - known
        if missing:
            raise ValueError(f"{item['name']}: unknown {missing}")
        if item["kind"] not in ("auxiliary", "structural"):
            raise ValueError(f"{item['name']}: kind {item['kind']}")
    return schema


def check_items(items, kind, keys):
    """Nothing unknown, and no name or number twice."""
    for item in items:
        if unknown := item.keys() - keys:
            raise ValueError(f"{item.get('name')}: unknown {unknown}")
        if "'" in item["describe"]:
            raise ValueError(f"{item['name']}: a quote in the description")
    for key in "name", "number":
        seen = [item[key] for item in items]
        twice = {value for value in seen if seen.count(value) > 1}
        if twice:
            raise ValueError(f"{kind} {key} twice: {twice}")


def check_attribute(attribute):
    """Syntax and equality go together, and a secret cannot be asked for."""
    name = attribute["name"]
    rule = attribute["syntax"], attribute.get("equality")
    if rule not in EQUALITY:
        raise ValueError(f"{name}: no equality for {rule}")
    if attribute.get("contains") and EQUALITY[rule] not in SUBSTRINGS:
        raise ValueError(f"{name}: no substring rule for {rule}")
    if attribute["access"] not in ACCESS:
        raise ValueError(f"{name}: unknown access {attribute['access']}")
    if attribute["access"] == "secret" and EQUALITY[rule] is not None:
        raise ValueError(f"{name}: a secret with an equality rule")


def attribute_lines(attribute, arc="outgateAttribute:"):
    """The attribute as RFC 4512, 4.1.2 describes it, a line per part.

    arc  what stands in front of its number
    """
    rule = EQUALITY[attribute["syntax"], attribute.get("equality")]
    syntax = SYNTAX[attribute["syntax"]]
    if "max" in attribute:
        syntax += f"{{{attribute['max']}}}"
    lines = [
        f"( {arc}{attribute['number']}",
        f"NAME '{attribute['name']}'",
        f"DESC '{attribute['describe']}'",
    ]
    if rule:
        lines.append(f"EQUALITY {rule}")
    if attribute.get("contains"):
        lines.append(f"SUBSTR {SUBSTRINGS[rule]}")
    lines.append(f"SYNTAX {syntax}")
    if attribute.get("single"):
        lines.append("SINGLE-VALUE")
    lines[-1] += " )"
    return lines


def class_lines(item, arc="outgateClass:"):
    """The class as RFC 4512, 4.1.1 describes it, a line per part."""
    lines = [
        f"( {arc}{item['number']}",
        f"NAME '{item['name']}'",
        f"DESC '{item['describe']}'",
        f"SUP top {item['kind'].upper()}",
    ]
    if "must" in item:
        lines.append(f"MUST ( {' $ '.join(item['must'])} )")
    lines += name_list("MAY", item["may"])
    lines[-1] += " )"
    return lines


def name_list(word, names):
    """MAY ( a $ b $ c ), three names to a line."""
    rows = [names[i:i + 3] for i in range(0, len(names), 3)]
    lines = [" $ ".join(row) for row in rows]
    lines = [line + " $" for line in lines[:-1]] + lines[-1:]
    lines[0] = f"{word} ( {lines[0]}"
    lines[1:] = ["\t" + line for line in lines[1:]]
    lines[-1] += " )"
    return lines


def definitions(schema):
    """(kind, lines) of everything, in an order a server can read."""
    oid = schema["oid"]
    yield "objectIdentifier", [f"outgate {oid['root']}"]
    yield "objectIdentifier", [f"outgateAttribute outgate:{oid['attribute']}"]
    yield "objectIdentifier", [f"outgateClass outgate:{oid['class']}"]
    for attribute in schema["attribute"]:
        yield "attributeType", attribute_lines(attribute)
    for item in schema["class"]:
        yield "objectClass", class_lines(item)


def openldap_schema(schema):
    """For an include line of slapd.conf(5)."""
    text = NOTICE.format(name="outgate.schema",
                         what="schema for OpenLDAP, slapd.conf format")
    for kind, lines in definitions(schema):
        if len(lines) > 1 or "2.25" in lines[0]:
            text += "\n"
        text += f"{kind} " + "\n\t".join(lines) + "\n"
    return text


def openldap_ldif(schema):
    """For ldapadd into cn=schema,cn=config; see slapd-config(5)."""
    kinds = {
        "objectIdentifier": "olcObjectIdentifier",
        "attributeType": "olcAttributeTypes",
        "objectClass": "olcObjectClasses",
    }
    text = NOTICE.format(name="outgate.ldif",
                         what="schema for OpenLDAP, cn=config format")
    text += "\ndn: cn=outgate,cn=schema,cn=config\n"
    text += "objectClass: olcSchemaConfig\ncn: outgate\n"
    for kind, lines in definitions(schema):
        # A line of LDIF goes on with one blank, which is not part of it.
        lines = [line.replace("\t", " ") for line in lines]
        text += f"{kinds[kind]}: " + "\n  ".join(lines) + "\n"
    return text


def ds389_schema(schema):
    """For the schema directory of a 389 Directory Server instance."""
    oid = schema["oid"]
    text = NOTICE.format(name="389-schema.ldif",
                         what="schema for 389 Directory Server")
    # An empty line would end the entry before it has begun.
    text += "#\ndn: cn=schema\n"
    for kind, key, writer in (
            ("attributeTypes", "attribute", attribute_lines),
            ("objectClasses", "class", class_lines)):
        for item in schema[key]:
            lines = writer(item, f"{oid['root']}.{oid[key]}.")
            lines[-1] = lines[-1][:-2] + " X-ORIGIN 'outgate' )"
            lines = [line.replace("\t", " ") for line in lines]
            text += f"{kind}: " + "\n  ".join(lines) + "\n"
    return text


# Active Directory: MS-ADTS 3.1.1.2.2.2 and 3.1.1.2.3.  Its strings are equal in
# any case but for 2.5.5.5, which is ASCII.
AD_SYNTAX = {
    ("boolean", None): ("2.5.5.8", 1),
    ("integer", None): ("2.5.5.9", 2),
    ("ia5", "ignore-case"): ("2.5.5.12", 64),
    ("ia5", "exact"): ("2.5.5.5", 22),
    ("text", "ignore-case"): ("2.5.5.12", 64),
    ("text", "exact"): ("2.5.5.12", 64),
    ("text", "none"): ("2.5.5.12", 64),
}
AD_KIND = {"structural": 1, "auxiliary": 3}
AD_CONFIGURATION = "CN=Configuration,DC=org,DC=example"
AD_SCHEMA = f"CN=Schema,{AD_CONFIGURATION}"
AD_CLASS_NAMES = {
    "domainDNS": "Domain-DNS", "organizationalUnit": "Organizational-Unit",
    "container": "Container", "user": "User",
}
# searchFlags, 3.1.1.2.3.1
AD_INDEXED, AD_CONFIDENTIAL = 1, 128
# What a new gateway entry lets others do before anything is inherited.
AD_ENTRY_SDDL = ("D:(A;;RPWPCRCCDCLCLORCWOWDSDDTSW;;;DA)"
                 "(A;;RPWPCRCCDCLCLORCWOWDSDDTSW;;;SY)")
AD_RELOAD = "\ndn:\nchangetype: modify\nadd: schemaUpdateNow\n" \
            "schemaUpdateNow: 1\n-\n"
# schemaIDGUIDs, the same in every forest: the class user, and what is written
# when an entry is renamed
AD_USER = "bf967aba-0de6-11d0-a285-00aa003049e2"
AD_NAMES = {"cn": "bf96793f-0de6-11d0-a285-00aa003049e2",
            "name": "bf967a0e-0de6-11d0-a285-00aa003049e2"}

AD_ACCESS_NOTICE = """\
# SPDX-License-Identifier: GPL-2.0-or-later
#
# {name} - {what}.
#
# Written by generate.py from outgate.toml: change that one.  Lines of SDDL, to
# be added to the access list of one object; README.md tells how.
#
"""
AD_ACCESS_WHO = """\
# Put in their place:
#	ADMINS_SID	the group "outgate admins"
#	OUTGATE_SID	the account of the mail hosts
#	AGENT_SID	the account that runs "outgate agent"
# PS is the user whose entry it is.  All but the permission is confidential: to
# read it takes CR beside RP.  Samba takes CR on an attribute for the right to
# write it as well; the lines that deny (OD) take that back.  They have to stand
# in front of those that allow, which is how README.md loads them.
"""
AD_ENTRIES_WHO = """\
# ADMINS_SID stands for the group "outgate admins".  CO is whoever makes a
# gateway entry, OW the owner of one: without that line an owner may change the
# access list, and with Samba 4.17 he may nevertheless.
#
# Only for domain controllers that ask for the right to write each attribute of
# a new entry; README.md tells which do, and what happens with others.
"""
# (comment, [(allowed or denied, flags, rights, of what, in what, who)])
# For OU=people
AD_ACCESS = [
    ("The user and the gateway in his entry", [
        ("OA", "CIIO", "RPWPCR", "settings", "user", "PS"),
        ("OA", "CIIO", "WP", "outgatePassword", "user", "PS"),
        ("OA", "CIIO", "RPCR", "outgateStatus", "user", "PS"),
        ("OD", "CIIO", "WP", "outgateStatus", "user", "PS"),
    ]),
    ("Administrators: all but passwords, and no writing of the status", [
        ("OA", "CI", "RPWP", "outgateAllowed", "", "ADMINS_SID"),
        ("OA", "CI", "RPWP", "outgateAllowedHost", "", "ADMINS_SID"),
        ("OA", "CI", "RPWPCR", "settings", "", "ADMINS_SID"),
        ("OA", "CI", "RPCR", "outgateStatus", "", "ADMINS_SID"),
        ("OD", "CI", "WP", "outgateStatus", "", "ADMINS_SID"),
        ("OA", "CIIO", "RPLCRC", "", "outgateEntry", "ADMINS_SID"),
    ]),
    ("The mail hosts read", [
        ("A", "CI", "RPLC", "", "", "OUTGATE_SID"),
        ("OA", "CI", "RPCR", "settings", "", "OUTGATE_SID"),
        ("OA", "CI", "RPCR", "outgatePassword", "", "OUTGATE_SID"),
        ("OA", "CI", "RPCR", "outgateStatus", "", "OUTGATE_SID"),
        ("OD", "CI", "WP", "settings", "", "OUTGATE_SID"),
        ("OD", "CI", "WP", "outgatePassword", "", "OUTGATE_SID"),
        ("OD", "CI", "WP", "outgateStatus", "", "OUTGATE_SID"),
    ]),
    ("The agent reads, and writes the status and proofs", [
        ("A", "CI", "RPLC", "", "", "AGENT_SID"),
        ("OA", "CI", "RPCR", "settings", "", "AGENT_SID"),
        ("OA", "CI", "RPCR", "outgatePassword", "", "AGENT_SID"),
        ("OA", "CI", "RPWPCR", "outgateStatus", "", "AGENT_SID"),
        ("OA", "CI", "WP", "outgateProof", "", "AGENT_SID"),
        ("OD", "CI", "WP", "settings but outgateProof", "", "AGENT_SID"),
        ("OD", "CI", "WP", "outgatePassword", "", "AGENT_SID"),
    ]),
]
# For OU=people, beside those
AD_ENTRIES = [
    ("The user and gateways below his entry", [
        ("OA", "CIIO", "CCDC", "outgateEntry", "user", "PS"),
        ("OA", "CIIO", "RPLCRC", "", "outgateEntry", "CO"),
        ("OA", "CIIO", "RPWPCR", "settings", "outgateEntry", "CO"),
        ("OA", "CIIO", "WP", "outgatePassword", "outgateEntry", "CO"),
        ("OA", "CIIO", "RPCR", "outgateStatus", "outgateEntry", "CO"),
        ("OD", "CIIO", "WP", "outgateStatus", "outgateEntry", "CO"),
        ("OA", "CIIO", "WP", "cn", "outgateEntry", "CO"),
        ("OA", "CIIO", "WP", "name", "outgateEntry", "CO"),
        ("OA", "CIIO", "RC", "", "outgateEntry", "OW"),
    ]),
    ("Administrators", [
        ("OA", "CIIO", "CCDC", "outgateEntry", "user", "ADMINS_SID"),
    ]),
]
# For one unit
AD_DELEGATE = [
    ("The members of the group STAFF_ADMINS_SID permit for this unit", [
        ("OA", "CI", "RPWP", "outgateAllowed", "", "STAFF_ADMINS_SID"),
    ]),
]


def ad_root(schema):
    """The arc of OIDs: Active Directory takes no number of 128 bits.

    The UUID in pieces below an arc of Microsoft's, as its script for vendors
    without an arc of their own makes them.
    """
    digits = f"{int(schema['oid']['root'].split('.')[2]):032x}"
    pieces, at = [], 0
    for length in 4, 4, 4, 4, 4, 6, 6:
        pieces.append(str(int(digits[at:at + length], 16)))
        at += length
    return "1.2.840.113556.1.8000.2554." + ".".join(pieces)


def ad_guid(schema, arc, number):
    """The GUID that access rules know a definition by: one for each OID."""
    return uuid.uuid5(uuid.NAMESPACE_OID,
                      f"{schema['oid']['root']}.{arc}.{number}")


def ad_settings(schema):
    """The GUID of the property set of all settings."""
    return ad_guid(schema, 3, 1)


def ad_item(schema, kind, item):
    """The GUID of an attribute or a class."""
    return ad_guid(schema, schema["oid"][kind], item["number"])


def ad_record(dn, *lines):
    """LDIF of a new entry; keys that are False are left out."""
    rows = [f"{key}: {value}" for key, value in lines if value is not False]
    return "\n".join(["", f"dn: {dn}", "changetype: add", *rows, ""])


def ad_bytes(guid):
    """For a line that begins with two colons."""
    return base64.b64encode(guid.bytes_le).decode()


def ad_attribute(schema, item):
    syntax, om = AD_SYNTAX[item["syntax"], item.get("equality")]
    flags = AD_INDEXED if item.get("index") else 0
    # Everybody may read most of a user's attributes: but not these.
    flags += AD_CONFIDENTIAL if item["access"] != "policy" else 0
    truth = str(bool(item.get("single"))).upper()
    settings = item["access"] == "setting" and ad_bytes(ad_settings(schema))
    return ad_record(
        f"CN={item['name']},{AD_SCHEMA}",
        ("objectClass", "attributeSchema"),
        ("lDAPDisplayName", item["name"]),
        ("adminDescription", item["describe"]),
        ("attributeID", f"{ad_root(schema)}.1.{item['number']}"),
        ("schemaIDGUID:", ad_bytes(ad_item(schema, "attribute", item))),
        ("attributeSecurityGUID:", settings),
        ("attributeSyntax", syntax), ("oMSyntax", om),
        ("isSingleValued", truth), ("rangeUpper", item.get("max", False)),
        ("searchFlags", flags), ("showInAdvancedViewOnly", "TRUE"))


def ad_class(schema, item):
    structural = item["kind"] == "structural"
    return ad_record(
        f"CN={item['name']},{AD_SCHEMA}",
        ("objectClass", "classSchema"),
        ("lDAPDisplayName", item["name"]),
        ("adminDescription", item["describe"]),
        ("governsID", f"{ad_root(schema)}.2.{item['number']}"),
        ("schemaIDGUID:", ad_bytes(ad_item(schema, "class", item))),
        ("subClassOf", "top"), ("rDNAttID", "cn"),
        ("objectClassCategory", AD_KIND[item["kind"]]),
        *(("mustContain", name) for name in item.get("must", ())),
        *(("mayContain", name) for name in item["may"]),
        *(("possSuperiors", name) for name in item["on"] if structural),
        ("defaultSecurityDescriptor", structural and AD_ENTRY_SDDL),
        ("showInAdvancedViewOnly", "TRUE"))


def ad_property_set(schema):
    """All settings by one name, so that one rule speaks of all."""
    entry = next(item for item in schema["class"]
                 if item["kind"] == "structural")
    return ad_record(
        f"CN=outgate-Settings,CN=Extended-Rights,{AD_CONFIGURATION}",
        ("objectClass", "controlAccessRight"),
        ("displayName", "outgate settings"),
        ("rightsGuid", ad_settings(schema)),
        ("appliesTo", AD_USER),
        ("appliesTo", ad_item(schema, "class", entry)),
        ("validAccesses", 48))


def ad_schema(schema):
    """For ldifde or ldapmodify, in the steps the server needs."""
    text = NOTICE.format(name="ad-schema.ldif",
                         what="schema for Active Directory")
    text += ad_property_set(schema)
    for item in schema["attribute"]:
        text += ad_attribute(schema, item)
    text += AD_RELOAD
    for item in schema["class"]:
        text += ad_class(schema, item)
    text += AD_RELOAD
    for item in schema["class"]:
        for name in item["on"]:
            if item["kind"] == "auxiliary":
                text += (f"\ndn: CN={AD_CLASS_NAMES[name]},{AD_SCHEMA}\n"
                         "changetype: modify\nadd: auxiliaryClass\n"
                         f"auxiliaryClass: {item['name']}\n-\n")
    return text + AD_RELOAD


def ad_rules(schema, sections):
    """The lines of access rules, with the GUIDs of what they speak of."""
    guids = {"": [""], "user": [AD_USER], "settings": [ad_settings(schema)],
             **{name: [guid] for name, guid in AD_NAMES.items()}}
    for kind in "attribute", "class":
        guids |= {item["name"]: [ad_item(schema, kind, item)]
                  for item in schema[kind]}
    guids["settings but outgateProof"] = [
        ad_item(schema, "attribute", item) for item in schema["attribute"]
        if item["access"] == "setting" and item["name"] != "outgateProof"]
    text = ""
    for comment, rules in sections:
        text += f"# {comment}\n"
        for kind, flags, rights, what, where, who in rules:
            for guid in guids[what]:
                text += (f"({kind};{flags};{rights};{guid};"
                         f"{guids[where][0]};{who})\n")
    return text


def ad_access(schema):
    """For OU=people."""
    return AD_ACCESS_NOTICE.format(
        name="ad-access.sddl",
        what="who may see and change what, in Active Directory"
    ) + AD_ACCESS_WHO + ad_rules(schema, AD_ACCESS)


def ad_entries(schema):
    """For OU=people, beside ad_access()."""
    return AD_ACCESS_NOTICE.format(
        name="ad-entries.sddl",
        what="gateways below a user's entry, in Active Directory"
    ) + AD_ENTRIES_WHO + ad_rules(schema, AD_ENTRIES)


def ad_delegate(schema):
    """For one unit."""
    return AD_ACCESS_NOTICE.format(
        name="ad-delegate.sddl",
        what="a unit with administrators of its own") + ad_rules(
        schema, AD_DELEGATE)


WRITERS = {
    "outgate.schema": openldap_schema,
    "outgate.ldif": openldap_ldif,
    "389-schema.ldif": ds389_schema,
    "ad-schema.ldif": ad_schema,
    "ad-access.sddl": ad_access,
    "ad-entries.sddl": ad_entries,
    "ad-delegate.sddl": ad_delegate,
}


def main(arguments):
    check = "--check" in arguments
    paths = [word for word in arguments if word != "--check"]
    if len(paths) > 1 or any(path.startswith("-") for path in paths):
        print(__doc__, file=sys.stderr)
        return 64
    directory = pathlib.Path(paths[0]) if paths else HERE
    try:
        schema = load()
    except (ValueError, KeyError) as problem:
        print(f"outgate.toml: {problem}", file=sys.stderr)
        return 1
    stale = []
    for name, writer in WRITERS.items():
        path, text = directory / name, writer(schema)
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(str(path))
    for path in stale:
        print(f"{path}: is not what outgate.toml says; run generate.py",
              file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
