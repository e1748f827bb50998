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

import pathlib
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent

NOTICE = """\
# SPDX-License-Identifier: GPL-2.0-or-later
#
# {name} - outgate's schema for OpenLDAP, {form}.
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
    "single", "index", "secret",
}
CLASS_KEYS = {"name", "number", "describe", "kind", "must", "may"}

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
    if attribute.get("secret") and EQUALITY[rule] is not None:
        raise ValueError(f"{name}: a secret with an equality rule")


def attribute_lines(attribute):
    """The attribute as RFC 4512, 4.1.2 describes it, a line per part."""
    rule = EQUALITY[attribute["syntax"], attribute.get("equality")]
    syntax = SYNTAX[attribute["syntax"]]
    if "max" in attribute:
        syntax += f"{{{attribute['max']}}}"
    lines = [
        f"( outgateAttribute:{attribute['number']}",
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


def class_lines(item):
    """The class as RFC 4512, 4.1.1 describes it, a line per part."""
    lines = [
        f"( outgateClass:{item['number']}",
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
    text = NOTICE.format(name="outgate.schema", form="slapd.conf format")
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
    text = NOTICE.format(name="outgate.ldif", form="cn=config format")
    text += "\ndn: cn=outgate,cn=schema,cn=config\n"
    text += "objectClass: olcSchemaConfig\ncn: outgate\n"
    for kind, lines in definitions(schema):
        # A line of LDIF goes on with one blank, which is not part of it.
        lines = [line.replace("\t", " ") for line in lines]
        text += f"{kinds[kind]}: " + "\n  ".join(lines) + "\n"
    return text


WRITERS = {
    "outgate.schema": openldap_schema,
    "outgate.ldif": openldap_ldif,
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
